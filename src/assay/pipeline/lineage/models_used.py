"""Which models and data a component names, those of its parts too, and under which licenses."""

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
from assay.pipeline.recipe.catalog import METHODS, name_of
from assay.pipeline.recipe.spec import describe
from assay.pipeline.recipe.trained import root
from assay.store.images import StoredImages


def models_in(spec: Mapping[str, Any], part: str = "") -> Iterator[tuple[str, str]]:
    """(name of the part, reference) of each model in a component's spec; the part is "" for the component's own.

    Parts are such as the answerers and rankers of `Preferences`, by the names that the recipe gives them.
    """
    if isinstance(reference := spec.get("model"), str) and reference:
        yield part, reference
    for name, value in spec.items():
        if isinstance(value, Mapping):
            yield from models_in(value, name)


def start_of(recipe: Recipe, trainer: object) -> str:
    """The model that a trainer starts from; "random" where it starts from none, "" where it does not say."""
    if isinstance(trainer, StartsFromModel):
        return trainer.base(_lab(recipe))
    spec = describe(trainer)
    return next((str(spec[name]) for name in ("start", "model", "encoder") if spec.get(name)), "")


def used(recipe: Recipe, reference: str, part: str = "") -> Used:
    """A model with the license that its card states; one of the recipe's own has that of the model it was made from."""
    first = reference
    if reference.startswith(TRAINED):
        first = root(recipe, reference, _lab(recipe))
    return Used(reference, UNKNOWN if first.startswith(TRAINED) else model_license(first), part)


def _lab(recipe: Recipe) -> Lab:
    """To ask trainers what they start from, which opens no model."""
    return Lab(recipe.seed, OpenModels(), StoredImages([]))


def makers_of(recipe: Recipe) -> Iterator[Used]:
    """The models that the samples are made with; those that only rank or judge them are left out."""
    for part, model in models_in(_without_components(describe(recipe.generate))):
        yield used(recipe, model, part)


def _without_components(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without the components within it, such as those that rank or judge what it makes."""
    return {
        name: _without_components(value) if isinstance(value, Mapping) else value
        for name, value in spec.items()
        if not (isinstance(value, Mapping) and "use" in value)
    }


def parts_in(component: object, role: str) -> Iterator[tuple[str, Any]]:
    """(name, part) of the components of a role that a component holds, and those that its parts hold."""
    if not is_dataclass(component) or isinstance(component, type):
        return
    for field in fields(component):
        value = getattr(component, field.name)
        named = value.items() if isinstance(value, Mapping) else [(field.name, value)]
        parts = [(name, one) for name, own in named for one in (own if isinstance(own, tuple) else (own,))]
        for name, one in parts:
            if hasattr(one, METHODS[role]):
                yield name, one
            else:
                yield from parts_in(one, role)


def data_of(component: object) -> Iterator[tuple[str, str]]:
    """(name, license) of the data that a component reads: the source's name, and the file's where it reads one."""
    for _, source in parts_in(component, "sources"):
        yield data_name(source), data_license(source)


def data_name(source: object) -> str:
    """A source by its name, and the name of what it reads; not the folders above it, which are nobody's business."""
    path = getattr(source, "path", None)
    file = Path(path).name if isinstance(path, str) else ""
    return f"{name_of(source)} {file}".strip()


def data_license(source: object) -> str:
    """What a source says of its data's license, or the card that lies beside its file says; else "unknown".

    The card of a file is the README.md in its folder, that of a folder the one within: such as what `assay export`
    writes.
    """
    if isinstance(source, HasLicense) and source.license:
        return source.license
    if not isinstance(path := getattr(source, "path", None), str) or not path:
        return UNKNOWN
    place = Path(path).expanduser()
    return card_license((place if place.is_dir() else place.parent) / CARD)
