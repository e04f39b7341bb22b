"""Every component there is, by role and name: ours, those of installed plug-ins, and `package.module:Class`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any

from assay.components.evaluators import EVALUATORS
from assay.components.filters import FILTERS
from assay.components.generators import GENERATORS
from assay.components.scorers import SCORERS
from assay.components.scorers.verifiers import VERIFIERS
from assay.components.sources import SOURCES
from assay.components.trainers import TRAINERS
from assay.core.errors import RecipeError, did_you_mean

OURS: Mapping[str, tuple[type, ...]] = {
    "generators": GENERATORS,
    "scorers": (*SCORERS, *VERIFIERS),
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
def known(role: str) -> Mapping[str, type | EntryPoint]:
    """Name to class for one role, or to the entry point of a plug-in (group `assay.<role>`), loaded when it is used."""
    theirs = {point.name: point for point in entry_points(group=f"assay.{role}")}
    return {**theirs, **{component.__name__: component for component in OURS[role]}}


def find(role: str, name: str) -> type:
    """The class that a recipe calls `name`.

    Raises:
        RecipeError: There is none, it cannot be imported, or it has not the method of its role.
    """
    found = name if ":" in name else known(role).get(name)
    if isinstance(found, type):
        return found
    if found is not None:
        return _imported(role, found if isinstance(found, str) else found.value)
    other = next((r for r in OURS if name in known(r)), None)
    where = f" It is one of the {other}." if other else ""
    raise RecipeError(f"No component of the {role} is called {name!r}.{where}", hint=did_you_mean(name, known(role)))


def name_of(component: Any) -> str:
    """What `find` finds it by."""
    kind = type(component)
    path = f"{kind.__module__}:{kind.__qualname__}"
    for role in OURS:
        for name, candidate in known(role).items():
            if candidate is kind or getattr(candidate, "value", None) == path:
                return name
    return path


def _imported(role: str, path: str) -> type:
    module, _, attribute = path.partition(":")
    try:
        found = attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # whatever somebody else's module raises while it is imported
        raise RecipeError(f"{path!r} cannot be imported: {type(error).__name__}: {error}.") from error
    if not (isinstance(found, type) and hasattr(found, METHODS[role])):
        raise RecipeError(f"{path!r} is not one of the {role}: it has no method {METHODS[role]!r}.")
    return found
