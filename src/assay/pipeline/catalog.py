"""Every component there is, by role and name: ours, those of installed plug-ins, and `package.module:Class`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from assay.core.errors import RecipeError, did_you_mean
from assay.evaluators import EVALUATORS
from assay.filters import FILTERS
from assay.generators import GENERATORS
from assay.scorers import SCORERS
from assay.sources import SOURCES
from assay.trainers import TRAINERS

OURS: Mapping[str, tuple[type, ...]] = {
    "generators": GENERATORS,
    "scorers": SCORERS,
    "filters": FILTERS,
    "trainers": TRAINERS,
    "evaluators": EVALUATORS,
    "sources": SOURCES,
}
METHODS: Mapping[str, str] = {
    "generators": "generate",
    "scorers": "score",
    "filters": "decide",
    "trainers": "train",
    "evaluators": "evaluate",
    "sources": "read",
}
"""Role to the one method of its components."""


@cache
def known(role: str) -> Mapping[str, type]:
    """Name to class for one role; plug-ins come from the entry point group `assay.<role>`."""
    ours = {component.__name__: component for component in OURS[role]}
    theirs = {point.name: point.load() for point in entry_points(group=f"assay.{role}")}
    return theirs | ours


def find(role: str, name: str) -> type:
    """The class that a recipe calls `name`.

    Raises:
        RecipeError: There is none, or it has not the method of its role.
    """
    if ":" in name:
        return _imported(role, name)
    if name in known(role):
        return known(role)[name]
    other = next((r for r in OURS if name in known(r)), None)
    where = f" It is one of the {other}." if other else ""
    raise RecipeError(f"No component of the {role} is called {name!r}.{where}", hint=did_you_mean(name, known(role)))


def name_of(component: Any) -> str:
    """What `find` finds it by."""
    kind = type(component)
    for role in OURS:
        for name, candidate in known(role).items():
            if candidate is kind:
                return name
    return f"{kind.__module__}:{kind.__qualname__}"


def _imported(role: str, path: str) -> type:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"{path!r} cannot be imported: {error}.") from error
    if not (isinstance(found, type) and hasattr(found, METHODS[role])):
        raise RecipeError(f"{path!r} is not one of the {role}: it has no method {METHODS[role]!r}.")
    return found
