"""References to the models that a recipe trains itself.

A component references such a model as `trained:NAME`, wherever it may name another model. The component's spec keeps
the reference; before a stage runs, it is replaced by the folder of the model.
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

Component = TypeVar("Component")
TEXT_MODEL = "text-model"
"""Kind of model that a trainer makes unless it declares another in `makes`."""


def referenced_models(component: object) -> tuple[str, ...]:
    """Names of the recipe's models that a component, or a part of it, references; each once."""
    references = (text for text in _texts(component) if text.startswith(TRAINED))
    return tuple(dict.fromkeys(reference.removeprefix(TRAINED) for reference in references))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def replace_references(component: Component, models: Mapping[str, str]) -> Component:
    """The component with each `trained:NAME` replaced by `models[NAME]`; other names stay."""
    replaced: Any = _replace(component, {TRAINED + name: model for name, model in models.items()})
    return replaced  # type: ignore[no-any-return]


def _replace(value: Any, models: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return models.get(value, value)
    if isinstance(value, Mapping):
        return {name: _replace(item, models) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_replace(item, models) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        arguments = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        changed = {name: new for name, old in arguments.items() if (new := _replace(old, models)) != old}
        return replace(value, **changed) if changed else value
    return value


def root_model(recipe: Recipe, reference: str, lab: Lab) -> str:
    """The model that one of the recipe's own models is trained from, directly or indirectly.

    Any other reference is returned as it is.
    """
    while reference.startswith(TRAINED):
        train = recipe.models[reference.removeprefix(TRAINED)].train
        if not isinstance(train, StartsFromModel):
            return reference
        reference = train.base(lab)
    return reference


def root_models(recipe: Recipe, lab: Lab) -> dict[str, str]:
    """Name to root model of the recipe's own language models: what they are represented by before they are trained.

    A root model has the same architecture, tokenizer and chat template, so components can be checked with it. Models of
    another kind, such as reward models, are left out.
    """
    return {
        name: root_model(recipe, TRAINED + name, lab)
        for name, model in recipe.models.items()
        if model_kind(model.train) == TEXT_MODEL
    }


def model_kind(trainer: object) -> str:
    """Kind of model that a trainer makes."""
    return trainer.makes if isinstance(trainer, MakesModelKind) else TEXT_MODEL


def check_references(recipe: Recipe) -> None:
    """Check that every `trained:NAME` is one of the recipe's models, and that no model depends on itself.

    Raises:
        RecipeError: A name is unknown, or models depend on each other in a cycle.
    """
    parts = [recipe.generate, recipe.score, recipe.train, recipe.prove, recipe.models]
    for name in referenced_models(parts):
        if name not in recipe.models:
            hint = did_you_mean(name, recipe.models) if recipe.models else "The recipe has no models:."
            raise RecipeError(f"{TRAINED}{name}: the recipe has no model {name!r}.", hint=hint)
    for name in recipe.models:
        _check_cycle(recipe, name, ())


def _check_cycle(recipe: Recipe, name: str, path: tuple[str, ...]) -> None:
    if name in path:
        raise RecipeError(f"The models {', '.join(path)} depend on each other in a cycle.")
    model = recipe.models[name]
    # Without data of its own, a model is trained on the samples that the filters kept.
    data = [recipe.generate, recipe.score] if model.data is None else model.data
    for other in dict.fromkeys([*referenced_models(model.train), *referenced_models(data)]):
        _check_cycle(recipe, other, (*path, name))
