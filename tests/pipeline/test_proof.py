"""Proofs end to end: identical arms, leakage, sizes of training sets, and results.json."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.samples.distances import REAL
from assay.analysis.verdict import HEADLINES
from assay.core.arms import ARMS, BASE
from assay.core.errors import RecipeError
from assay.core.recipe import Proof
from assay.pipeline.plan import recipe_stages
from assay.pipeline.stages.stage import HOLDOUT, StageKind, embed_id
from assay.report.api import report
from run_parts import Bright, Look, Plates, Right, counts, folder_of, recipe, run

TRAINED = tuple(arm for arm in ARMS if arm != BASE)
LOOKS = {"bright": Bright(), "look": Look()}


def proof(**changes: Any) -> Proof:
    return replace(Proof(Plates(), Right(), Plates(60, 5000), arms=("filtered", "random-subset")), **changes)


def results(folder: Path) -> dict[str, Any]:
    report(folder)
    data: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return data


@pytest.mark.full
def test_two_identical_arms_show_no_difference(tmp_path: Path) -> None:
    """A filter that keeps everything makes `filtered`, `unfiltered` and `random-subset` one and the same."""
    arms = ("unfiltered", "filtered", "random-subset")
    run(recipe(low=0.0, prove=proof(arms=arms, seeds=3)), tmp_path / "run")
    data = results(tmp_path / "run")
    assert counts(tmp_path / "run", "keep")["dropped"] == 0
    assert len(data["comparisons"]) == 2
    for comparison in data["comparisons"]:
        assert comparison["verdict"] == "no significant difference"
        assert comparison["difference"]["estimate"] == 0
    assert data["verdict"] == "no significant difference"
    assert data["answer"].startswith(f"{HEADLINES[data['verdict']]}.")


@pytest.mark.parametrize(("first", "shared"), [(2000, 0), (1030, 10), (1000, 40)])
def test_leakage_is_found_and_stops_a_strict_run_before_training(tmp_path: Path, first: int, shared: int) -> None:
    """The held-out plates are numbers 1000 to 1039; the training plates begin at `first`."""
    recipe_ = recipe(prove=proof(real=Plates(60, first), arms=("real", "filtered")))
    folder = tmp_path / "run"
    if shared:
        with pytest.raises(RecipeError, match=f"40 .*{shared} .*'real'"):
            run(recipe_, folder, strict=True)
        assert not list(folder.glob("train-*"))
        with pytest.raises(RecipeError, match="'real'"):
            run(recipe_, folder, strict=True)  # also if the leakage stage is already complete
    run(recipe_, folder, strict=not shared)
    leakage = {row["set"]: row for row in results(folder)["leakage"]}
    assert {name: row["exact"] for name, row in leakage.items()} == {"generate": 0, "real": shared}
    assert leakage["real"]["held_out"] == 40
    assert counts(folder, "leakage")["exact"] == shared


def test_near_duplicates_are_counted_if_there_are_fingerprints(tmp_path: Path) -> None:
    recipe_ = recipe(score=LOOKS, prove=proof(real=Plates(60, 1000), arms=("real", "filtered"), fingerprint="look"))
    run(recipe_, tmp_path / "run")
    leakage = {row["set"]: row for row in results(tmp_path / "run")["leakage"]}
    assert (leakage["real"]["exact"], leakage["real"]["near"]) == (40, 0)
    assert (leakage["generate"]["exact"], leakage["generate"]["near"]) == (0, 0)


@pytest.mark.full
def test_sizes_of_training_sets(tmp_path: Path) -> None:
    arms = TRAINED
    recipe_ = recipe(score=LOOKS, prove=proof(arms=arms, few=3, fingerprint="look", curve=(2, 5, 10)))
    run(recipe_, tmp_path / "run")
    kept = counts(tmp_path / "run", "keep")["kept"]
    sizes = {stage: counts(tmp_path / "run", f"train-{stage}-0")["samples"] for stage in (*arms, "real-2", "real-10")}
    assert sizes == {
        "real": min(60, kept),
        "unfiltered": 150,
        "filtered": kept,
        "random-subset": kept,
        "permuted-labels": kept,
        "real-few-shot": 6,
        "real+synthetic": kept + 6,
        "nearest-real": kept,
        "human": 60,
        "human+synthetic": kept + 60,
        "real-2": 4,
        "real-10": 20,
    }
    data = results(tmp_path / "run")
    assert [arm["name"] for arm in data["arms"]] == list(arms)
    assert data["equal"] == "steps"
    rate = data["exchange_rate"]
    assert rate["arm"] == "filtered"
    assert rate["samples"] == kept
    assert sorted({size for size, _ in rate["curve"]}) == sorted({4, 6, 10, 20, min(60, kept)})
    assert {row["name"] for row in data["distribution_distance"]} == {"generated", "kept", REAL}


def test_arms_with_equal_numbers_of_samples(tmp_path: Path) -> None:
    run(recipe(prove=proof(arms=("unfiltered", "filtered"), equal="samples")), tmp_path / "run")
    kept = counts(tmp_path / "run", "keep")["kept"]
    assert counts(tmp_path / "run", "train-unfiltered-0")["samples"] == kept < 150
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8") if report(tmp_path / "run") else ""
    assert results(tmp_path / "run")["equal"] == "samples"
    assert re.search(r"\bsame number of samples\b", page)


def test_arms_differ_only_in_their_data(tmp_path: Path) -> None:
    """The nth training of every arm has one seed and one trainer; no stage of training reads a held-out item."""
    recipe_ = recipe(score=LOOKS, prove=proof(arms=TRAINED, seeds=2, fingerprint="look", curve=(5,), curve_seeds=2))
    trained = [stage for stage in recipe_stages(recipe_) if stage.id.kind is StageKind.TRAIN]
    assert len(trained) == 2 * (len(TRAINED) + 1)
    assert len({json.dumps(stage.spec["train"], sort_keys=True) for stage in trained}) == 1
    assert {stage.seed for stage in trained} == {recipe_.seed}
    held_out = {StageKind.HOLDOUT, StageKind.CALIBRATE, StageKind.OOD, StageKind.LEAKAGE, StageKind.EVALUATE}
    assert not [
        stage.name
        for stage in trained
        if held_out & {need.kind for need in stage.needs} or embed_id(HOLDOUT) in stage.needs
    ]


def test_strict_has_no_effect_without_leakage(tmp_path: Path) -> None:
    run(recipe(prove=proof()), tmp_path / "one", strict=True)
    run(recipe(prove=proof()), tmp_path / "two")
    assert folder_of(tmp_path / "one", "prove").name == folder_of(tmp_path / "two", "prove").name
