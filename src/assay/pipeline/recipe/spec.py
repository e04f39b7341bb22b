"""Components as data: to a spec and back. Every argument is written, defaults too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from assay.core.errors import RecipeError, did_you_mean
from assay.core.roles import Scorer, Source
from assay.pipeline.recipe.catalog import METHODS, find, name_of

NESTED: Mapping[Any, str] = {Source: "sources", Scorer: "scorers"}
"""What another component may hold, and its role."""
_LIKE = {
    ("list", "sources"): "Like [{use: Texts, path: seeds.jsonl}].",
    ("list", "scorers"): "Like [{use: Perplexity, model: embedded:smollm2}].",
    ("mapping", "sources"): "Like {mine: {use: Texts, path: seeds.jsonl}}.",
    ("mapping", "scorers"): "Like {surprise: {use: Perplexity, model: embedded:smollm2}}.",
}


def describe(component: Any) -> dict[str, Any]:
    """`{"use": name, **every argument}`: what the store hashes, a recipe holds and the report prints."""
    return {"use": name_of(component)} | _arguments(component)


def _arguments(component: Any) -> dict[str, Any]:
    hints = _hints(type(component))
    return {field.name: _builtins(getattr(component, field.name), hints.get(field.name)) for field in fields(component)}


def _hints(kind: type) -> Mapping[str, Any]:
    """Annotations by field; none of a class whose names cannot be looked up, such as one within a function."""
    try:
        return get_type_hints(kind)
    except NameError:
        return {}


def _builtins(value: Any, hint: Any = None) -> Any:
    # What `msgspec.convert` has built keeps its defaults in the class, where `to_builtins` does not find them.
    whole = is_dataclass(value) and not isinstance(value, type)
    if whole and any(hasattr(value, METHODS[role]) for role in NESTED.values()):
        return describe(value)
    if isinstance(value, tuple):
        return tuple(_builtins(one, _of_values(hint, tuple)) for one in value)
    if isinstance(value, Mapping):
        return {name: _builtins(one, _of_values(hint, Mapping)) for name, one in value.items()}
    if type(value) is int and float in (hint, *get_args(hint)) and int not in get_args(hint):
        return float(value)  # as `fit` reads it back: 0 and 0.0 in Python must not be two stages
    return _arguments(value) if whole else msgspec.to_builtins(value)


def _of_values(hint: Any, container: type) -> Any:
    """The annotation of what lies in a mapping or in a tuple of any length; None where there is none."""
    for one in (hint, *get_args(hint)):
        origin, within = get_origin(one), get_args(one)
        if origin is container is tuple and within[1:] == (...,):
            return within[0]
        if origin is container is Mapping:
            return within[1]
    return None


def version_of(component: Any) -> int:
    """Goes up when the component's output changes for the same input; part of every key."""
    return int(getattr(type(component), "version", 1))


def build(role: str, spec: object, where: str) -> Any:
    """The component that `spec` describes; `where` names the place in the recipe.

    Raises:
        RecipeError: Naming the unknown component, the unknown or missing argument, or the value that does not fit.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("use"), str):
        raise RecipeError(
            f"{where} must be a mapping with 'use: NAME', was {_shown(spec)}.", hint="Like {use: Threshold, column: x}."
        )
    arguments = {str(name): value for name, value in spec.items() if name != "use"}
    kind = find(role, spec["use"])
    return construct(kind, arguments, where)


def construct(kind: type, arguments: Mapping[str, object], where: str) -> Any:
    """An instance of the dataclass `kind`, its arguments checked against the annotations.

    Raises:
        RecipeError: As `build`.
    """
    name = kind.__name__
    if not is_dataclass(kind):
        raise RecipeError(f"{where}: {name} is not a dataclass, so a recipe cannot describe it.")
    known = {field.name: field for field in fields(kind) if field.init}
    for argument in arguments:
        if argument not in known:
            raise RecipeError(f"{where}: {name} takes no argument {argument!r}.", hint=did_you_mean(argument, known))
    for field in known.values():
        if field.default is MISSING and field.default_factory is MISSING and field.name not in arguments:
            raise RecipeError(f"{where}: {name} needs {field.name!r}.", hint=f"It takes: {', '.join(known)}.")
    hints = get_type_hints(kind)
    values = {name: _argument(value, hints[name], f"{where}.{name}") for name, value in arguments.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise RecipeError(f"{where}: {error}") from error


def _argument(value: object, hint: Any, where: str) -> Any:
    """As `fit`; where a component holds others, or several in a list or by name, those are built as such."""
    kind = next((kind for kind in NESTED if kind in (hint, *get_args(hint))), None)
    if value is None or kind is None:
        return fit(value, hint, where)
    role = NESTED[kind]
    if get_origin(hint) in (Mapping, dict):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} must give {role} names, was {_shown(value)}.", hint=_LIKE["mapping", role])
        return {str(name): build(role, one, f"{where}.{name}") for name, one in value.items()}
    if get_origin(hint) is not tuple:
        return build(role, value, where)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise RecipeError(f"{where} must be a list of {role}, was {_shown(value)}.", hint=_LIKE["list", role])
    return tuple(build(role, one, f"{where}[{nth}]") for nth, one in enumerate(value))


def fit(value: object, hint: Any, where: str) -> Any:
    """`value` as the annotation `hint` wants it.

    Raises:
        RecipeError: It is something else; `where` names its place in the recipe.
    """
    try:
        found = msgspec.convert(value, hint, strict=True)
    except msgspec.ValidationError as error:
        text = str(error).replace("`$", f"`{where}").replace(" - at", " at")
        place = "" if where in text else f" at `{where}`"
        words = [word for word in get_args(hint) if isinstance(word, str)] if get_origin(hint) is Literal else []
        known = did_you_mean(value, words) if words and isinstance(value, str) else ""
        raise RecipeError(f"{text}{place}; the value is {_shown(value)}.", hint=known) from error
    _refuse_strangers(value, hint, where)
    return found


def _refuse_strangers(value: object, hint: Any, where: str) -> None:
    """Refuses arguments that a dataclass within does not take; `msgspec.convert` passes over them."""
    if not isinstance(value, Mapping):
        return
    if get_origin(hint) is Mapping:
        for name, one in value.items():
            _refuse_strangers(one, get_args(hint)[1], f"{where}.{name}")
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        for name, one in value.items():
            if name not in hints:
                raise RecipeError(
                    f"{where}: {hint.__name__} takes no argument {name!r}.",
                    hint=did_you_mean(str(name), (field.name for field in fields(hint))),
                )
            _refuse_strangers(one, hints[name], f"{where}.{name}")


def _shown(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
