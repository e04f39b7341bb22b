"""Models and data that a component and its parts use, with their licenses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from assay.core.arms import TRAINED
from assay.core.lab import Lab
from assay.core.provenance import UNKNOWN, Used
from assay.core.recipe import Recipe
from assay.core.roles import HasLicense, StartsFromModel
from assay.models.model_cards import CARD, card_license, model_license
from assay.models.open_models import OpenModels
from assay.pipeline.recipe.catalog import METHODS, component_name
from assay.pipeline.recipe.references import root_model
from assay.pipeline.recipe.spec import describe
from assay.store.images import StoredImages


def models_in(spec: Mapping[str, Any], part: str = "") -> Iterator[tuple[str, str]]:
    """(name of the part, reference) of each model in a component's spec; the name is "" for the component itself.

    Examples of parts are the answerers and rankers of `Preferences`, by their names in the recipe.
    """
    if isinstance(reference := spec.get("model"), str) and reference:
        yield part, reference
    for name, value in spec.items():
        if isinstance(value, Mapping):
            yield from models_in(value, name)


def start_model(recipe: Recipe, trainer: object) -> str:
    """The model that a trainer starts from; "random" for random weights, "" if unknown."""
    if isinstance(trainer, StartsFromModel):
        return trainer.base(_lab(recipe))
    spec = describe(trainer)
    return next((str(spec[name]) for name in ("start", "model", "encoder") if spec.get(name)), "")


def used_model(recipe: Recipe, reference: str, part: str = "") -> Used:
    """A model with the license in its model card; one of the recipe's own has the license of its root model."""
    root = reference
    if reference.startswith(TRAINED):
        root = root_model(recipe, reference, _lab(recipe))
    return Used(reference, UNKNOWN if root.startswith(TRAINED) else model_license(root), part)


def _lab(recipe: Recipe) -> Lab:
    """Lab for `StartsFromModel.base`, which opens no model."""
    return Lab(recipe.seed, OpenModels(), StoredImages([]))


def generator_models(recipe: Recipe) -> Iterator[Used]:
    """The models that generate the samples, without those that only rank or judge them."""
    for part, model in models_in(_without_components(describe(recipe.generate))):
        yield used_model(recipe, model, part)


def _without_components(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without nested components, which rank or judge samples."""
    return {
        name: _without_components(value) if isinstance(value, Mapping) else value
        for name, value in spec.items()
        if not (isinstance(value, Mapping) and "use" in value)
    }


def components_in(component: object, role: str) -> Iterator[tuple[str, Any]]:
    """(name, component) of the components of a role within a component, at any depth."""
    if not is_dataclass(component) or isinstance(component, type):
        return
    for field in fields(component):
        value = getattr(component, field.name)
        named = value.items() if isinstance(value, Mapping) else [(field.name, value)]
        parts = [(name, part) for name, item in named for part in (item if isinstance(item, tuple) else (item,))]
        for name, part in parts:
            if hasattr(part, METHODS[role]):
                yield name, part
            else:
                yield from components_in(part, role)


def data_licenses(component: object) -> Iterator[tuple[str, str]]:
    """(name, license) of the data of each source within a component."""
    for _, source in components_in(component, "sources"):
        yield data_name(source), data_license(source)


def data_name(source: object) -> str:
    """Name of a source and of the file that it reads, without the path, which may be private."""
    path = getattr(source, "path", None)
    file = Path(path).name if isinstance(path, str) else ""
    return f"{component_name(source)} {file}".strip()


def data_license(source: object) -> str:
    """License of the data of a source: declared by the source, or in the README.md of its folder; else "unknown"."""
    if isinstance(source, HasLicense) and source.license:
        return source.license
    if not isinstance(path := getattr(source, "path", None), str) or not path:
        return UNKNOWN
    place = Path(path).expanduser()
    return card_license((place if place.is_dir() else place.parent) / CARD)
