"""Recipes as YAML: one codec, both ways. Unknown keys are errors; every argument is written back, defaults too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from assay.core.errors import RecipeError, did_you_mean
from assay.core.recipe import Recipe
from assay.core.roles import Filter
from assay.pipeline.recipe.proof import described_proof, own_models, proof_of
from assay.pipeline.recipe.spec import build, describe, fit
from assay.pipeline.recipe.trained import check_names
from assay.pipeline.recipe.values import check_kinds, mapping, merged, scorers

KEYS = tuple(field.name for field in fields(Recipe))
PROOFS = ("default", "thorough")


class _Loader(yaml.SafeLoader):
    """YAML with the numbers of YAML 1.2: PyYAML, at 1.1, takes 5e-4 for text."""


class _Dumper(yaml.SafeDumper):
    """Quotes the text that `_Loader` would take for a number."""


_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def shipped() -> dict[str, Path]:
    """Name to file of the recipes that come with assay."""
    folder = Path(str(resources.files("assay.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(reference: str, *, quick: bool = False, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a file or of a shipped name, `quick:` laid over it and then each "key.path=value" of `changes`.

    `proof: thorough`, in the file or among the changes, lays `thorough:` over it as `quick` does its own.

    Raises:
        RecipeError: There is no such recipe, it is not YAML, or it says something that cannot be built.
    """
    data = read(reference)
    sizes = {name: data.pop(name, None) for name in ("quick", "thorough")}
    if quick:
        data = _sized(data, "quick", sizes["quick"], reference)
    asked = [change.partition("=")[2].strip() for change in changes if change.startswith("proof=")]
    proof = asked[-1] if asked else data.get("proof", PROOFS[0])
    data.pop("proof", None)
    if proof not in PROOFS:
        raise RecipeError(f"proof must be {' or '.join(PROOFS)}, was {proof!r}.")
    if proof == "thorough":
        data = _sized(data, "thorough", sizes["thorough"], reference)
    for change in changes:
        if not change.startswith("proof="):
            _apply(data, change)
    return parse(data)


def _sized(data: dict[str, Any], name: str, size: object, reference: str) -> dict[str, Any]:
    if not isinstance(size, Mapping):
        raise RecipeError(f"{reference} has no {name + ':'!r} section.", hint=f"Run it without {name}.")
    found = merged(data, size)
    if isinstance(found.get("name"), str):
        found["name"] += f"-{name}"
    return found


def read(reference: str, after: tuple[str, ...] = ()) -> dict[str, Any]:
    """The mapping that a recipe file holds, laid over the recipe that its `like:` names, if it names one.

    That is the name of a shipped one, or a .yaml file, as seen from the folder of the file that names it; `after` are
    the recipes that led here.

    Raises:
        RecipeError: There is no such recipe, it cannot be read, or recipes are like each other in a circle.
    """
    path = Path(reference)
    if not path.suffix and reference in shipped():
        path = shipped()[reference]
    try:
        data = _plain(yaml.load(path.read_text(encoding="utf-8"), _Loader))
    except (FileNotFoundError, IsADirectoryError):
        hint = did_you_mean(reference, shipped()) + " Or give the path of a .yaml file."
        raise RecipeError(f"There is no recipe {reference!r}.", hint=hint) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecipeError(f"{reference} cannot be read as YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{reference} must hold a mapping of {', '.join(KEYS)}.")
    like = data.pop("like", None)
    return data if like is None else merged(_model(like, path, (*after, str(path.resolve()))), data)


def _model(like: object, path: Path, after: tuple[str, ...]) -> dict[str, Any]:
    """What a recipe is like."""
    if not isinstance(like, str):
        raise RecipeError(f"like must name a recipe, was {like!r}.", hint=f"Known: {', '.join(shipped())}.")
    place = shipped().get(like, path.parent / like)
    if str(place.resolve()) in after:
        raise RecipeError(f"{path} is like {like}, which is like it in turn.")
    return read(str(place), after)


def parse(data: Mapping[str, Any]) -> Recipe:
    """The recipe that a mapping describes."""
    for key in data:
        if key not in KEYS:
            raise RecipeError(
                f"A recipe has no key {key!r}.", hint=did_you_mean(str(key), [*KEYS, "quick", "thorough", "proof"])
            )
    if "generate" not in data or "name" not in data:
        raise RecipeError("A recipe needs 'name' and 'generate'.", hint="See `assay init` for a whole one.")
    values: dict[str, Any] = {key: data[key] for key in ("name", "question", "seed") if key in data}
    values["budget"] = fit(data.get("budget"), float | None, "budget")
    values["generate"] = build("generators", data["generate"], "generate")
    values["score"] = scorers(mapping(data.get("score"), "score"))
    values["keep"] = _filters(data.get("keep") or [])
    values["models"] = own_models(mapping(data.get("models"), "models"))
    if data.get("train") is not None:
        values["train"] = build("trainers", data["train"], "train")
    if data.get("prove") is not None:
        values["prove"] = proof_of(mapping(data["prove"], "prove"), data.get("train"), tuple(values["models"]))
    recipe = _recipe(values)
    check_names(recipe)
    return recipe


def dump(recipe: Recipe) -> str:
    """YAML that `parse` reads back as an equal recipe."""
    data: dict[str, Any] = {
        "name": recipe.name,
        "question": recipe.question,
        "seed": recipe.seed,
        "budget": recipe.budget,
        "generate": describe(recipe.generate),
        "score": {name: describe(scorer) for name, scorer in recipe.score.items()},
        "keep": [describe(rule) for rule in recipe.keep],
    }
    if recipe.models:
        data["models"] = {
            name: {"train": describe(own.train), **({} if own.data is None else {"data": describe(own.data)})}
            for name, own in recipe.models.items()
        }
    if recipe.train is not None:
        data["train"] = describe(recipe.train)
    if recipe.prove is not None:
        data["prove"] = described_proof(recipe.prove)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _filters(specs: object) -> tuple[Filter, ...]:
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise RecipeError(f"keep must be a list of filters, was {specs!r}.")
    return tuple(build("filters", spec, f"keep[{nth}]") for nth, spec in enumerate(specs))


def _recipe(values: Mapping[str, Any]) -> Recipe:
    check_kinds(values, {"name": str, "question": str, "seed": int}, "")
    return Recipe(**values)


def _plain(value: Any) -> Any:
    """A copy in which nothing is shared: an anchor's list, changed in one place, must not change in the others."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _apply(data: dict[str, Any], change: str) -> None:
    """Sets one "a.b.0.c=value"; the value is YAML."""
    path, sign, text = change.partition("=")
    if not sign:
        raise RecipeError(f"--set takes key.path=value, was {change!r}.")
    try:
        value = _plain(yaml.load(text, _Loader))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecipeError(f"--set {path}: {text!r} is not YAML: {' '.join(str(error).split())}.") from error
    *parents, last = path.split(".")
    place: Any = data
    for key in parents:
        place = _step(place, key, path)
    if isinstance(place, list):
        place[_position(place, last, path)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise RecipeError(f"--set {path}: there is nothing to set inside {place!r}.")


def _step(place: Any, key: str, path: str) -> Any:
    if isinstance(place, list):
        return place[_position(place, key, path)]
    if not isinstance(place, dict) or key not in place:
        hint = did_you_mean(key, map(str, place)) if isinstance(place, dict) else ""
        raise RecipeError(f"--set {path}: the recipe has no {key!r} there.", hint=hint)
    return place[key]


def _position(place: list[Any], key: str, path: str) -> int:
    if not key.isdigit() or int(key) >= len(place):
        raise RecipeError(f"--set {path}: {key!r} is not a place in a list of {len(place)}.")
    return int(key)
