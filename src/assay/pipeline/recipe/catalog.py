"""Components by role and name: built-in ones, those of plug-ins, and `package.module:Class`."""

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

BUILT_IN: Mapping[str, tuple[type, ...]] = {
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
"""Role to the method of its components."""


@cache
def components_of(role: str) -> Mapping[str, type | EntryPoint]:
    """Name to class for a role; for a plug-in (entry-point group `assay.<role>`) its entry point, loaded at use."""
    plugins = {point.name: point for point in entry_points(group=f"assay.{role}")}
    return {**plugins, **{component.__name__: component for component in BUILT_IN[role]}}


def find_component(role: str, name: str) -> type:
    """The class of a component by its name in a recipe.

    Raises:
        RecipeError: The name is unknown, the class cannot be imported, or it lacks the method of the role.
    """
    component = name if ":" in name else components_of(role).get(name)
    if isinstance(component, type):
        return component
    if component is not None:
        return _import(role, component if isinstance(component, str) else component.value)
    other = next((r for r in BUILT_IN if name in components_of(r)), None)
    message = f"{name!r} is not one of the {role}" + (f"; it is one of the {other}." if other else ".")
    raise RecipeError(message, hint=did_you_mean(name, components_of(role)))


def component_name(component: Any) -> str:
    """The name by which `find_component` finds the class of a component."""
    kind = type(component)
    path = f"{kind.__module__}:{kind.__qualname__}"
    for role in BUILT_IN:
        for name, candidate in components_of(role).items():
            if candidate is kind or getattr(candidate, "value", None) == path:
                return name
    return path


def _import(role: str, path: str) -> type:
    module, _, attribute = path.partition(":")
    try:
        component = attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # a plug-in may raise anything at import
        raise RecipeError(f"{path!r} cannot be imported: {type(error).__name__}: {error}.") from error
    if not (isinstance(component, type) and hasattr(component, METHODS[role])):
        raise RecipeError(f"{path!r} is not one of the {role}: it has no method {METHODS[role]!r}.")
    return component
