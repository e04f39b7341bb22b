"""Serialization of components: from a component to a spec and back. A spec holds every argument, also defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from assay.core.errors import RecipeError, did_you_mean
from assay.core.roles import Scorer, Source
from assay.pipeline.recipe.catalog import METHODS, component_name, find_component

NESTED: Mapping[Any, str] = {Source: "sources", Scorer: "scorers"}
"""Type of a component that another may contain, to its role."""
_HINTS = {
    ("list", "sources"): "For example [{use: Texts, path: seeds.jsonl}].",
    ("list", "scorers"): "For example [{use: Perplexity, model: embedded:smollm2}].",
    ("mapping", "sources"): "For example {mine: {use: Texts, path: seeds.jsonl}}.",
    ("mapping", "scorers"): "For example {surprise: {use: Perplexity, model: embedded:smollm2}}.",
}


def describe(component: Any) -> dict[str, Any]:
    """Spec of a component, `{"use": name, **arguments}`: for stage keys, recipes and reports."""
    return {"use": component_name(component)} | _arguments(component)


def _arguments(component: Any) -> dict[str, Any]:
    hints = _hints(type(component))
    return {field.name: _builtins(getattr(component, field.name), hints.get(field.name)) for field in fields(component)}


def _hints(kind: type) -> Mapping[str, Any]:
    """Annotations by field; empty if they cannot be resolved, such as those of a class within a function."""
    try:
        return get_type_hints(kind)
    except NameError:
        return {}


def _builtins(value: Any, hint: Any = None) -> Any:
    # `msgspec.to_builtins` omits the defaults of a dataclass that `msgspec.convert` built.
    is_instance = is_dataclass(value) and not isinstance(value, type)
    if is_instance and any(hasattr(value, METHODS[role]) for role in NESTED.values()):
        return describe(value)
    if isinstance(value, tuple):
        return tuple(_builtins(item, _item_hint(hint, tuple)) for item in value)
    if isinstance(value, Mapping):
        return {name: _builtins(item, _item_hint(hint, Mapping)) for name, item in value.items()}
    if type(value) is int and float in (hint, *get_args(hint)) and int not in get_args(hint):
        return float(value)  # as `fit` reads it back: 0 and 0.0 must have the same stage key
    return _arguments(value) if is_instance else msgspec.to_builtins(value)


def _item_hint(hint: Any, container: type) -> Any:
    """Annotation of the items of a mapping or of a tuple of any length; None if there is none."""
    for option in (hint, *get_args(hint)):
        origin, arguments = get_origin(option), get_args(option)
        if origin is container is tuple and arguments[1:] == (...,):
            return arguments[0]
        if origin is container is Mapping:
            return arguments[1]
    return None


def version_of(component: Any) -> int:
    """Version of a component, which increases when its output changes for the same input; part of every stage key."""
    return int(getattr(type(component), "version", 1))


def build(role: str, spec: object, where: str) -> Any:
    """The component that a spec describes.

    Args:
        role: Role of the component, such as "scorers".
        spec: Mapping of `use` and of the component's arguments.
        where: Place in the recipe, for messages.

    Raises:
        RecipeError: The component or an argument is unknown, or an argument is missing or has the wrong type.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("use"), str):
        raise RecipeError(
            f"{where} must be a mapping with 'use: NAME', was {_short(spec)}.",
            hint="For example {use: Threshold, column: x}.",
        )
    arguments = {str(name): value for name, value in spec.items() if name != "use"}
    kind = find_component(role, spec["use"])
    return construct(kind, arguments, where)


def construct(kind: type, arguments: Mapping[str, object], where: str) -> Any:
    """An instance of the dataclass `kind`, with its arguments checked against the annotations.

    Raises:
        RecipeError: An argument is unknown or missing, or has the wrong type.
    """
    name = kind.__name__
    if not is_dataclass(kind):
        raise RecipeError(f"{where}: {name} is not a dataclass, which a component must be.")
    parameters = {field.name: field for field in fields(kind) if field.init}
    for argument in arguments:
        if argument not in parameters:
            hint = did_you_mean(argument, parameters)
            raise RecipeError(f"{where}: {name} takes no argument {argument!r}.", hint=hint, place=where, name=argument)
    for field in parameters.values():
        if field.default is MISSING and field.default_factory is MISSING and field.name not in arguments:
            raise RecipeError(f"{where}: {name} needs {field.name!r}.", hint=f"It takes: {', '.join(parameters)}.")
    hints = get_type_hints(kind)
    values = {name: _argument(value, hints[name], f"{where}.{name}") for name, value in arguments.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise RecipeError(f"{where}: {error}") from error


def _argument(value: object, hint: Any, where: str) -> Any:
    """An argument of a component, which may be another component, a list of them or a mapping to them."""
    kind = next((kind for kind in NESTED if kind in (hint, *get_args(hint))), None)
    if value is None or kind is None:
        return fit(value, hint, where)
    role = NESTED[kind]
    if get_origin(hint) in (Mapping, dict):
        if not isinstance(value, Mapping):
            raise RecipeError(
                f"{where} must be a mapping of names to {role}, was {_short(value)}.", hint=_HINTS["mapping", role]
            )
        return {str(name): build(role, item, f"{where}.{name}") for name, item in value.items()}
    if get_origin(hint) is not tuple:
        return build(role, value, where)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise RecipeError(f"{where} must be a list of {role}, was {_short(value)}.", hint=_HINTS["list", role])
    return tuple(build(role, item, f"{where}[{nth}]") for nth, item in enumerate(value))


def fit(value: object, hint: Any, where: str) -> Any:
    """`value` converted to the type of the annotation `hint`.

    Args:
        value: Value from YAML.
        hint: Annotation.
        where: Place in the recipe, for messages.

    Raises:
        RecipeError: The value has another type.
    """
    try:
        converted = msgspec.convert(value, hint, strict=True)
    except msgspec.ValidationError as error:
        text = str(error).replace("`$", f"`{where}").replace(" - at", " at")
        place = "" if where in text else f" at `{where}`"
        words = [word for word in get_args(hint) if isinstance(word, str)] if get_origin(hint) is Literal else []
        choices = did_you_mean(value, words) if words and isinstance(value, str) else ""
        raise RecipeError(f"{text}{place}; the value is {_short(value)}.", hint=choices) from error
    _refuse_unknown_keys(value, hint, where)
    return converted


def _refuse_unknown_keys(value: object, hint: Any, where: str) -> None:
    """Refuse unknown arguments of a nested dataclass, which `msgspec.convert` ignores."""
    if not isinstance(value, Mapping):
        return
    if get_origin(hint) is Mapping:
        for name, item in value.items():
            _refuse_unknown_keys(item, get_args(hint)[1], f"{where}.{name}")
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        for name, item in value.items():
            if name not in hints:
                raise RecipeError(
                    f"{where}: {hint.__name__} takes no argument {name!r}.",
                    hint=did_you_mean(str(name), (field.name for field in fields(hint))),
                    place=where,
                    name=name,
                )
            _refuse_unknown_keys(item, hints[name], f"{where}.{name}")


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
