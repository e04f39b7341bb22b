"""Pieces of a recipe's YAML: mappings with known keys, names, and values of one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.core.errors import RecipeError, did_you_mean
from assay.core.roles import Scorer
from assay.pipeline.recipe.spec import build

WORDS: Mapping[type, str] = {str: "text", int: "a whole number"}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: mappings are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def parts_of(spec: object, where: str, needed: Sequence[str], more: Sequence[str]) -> dict[str, Any]:
    """The mapping `spec`, which must have the keys of `needed` and may have those of `more`.

    Raises:
        RecipeError: It is no mapping, lacks a key, or has another.
    """
    parts = mapping(spec, where)
    for key in parts:
        if key not in (*needed, *more):
            raise RecipeError(f"{where} has no key {key!r}.", hint=did_you_mean(key, [*needed, *more]))
    missing = [key for key in needed if parts.get(key) is None]
    if missing:
        raise RecipeError(f"{where} needs {' and '.join(map(repr, missing))}.")
    return parts


def check_name(name: str, where: str) -> None:
    """Refuses a name that cannot become part of a folder's name and of a table's head.

    Raises:
        RecipeError: It cannot.
    """
    if not name or not all(c.isalnum() or c in "-_" for c in name):
        raise RecipeError(f"What {where} holds must be named by letters, digits, '-' and '_', was {name!r}.")


def check_kinds(values: Mapping[str, Any], kinds: Mapping[str, type], where: str) -> None:
    """Refuses values that are not of the kind that `kinds` says.

    Raises:
        RecipeError: One is; `where` is what stands before its key.
    """
    for key, kind in kinds.items():
        if key in values and (not isinstance(values[key], kind) or isinstance(values[key], bool)):
            raise RecipeError(f"{where}{key} must be {WORDS[kind]}, was {values[key]!r}.")


def mapping(value: object, where: str) -> dict[str, Any]:
    """A mapping with words for keys; an empty one for None.

    Raises:
        RecipeError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{where} must be a mapping, was {value!r}.")
    return dict(value)


def scorers(specs: Mapping[str, Any], where: str = "score") -> dict[str, Scorer]:
    """Scorers by name.

    Raises:
        RecipeError: A name or a scorer is none.
    """
    for name in specs:
        check_name(name, where)
    return {name: build("scorers", spec, f"{where}.{name}") for name, spec in specs.items()}
