"""The models that a recipe trains on the way: who names them, and where they lie when it is their turn.

A component names one as `trained:NAME`, wherever it would name any other model. Its spec keeps that word; what it is
given to work with is the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from assay.core.arms import TRAINED
from assay.core.errors import RecipeError, did_you_mean
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.roles import MakesModelKind, StartsFromModel

T = TypeVar("T")
TEXT = "text-model"
"""What a trainer makes that does not say otherwise in `makes`."""


def named(component: object) -> tuple[str, ...]:
    """Names of the recipe's models that a component, or one within it, refers to; each once."""
    return tuple(dict.fromkeys(one.removeprefix(TRAINED) for one in _texts(component) if one.startswith(TRAINED)))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def bound(component: T, places: Mapping[str, str]) -> T:
    """The component with the reference in `places` for each `trained:NAME`; what is not there stays as it is."""
    found: Any = _bound(component, {TRAINED + name: place for name, place in places.items()})
    return found  # type: ignore[no-any-return]


def _bound(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, Mapping):
        return {name: _bound(one, places) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_bound(one, places) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        changed = {name: new for name, old in own.items() if (new := _bound(old, places)) != old}
        return replace(value, **changed) if changed else value
    return value


def root(recipe: Recipe, reference: str, lab: Lab) -> str:
    """The model that one of the recipe's own was made of in the end; any other reference is its own root."""
    while reference.startswith(TRAINED):
        train = recipe.models[reference.removeprefix(TRAINED)].train
        if not isinstance(train, StartsFromModel):
            return reference
        reference = train.base(lab)
    return reference


def stand_ins(recipe: Recipe, lab: Lab) -> dict[str, str]:
    """For each language model of the recipe's own, before it is there, one of its kind: what it is made of.

    It has the same architecture, tokenizer and chat template, so a component can look whether it will do. A model of
    another kind, such as one that rewards, has none.
    """
    return {name: root(recipe, TRAINED + name, lab) for name, own in recipe.models.items() if makes(own.train) == TEXT}


def makes(trainer: object) -> str:
    """The kind of model that a trainer leaves."""
    return trainer.makes if isinstance(trainer, MakesModelKind) else TEXT


def check_names(recipe: Recipe) -> None:
    """Looks whether every `trained:NAME` is one of the recipe's models, and none waits for itself.

    Raises:
        RecipeError: It is none, or does; the message names it.
    """
    parts = [recipe.generate, recipe.score, recipe.train, recipe.prove, recipe.models]
    for name in named(parts):
        if name not in recipe.models:
            hint = did_you_mean(name, recipe.models) if recipe.models else "The recipe has no models:."
            raise RecipeError(f"No model of the recipe is called {name!r}, which {TRAINED}{name} names.", hint=hint)
    made_with = [recipe.generate, recipe.score]
    for name in recipe.models:
        _check_circle(recipe, name, (), made_with)


def _check_circle(recipe: Recipe, name: str, after: tuple[str, ...], made_with: Sequence[object]) -> None:
    if name in after:
        raise RecipeError(f"The models {', '.join(after)} of the recipe wait for one another.")
    own = recipe.models[name]
    waits = [*named(own.train), *(named(own.data) if own.data is not None else named(made_with))]
    for other in dict.fromkeys(waits):
        _check_circle(recipe, other, (*after, name), made_with)
