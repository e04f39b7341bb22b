"""Recipes as YAML. Unknown keys are errors; a dumped recipe holds every argument, also defaults."""

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
from assay.pipeline.recipe.references import check_references
from assay.pipeline.recipe.sections import (
    as_mapping,
    build_own_models,
    build_proof,
    build_scorers,
    check_types,
    describe_proof,
    merge,
)
from assay.pipeline.recipe.spec import build, describe, fit

KEYS = tuple(field.name for field in fields(Recipe))
PROOFS = ("default", "thorough")


class _Loader(yaml.SafeLoader):
    """Loader with the floats of YAML 1.2. PyYAML follows YAML 1.1, where 5e-4 is text."""


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes text that `_Loader` would read as a float."""


_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
for _codec in (_Loader, _Dumper):
    _codec.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def shipped_recipes() -> dict[str, Path]:
    """Name to file of the recipes in the package."""
    folder = Path(str(resources.files("assay.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(reference: str, *, quick: bool = False, changes: Sequence[str] = ()) -> Recipe:
    """Load a recipe.

    `proof: thorough`, in the file or in `changes`, applies the section `thorough:`.

    Args:
        reference: Path of a .yaml file, or name of a shipped recipe.
        quick: Whether to apply the section `quick:`.
        changes: Changes as "key.path=value", applied last and in order.

    Raises:
        RecipeError: The recipe does not exist, is not YAML, or has an invalid key or value.
    """
    data = read(reference)
    overrides = {name: data.pop(name, None) for name in ("quick", "thorough")}
    if quick:
        data = _apply_overrides(data, "quick", overrides["quick"], reference)
    proofs = [change.partition("=")[2].strip() for change in changes if change.startswith("proof=")]
    proof = proofs[-1] if proofs else data.get("proof", PROOFS[0])
    data.pop("proof", None)
    if proof not in PROOFS:
        raise RecipeError(f"proof must be {' or '.join(PROOFS)}, was {proof!r}.")
    if proof == "thorough":
        data = _apply_overrides(data, "thorough", overrides["thorough"], reference)
    for change in changes:
        if not change.startswith("proof="):
            _set_value(data, change)
    return parse(data)


def _apply_overrides(data: dict[str, Any], section: str, overrides: object, reference: str) -> dict[str, Any]:
    """The recipe merged with its section `quick:` or `thorough:`, whose name is appended to the recipe's."""
    if not isinstance(overrides, Mapping):
        raise RecipeError(f"{reference} has no section {section + ':'!r}.", hint=f"Run it without {section}.")
    result = merge(data, overrides)
    if isinstance(result.get("name"), str):
        result["name"] += f"-{section}"
    return result


def read(reference: str, inheriting: tuple[str, ...] = ()) -> dict[str, Any]:
    """The mapping in a recipe file, merged into that of the recipe that its key `like:` names.

    `like:` holds the name of a shipped recipe, or the path of a .yaml file relative to the file with the key.

    Args:
        reference: Path of a .yaml file, or name of a shipped recipe.
        inheriting: Paths of the recipes that inherit from this one.

    Raises:
        RecipeError: The recipe does not exist or cannot be read, or recipes inherit from each other in a cycle.
    """
    path = Path(reference)
    if not path.suffix and reference in shipped_recipes():
        path = shipped_recipes()[reference]
    try:
        data = _deep_copy(yaml.load(path.read_text(encoding="utf-8"), _Loader))
    except (FileNotFoundError, IsADirectoryError):
        hint = did_you_mean(reference, shipped_recipes()) + " Or give the path of a .yaml file."
        raise RecipeError(f"There is no recipe {reference!r}.", hint=hint) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecipeError(f"{reference} cannot be read as YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{reference} must hold a mapping of {', '.join(KEYS)}.")
    like = data.pop("like", None)
    return data if like is None else merge(_base_recipe(like, path, (*inheriting, str(path.resolve()))), data)


def _base_recipe(like: object, path: Path, inheriting: tuple[str, ...]) -> dict[str, Any]:
    """The mapping of the recipe that the recipe at `path` inherits from."""
    if not isinstance(like, str):
        raise RecipeError(
            f"{path}: like must name a recipe, was {like!r}.", hint=f"Known: {', '.join(shipped_recipes())}."
        )
    base = shipped_recipes().get(like, path.parent / like)
    if str(base.resolve()) in inheriting:
        raise RecipeError(f"{path}: like: {like} inherits from this recipe, in a cycle.")
    return read(str(base), inheriting)


def parse(data: Mapping[str, Any]) -> Recipe:
    """The recipe that a mapping describes."""
    for key in data:
        if key not in KEYS:
            raise RecipeError(
                f"A recipe has no key {key!r}.", hint=did_you_mean(str(key), [*KEYS, "quick", "thorough", "proof"])
            )
    if "generate" not in data or "name" not in data:
        raise RecipeError("A recipe needs 'name' and 'generate'.", hint="`assay init` writes a complete recipe.")
    values: dict[str, Any] = {key: data[key] for key in ("name", "question", "seed") if key in data}
    values["budget"] = fit(data.get("budget"), float | None, "budget")
    values["generate"] = build("generators", data["generate"], "generate")
    values["score"] = build_scorers(as_mapping(data.get("score"), "score"))
    values["keep"] = _filters(data.get("keep") or [])
    values["models"] = build_own_models(as_mapping(data.get("models"), "models"))
    if data.get("train") is not None:
        values["train"] = build("trainers", data["train"], "train")
    if data.get("prove") is not None:
        values["prove"] = build_proof(as_mapping(data["prove"], "prove"), data.get("train"), tuple(values["models"]))
    check_types(values, {"name": str, "question": str, "seed": int}, "")
    recipe = Recipe(**values)
    check_references(recipe)
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
            name: {"train": describe(model.train), **({} if model.data is None else {"data": describe(model.data)})}
            for name, model in recipe.models.items()
        }
    if recipe.train is not None:
        data["train"] = describe(recipe.train)
    if recipe.prove is not None:
        data["prove"] = describe_proof(recipe.prove)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _filters(specs: object) -> tuple[Filter, ...]:
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise RecipeError(f"keep must be a list of filters, was {specs!r}.")
    return tuple(build("filters", spec, f"keep[{nth}]") for nth, spec in enumerate(specs))


def _deep_copy(value: Any) -> Any:
    """Deep copy without shared parts: a change to the list of a YAML anchor must not change its aliases."""
    if isinstance(value, dict):
        return {key: _deep_copy(part) for key, part in value.items()}
    return [_deep_copy(part) for part in value] if isinstance(value, list) else value


def _set_value(data: dict[str, Any], change: str) -> None:
    """Apply a change "a.b.0.c=value", whose value is YAML."""
    path, sign, text = change.partition("=")
    if not sign:
        raise RecipeError(f"--set takes key.path=value, was {change!r}.")
    try:
        value = _deep_copy(yaml.load(text, _Loader))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise RecipeError(f"--set {path}: {text!r} is not YAML: {' '.join(str(error).split())}.") from error
    *parents, last = path.split(".")
    parent: Any = data
    for key in parents:
        parent = _get_item(parent, key, path)
    if isinstance(parent, list):
        parent[_list_index(parent, last, path)] = value
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise RecipeError(f"--set {path}: {parent!r} is neither a mapping nor a list.")


def _get_item(parent: Any, key: str, path: str) -> Any:
    if isinstance(parent, list):
        return parent[_list_index(parent, key, path)]
    if not isinstance(parent, dict) or key not in parent:
        hint = did_you_mean(key, map(str, parent)) if isinstance(parent, dict) else ""
        raise RecipeError(f"--set {path}: the recipe has no key {key!r}.", hint=hint)
    return parent[key]


def _list_index(items: list[Any], key: str, path: str) -> int:
    if not key.isdigit() or int(key) >= len(items):
        raise RecipeError(f"--set {path}: {key!r} is not an index of a list of {len(items)}.")
    return int(key)
