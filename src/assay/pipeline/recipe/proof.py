"""The proof of a recipe as YAML, and the models that it trains on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from assay.core.errors import RecipeError, did_you_mean
from assay.core.recipe import AuxiliaryEvaluation, OwnModel, Proof
from assay.core.roles import Source, Trainer
from assay.pipeline.recipe.spec import build, describe, fit
from assay.pipeline.recipe.values import check_kinds, check_name, mapping, merged, parts_of, scorers

PROOF_ROLES = {
    "holdout": "sources",
    "evaluate": "evaluators",
    "real": "sources",
    "calibrate": "sources",
    "ood_scores": "evaluators",
    "duel": "scorers",
}
PROOF_VALUES: Mapping[str, type] = {
    "seeds": int,
    "curve_seeds": int,
    "equal": str,
    "few": int,
    "reference": str,
    "fingerprint": str,
    "against": str,
}


def described_proof(proof: Proof) -> dict[str, Any]:
    """As data that `proof_of` reads back."""
    return {
        **{key: describe(part) for key in PROOF_ROLES if (part := getattr(proof, key)) is not None},
        "variants": {name: describe(trainer) for name, trainer in proof.variants.items()},
        "measures": {name: describe(scorer) for name, scorer in proof.measures.items()},
        "also": {
            name: {"holdout": describe(one.holdout), "evaluate": describe(one.evaluate)}
            for name, one in proof.also.items()
        },
        "ood": [describe(source) for source in proof.ood],
        "arms": list(proof.arms),
        "answer": list(proof.answer),
        "curve": list(proof.curve),
        "similarity": proof.similarity,
        **{key: getattr(proof, key) for key in PROOF_VALUES},
    }


def own_models(specs: Mapping[str, Any]) -> dict[str, OwnModel]:
    """The models that a recipe trains on the way, by name.

    Raises:
        RecipeError: One cannot be built.
    """
    found = {}
    for name, spec in specs.items():
        check_name(name, "models")
        parts = parts_of(spec, f"models.{name}", ("train",), ("data",))
        data = None if parts.get("data") is None else build("sources", parts["data"], f"models.{name}.data")
        found[name] = OwnModel(build("trainers", parts["train"], f"models.{name}.train"), data)
    return found


def _beside(specs: Mapping[str, Any]) -> dict[str, AuxiliaryEvaluation]:
    found = {}
    for name, spec in specs.items():
        check_name(name, "prove.also")
        parts = parts_of(spec, where := f"prove.also.{name}", ("holdout", "evaluate"), ())
        found[name] = AuxiliaryEvaluation(
            build("sources", parts["holdout"], f"{where}.holdout"),
            build("evaluators", parts["evaluate"], f"{where}.evaluate"),
        )
    return found


def proof_of(data: Mapping[str, Any], train: object, models: tuple[str, ...] = ()) -> Proof:
    """The proof that a mapping describes, in a recipe with this trainer and models of these names.

    Raises:
        RecipeError: It says something that cannot be built.
    """
    _check_keys(data)
    values = dict(data)
    for key, role in PROOF_ROLES.items():
        if values.get(key) is not None:
            values[key] = build(role, values[key], f"prove.{key}")
    for key in ("arms", "answer"):
        if key in values:
            values[key] = _arms(values[key], key)
    values["models"] = models
    values["also"] = _beside(mapping(data.get("also"), "prove.also"))
    values["variants"] = _variants(mapping(data.get("variants"), "prove.variants"), train)
    values["measures"] = scorers(mapping(data.get("measures"), "prove.measures"), "prove.measures")
    values["ood"] = _strangers(data.get("ood") or [])
    values["curve"] = fit(data.get("curve") or [], tuple[int, ...], "prove.curve")
    values["similarity"] = fit(data.get("similarity", Proof.similarity), float, "prove.similarity")
    check_kinds(values, PROOF_VALUES, "prove.")
    return Proof(**values)


def _check_keys(data: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(Proof) if field.name != "models"]
    for key in data:
        if key not in known:
            hint = "Models that are trained on the way stand in the recipe's own models:."
            raise RecipeError(f"prove has no key {key!r}.", hint=hint if key == "models" else did_you_mean(key, known))
    missing = [key for key in ("holdout", "evaluate") if data.get(key) is None]
    if missing:
        raise RecipeError(f"prove needs {' and '.join(map(repr, missing))}.")


def _variants(specs: Mapping[str, Any], train: object) -> dict[str, Trainer]:
    """Other trainers: whole ones, or what is other than in the recipe's own."""
    found = {}
    for name, spec in specs.items():
        where = f"prove.variants.{name}"
        check_name(name, "prove.variants")
        changed = mapping(spec, where)
        whole = merged(train, changed) if isinstance(train, Mapping) and "use" not in changed else changed
        found[name] = build("trainers", whole, where)
    return found


def _strangers(specs: object) -> tuple[Source, ...]:
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise RecipeError(f"prove.ood must be a list of sources, was {specs!r}.")
    return tuple(build("sources", spec, f"prove.ood[{nth}]") for nth, spec in enumerate(specs))


def _arms(names: object, key: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"prove.{key} must be a list of names, was {names!r}.")
    return tuple(names)
