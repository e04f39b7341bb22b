"""Sections of a recipe's YAML: scorers, own models and the proof, and the checks that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from assay.core.errors import RecipeError, did_you_mean
from assay.core.recipe import AuxiliaryEvaluation, OwnModel, Proof
from assay.core.roles import Scorer, Source, Trainer
from assay.pipeline.recipe.spec import build, describe, fit

PROOF_ROLES = {
    "holdout": "sources",
    "evaluate": "evaluators",
    "real": "sources",
    "calibrate": "sources",
    "ood_scores": "evaluators",
    "duel": "scorers",
}
"""Key of the proof to the role of its component."""
PROOF_VALUES: Mapping[str, type] = {
    "seeds": int,
    "curve_seeds": int,
    "equal": str,
    "few": int,
    "reference": str,
    "fingerprint": str,
    "against": str,
}
"""Key of the proof to the type of its value."""
TYPE_NAMES: Mapping[type, str] = {str: "text", int: "a whole number"}


def build_proof(data: Mapping[str, Any], train: object, models: tuple[str, ...] = ()) -> Proof:
    """The proof that a mapping describes.

    Args:
        data: The section `prove`.
        train: The section `train`, which variants change.
        models: Names of the recipe's own models.

    Raises:
        RecipeError: A key or value is invalid.
    """
    _check_proof_keys(data)
    values = dict(data)
    for key, role in PROOF_ROLES.items():
        if values.get(key) is not None:
            values[key] = build(role, values[key], f"prove.{key}")
    for key in ("arms", "answer"):
        if key in values:
            values[key] = _names(values[key], f"prove.{key}")
    values["models"] = models
    values["also"] = _auxiliary_evaluations(as_mapping(data.get("also"), "prove.also"))
    values["variants"] = _variants(as_mapping(data.get("variants"), "prove.variants"), train)
    values["measures"] = build_scorers(as_mapping(data.get("measures"), "prove.measures"), "prove.measures")
    values["ood"] = _ood_sources(data.get("ood") or [])
    values["curve"] = fit(data.get("curve") or [], tuple[int, ...], "prove.curve")
    values["similarity"] = fit(data.get("similarity", Proof.similarity), float, "prove.similarity")
    check_types(values, PROOF_VALUES, "prove.")
    return Proof(**values)


def describe_proof(proof: Proof) -> dict[str, Any]:
    """Data that `build_proof` reads back."""
    return {
        **{key: describe(part) for key in PROOF_ROLES if (part := getattr(proof, key)) is not None},
        "variants": {name: describe(trainer) for name, trainer in proof.variants.items()},
        "measures": {name: describe(scorer) for name, scorer in proof.measures.items()},
        "also": {
            name: {"holdout": describe(extra.holdout), "evaluate": describe(extra.evaluate)}
            for name, extra in proof.also.items()
        },
        "ood": [describe(source) for source in proof.ood],
        "arms": list(proof.arms),
        "answer": list(proof.answer),
        "curve": list(proof.curve),
        "similarity": proof.similarity,
        **{key: getattr(proof, key) for key in PROOF_VALUES},
    }


def build_own_models(specs: Mapping[str, Any]) -> dict[str, OwnModel]:
    """The recipe's own models by name.

    Raises:
        RecipeError: A key or value is invalid.
    """
    models = {}
    for name, spec in specs.items():
        check_name(name, "models")
        where = f"models.{name}"
        keys = check_keys(spec, where, required=("train",), optional=("data",))
        data = None if keys.get("data") is None else build("sources", keys["data"], f"{where}.data")
        models[name] = OwnModel(build("trainers", keys["train"], f"{where}.train"), data)
    return models


def build_scorers(specs: Mapping[str, Any], where: str = "score") -> dict[str, Scorer]:
    """Scorers by name.

    Raises:
        RecipeError: A name or a scorer is invalid.
    """
    for name in specs:
        check_name(name, where)
    return {name: build("scorers", spec, f"{where}.{name}") for name, spec in specs.items()}


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated with `changes`: mappings are merged key by key, all other values are replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def as_mapping(value: object, where: str) -> dict[str, Any]:
    """A mapping with text keys; an empty one for None.

    Raises:
        RecipeError: The value is not such a mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise RecipeError(f"{where} must be a mapping, was {value!r}.")
    return dict(value)


def check_keys(spec: object, where: str, *, required: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    """The mapping `spec`, with all of the keys `required` and no others than these and `optional`.

    Raises:
        RecipeError: The spec is not such a mapping.
    """
    values = as_mapping(spec, where)
    for key in values:
        if key not in (*required, *optional):
            raise RecipeError(f"{where} has no key {key!r}.", hint=did_you_mean(key, [*required, *optional]))
    _check_required(values, where, required)
    return values


def check_name(name: str, where: str) -> None:
    """Check that a name can be part of a folder name and of a table header.

    Raises:
        RecipeError: The name has other characters.
    """
    if not name or not all(c.isalnum() or c in "-_" for c in name):
        raise RecipeError(f"{where}: a name must consist of letters, digits, '-' and '_', was {name!r}.")


def check_types(values: Mapping[str, Any], types: Mapping[str, type], prefix: str) -> None:
    """Check the types of values.

    Args:
        values: Values by key.
        types: Expected type by key.
        prefix: What precedes the key in a message.

    Raises:
        RecipeError: A value has another type.
    """
    for key, type_ in types.items():
        if key in values and (not isinstance(values[key], type_) or isinstance(values[key], bool)):
            raise RecipeError(f"{prefix}{key} must be {TYPE_NAMES[type_]}, was {values[key]!r}.")


def _check_proof_keys(data: Mapping[str, Any]) -> None:
    keys = [field.name for field in fields(Proof) if field.name != "models"]
    for key in data:
        if key not in keys:
            hint = "Models that the recipe trains are defined in its section models:."
            raise RecipeError(f"prove has no key {key!r}.", hint=hint if key == "models" else did_you_mean(key, keys))
    _check_required(data, "prove", ("holdout", "evaluate"))


def _check_required(values: Mapping[str, Any], where: str, required: Sequence[str]) -> None:
    missing = [key for key in required if values.get(key) is None]
    if missing:
        raise RecipeError(f"{where} needs {' and '.join(map(repr, missing))}.")


def _auxiliary_evaluations(specs: Mapping[str, Any]) -> dict[str, AuxiliaryEvaluation]:
    evaluations = {}
    for name, spec in specs.items():
        check_name(name, "prove.also")
        where = f"prove.also.{name}"
        keys = check_keys(spec, where, required=("holdout", "evaluate"), optional=())
        evaluations[name] = AuxiliaryEvaluation(
            build("sources", keys["holdout"], f"{where}.holdout"),
            build("evaluators", keys["evaluate"], f"{where}.evaluate"),
        )
    return evaluations


def _variants(specs: Mapping[str, Any], train: object) -> dict[str, Trainer]:
    """Trainers of variants: complete specs, or changes to the recipe's trainer."""
    variants = {}
    for name, spec in specs.items():
        where = f"prove.variants.{name}"
        check_name(name, "prove.variants")
        changes = as_mapping(spec, where)
        complete = merge(train, changes) if isinstance(train, Mapping) and "use" not in changes else changes
        variants[name] = build("trainers", complete, where)
    return variants


def _ood_sources(specs: object) -> tuple[Source, ...]:
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise RecipeError(f"prove.ood must be a list of sources, was {specs!r}.")
    return tuple(build("sources", spec, f"prove.ood[{nth}]") for nth, spec in enumerate(specs))


def _names(names: object, where: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"{where} must be a list of names, was {names!r}.")
    return tuple(names)
