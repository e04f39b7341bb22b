"""Recipes as YAML: one codec, both ways. Unknown keys are errors; every argument is written back, defaults too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from assay.core.errors import RecipeError, did_you_mean
from assay.core.recipe import Proof, Recipe
from assay.pipeline.spec import build, construct, describe

KEYS = tuple(field.name for field in fields(Recipe))
PROOF_ROLES = {"holdout": "sources", "real": "sources", "evaluate": "evaluators"}


def shipped() -> dict[str, Path]:
    """Name to file of the recipes that come with assay."""
    folder = Path(str(resources.files("assay.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(reference: str, *, quick: bool = False, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a file or of a shipped name, `quick:` laid over it and then each "key.path=value" of `changes`.

    Raises:
        RecipeError: There is no such recipe, it is not YAML, or it says something that cannot be built.
    """
    data = read(reference)
    small = data.pop("quick", None)
    if quick:
        if not isinstance(small, Mapping):
            raise RecipeError(f"{reference} has no 'quick:' section.", hint="Run it without --quick.")
        data = merged(data, small)
        data["name"] = f"{data.get('name', '')}-quick"
    for change in changes:
        _apply(data, change)
    return parse(data)


def read(reference: str) -> dict[str, Any]:
    """The mapping that a recipe file holds."""
    path = Path(reference)
    if not path.suffix and reference in shipped():
        path = shipped()[reference]
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        hint = did_you_mean(reference, shipped()) + " Or give the path of a .yaml file."
        raise RecipeError(f"There is no recipe {reference!r}.", hint=hint) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{reference} cannot be read as YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{reference} must hold a mapping of {', '.join(KEYS)}.")
    return data


def parse(data: Mapping[str, Any]) -> Recipe:
    """The recipe that a mapping describes."""
    for key in data:
        if key not in KEYS:
            raise RecipeError(f"A recipe has no key {key!r}.", hint=did_you_mean(str(key), [*KEYS, "quick"]))
    if "generate" not in data or "name" not in data:
        raise RecipeError("A recipe needs 'name' and 'generate'.", hint="See `assay init` for a whole one.")
    values: dict[str, Any] = {key: data[key] for key in ("name", "question", "seed") if key in data}
    values["generate"] = build("generators", data["generate"], "generate")
    score = _mapping(data.get("score"), "score")
    values["score"] = {name: build("scorers", spec, f"score.{name}") for name, spec in score.items()}
    keep = data.get("keep") or []
    if not isinstance(keep, Sequence) or isinstance(keep, str):
        raise RecipeError("keep must be a list of filters.")
    values["keep"] = tuple(build("filters", spec, f"keep[{nth}]") for nth, spec in enumerate(keep))
    if data.get("train") is not None:
        values["train"] = build("trainers", data["train"], "train")
    if data.get("prove") is not None:
        values["prove"] = _proof(_mapping(data["prove"], "prove"))
    recipe: Recipe = construct(Recipe, {}, "recipe") if not values else _recipe(values)
    return recipe


def dump(recipe: Recipe) -> str:
    """YAML that `parse` reads back as an equal recipe."""
    data: dict[str, Any] = {
        "name": recipe.name,
        "question": recipe.question,
        "seed": recipe.seed,
        "generate": describe(recipe.generate),
        "score": {name: describe(scorer) for name, scorer in recipe.score.items()},
        "keep": [describe(rule) for rule in recipe.keep],
    }
    if recipe.train is not None:
        data["train"] = describe(recipe.train)
    if recipe.prove is not None:
        proof = recipe.prove
        data["prove"] = {
            "holdout": describe(proof.holdout),
            "evaluate": describe(proof.evaluate),
            **({"real": describe(proof.real)} if proof.real is not None else {}),
            "arms": list(proof.arms),
            "seeds": proof.seeds,
        }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: mappings are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _recipe(values: Mapping[str, Any]) -> Recipe:
    for key, kind in (("name", str), ("question", str), ("seed", int)):
        if key in values and (not isinstance(values[key], kind) or isinstance(values[key], bool)):
            raise RecipeError(f"{key} must be {'text' if kind is str else 'a whole number'}, was {values[key]!r}.")
    return Recipe(**values)


def _proof(data: Mapping[str, Any]) -> Proof:
    known = [field.name for field in fields(Proof)]
    for key in data:
        if key not in known:
            raise RecipeError(f"prove has no key {key!r}.", hint=did_you_mean(key, known))
    missing = [key for key in ("holdout", "evaluate") if key not in data]
    if missing:
        raise RecipeError(f"prove needs {' and '.join(map(repr, missing))}.")
    values = dict(data)
    for key, role in PROOF_ROLES.items():
        if values.get(key) is not None:
            values[key] = build(role, values[key], f"prove.{key}")
    arms = values.get("arms", ())
    if isinstance(arms, str) or not all(isinstance(arm, str) for arm in arms):
        raise RecipeError(f"prove.arms must be a list of names, was {arms!r}.")
    if not isinstance(values.get("seeds", 1), int):
        raise RecipeError(f"prove.seeds must be a whole number, was {values['seeds']!r}.")
    return Proof(**({**values, "arms": tuple(arms)} if arms else values))


def _mapping(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{where} must be a mapping, was {value!r}.")
    return dict(value)


def _apply(data: dict[str, Any], change: str) -> None:
    """Sets one "a.b.0.c=value"; the value is YAML."""
    path, sign, text = change.partition("=")
    if not sign:
        raise RecipeError(f"--set takes key.path=value, was {change!r}.")
    *parents, last = path.split(".")
    place: Any = data
    for key in parents:
        place = _step(place, key, path)
    if isinstance(place, list):
        place[_position(place, last, path)] = yaml.safe_load(text)
    elif isinstance(place, dict):
        place[last] = yaml.safe_load(text)
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
