"""Runs: complete, interrupted, damaged, with failures, and resumed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import run_parts
from assay.core.errors import ContractError, ModelError, RecipeError, StoreError
from assay.core.recipe import Proof
from assay.core.sample import Failure, Sample
from assay.pipeline.stages.keep import decide
from assay.pipeline.stages.parts import parts
from assay.report.api import report
from assay.store.images import StoredImages
from assay.store.receipts import read_receipt
from assay.store.rows import read_decisions
from assay.store.shards import read_shard
from run_parts import Blind, Bright, Eye, Interrupted, Plates, Shapes, counts, datasets, folder_of, recipe, run, stamps


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(recipe(), folder)
    return folder


def test_a_run_generates_scores_filters_trains_and_evaluates(finished_run: Path) -> None:
    generate_counts = counts(finished_run, "generate")
    assert generate_counts == {"requested": 150, "made": 150, "failed": 0, "fresh": 150}
    keep_counts = counts(finished_run, "keep")
    assert keep_counts["kept"] + keep_counts["dropped"] == 150
    assert 0 < keep_counts["kept"] < 150
    assert counts(finished_run, "train-random-subset-0")["samples"] == keep_counts["kept"]
    assert counts(finished_run, "train-real-0")["samples"] == min(60, keep_counts["kept"])
    assert counts(finished_run, "prove") == {"rows": 160, "fresh": 160}
    report_data = report(finished_run).facts
    assert (report_data.funnel.requested, report_data.funnel.kept) == (150, keep_counts["kept"])
    labels = list(dict.fromkeys(image.label for image in report_data.examples))
    assert labels == list(run_parts.LABELS)  # in the order of the recipe, not of a hash
    assert list(report_data.arms[0].per_class) == list(run_parts.LABELS)
    assert {arm.name for arm in report_data.arms} == {"real", "unfiltered", "filtered", "random-subset"}


def test_a_second_run_executes_nothing(finished_run: Path) -> None:
    before = stamps(finished_run)
    reporter = run(recipe(), finished_run)
    assert stamps(finished_run) == before
    assert "check" not in reporter.ended
    assert reporter.executed == set()
    assert len(reporter.ended) == 12


def test_another_folder_gets_the_same_bytes(finished_run: Path, tmp_path: Path) -> None:
    run(recipe(), tmp_path / "again")
    assert datasets(tmp_path / "again") == datasets(finished_run)


def test_a_changed_threshold_repeats_neither_generation_nor_scoring(tmp_path: Path) -> None:
    run(recipe(), tmp_path / "run")
    before = stamps(tmp_path / "run")
    reporter = run(recipe(low=0.75), tmp_path / "run")
    after = stamps(tmp_path / "run")
    assert before.items() <= after.items()
    fresh = {name.split("/")[0].rpartition("-")[0] for name in after.keys() - before.keys()}
    assert fresh == {"keep", "train-real-0", "train-filtered-0", "train-random-subset-0", "prove"}
    assert "train-unfiltered-0" not in reporter.executed


@pytest.mark.parametrize(
    "damage", ["cut", *(pytest.param(name, marks=pytest.mark.full) for name in ("gone", "flipped"))]
)
@pytest.mark.parametrize(
    "stage",
    [
        "generate",
        "train-filtered-0",
        *(pytest.param(name, marks=pytest.mark.full) for name in ("score-bright", "keep", "prove", "holdout")),
    ],
)
def test_only_a_damaged_file_is_made_again(finished_run: Path, tmp_path: Path, stage: str, damage: str) -> None:
    run(recipe(), tmp_path / "run")
    folder = folder_of(tmp_path / "run", stage)
    target = next(path for path in sorted(folder.rglob("*")) if path.suffix in (".parquet", ".json"))
    data = target.read_bytes()
    if damage == "gone":
        target.unlink()
    else:
        target.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:40] + b"\0\0\0\0" + data[44:])
    before = stamps(tmp_path / "run")
    reporter = run(recipe(), tmp_path / "run")
    assert datasets(tmp_path / "run") == datasets(finished_run)
    (warning,) = reporter.warnings
    assert target.name in warning
    changed = {name for name, stamp in stamps(tmp_path / "run").items() if before.get(name) != stamp}
    allowed = {target, folder / "receipt.json"}
    if stage.startswith("train"):  # one training leaves several files
        allowed |= {*folder.rglob("*.json"), *folder.rglob("README.md")}
    assert {tmp_path / "run" / name for name in changed} <= allowed


@pytest.mark.full
def test_failures_are_stored_counted_and_retried(tmp_path: Path) -> None:
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    recipe_ = recipe(Shapes(folder=str(log_folder)))
    run(recipe_, tmp_path / "run")
    assert counts(tmp_path / "run", "generate") == {"requested": 150, "made": 120, "failed": 30, "fresh": 150}
    rows = [row for path in parts(folder_of(tmp_path / "run", "generate")) for row in read_shard(path)]
    assert [row.reason for row in rows if isinstance(row, Failure)] == ["generation failed"] * 30
    funnel = report(tmp_path / "run").facts.funnel
    assert funnel.requested == 150 == funnel.kept + sum(funnel.dropped.values()) + sum(funnel.failed.values())
    assert funnel.failed == {"generation failed": 30}

    before = datasets(tmp_path / "run")
    (log_folder / "log").unlink()
    assert "generate" in run(recipe_, tmp_path / "run").executed
    assert (log_folder / "log").read_text().split("\n") == ["generate 0", *["generate 13"] * 2, "generate 4", ""]
    assert datasets(tmp_path / "run") == before

    (log_folder / "mended").touch()
    run(recipe_, tmp_path / "run")
    assert counts(tmp_path / "run", "generate") == {"requested": 150, "made": 150, "failed": 0, "fresh": 30}
    pristine = tmp_path / "pristine"
    run(recipe_, pristine)
    assert datasets(pristine).items() <= datasets(tmp_path / "run").items()


def test_a_part_of_failures_has_the_columns_of_the_others(tmp_path: Path) -> None:
    def features(path: Path) -> list[str]:
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)

    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    run(recipe(Shapes(count=65, every=64, folder=str(log_folder))), tmp_path / "run")
    first, second = parts(folder_of(tmp_path / "run", "generate"))
    assert all(isinstance(row, Failure) for row in read_shard(second))
    assert features(first) == features(second)
    assert "image" in features(second)


@pytest.mark.full
def test_only_failed_scores_are_retried(tmp_path: Path) -> None:
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    recipe_ = recipe(score={"bright": Bright(str(log_folder))})
    run(recipe_, tmp_path / "run")
    first = counts(tmp_path / "run", "score-bright")
    assert first["rows"] == 150
    assert 5 < first["failed"] < 50
    decisions = read_decisions(folder_of(tmp_path / "run", "keep") / "decisions.parquet")
    assert sum("scoring failed" in row.reason for row in decisions if not row.keep) == first["failed"]

    (log_folder / "mended").touch()
    (log_folder / "log").unlink()
    run(recipe_, tmp_path / "run")
    n_scored = sum(int(line.split()[1]) for line in (log_folder / "log").read_text().splitlines())
    assert n_scored == first["failed"] == counts(tmp_path / "run", "score-bright")["fresh"]
    assert counts(tmp_path / "run", "score-bright")["failed"] == 0
    run(recipe_, tmp_path / "pristine")
    assert datasets(tmp_path / "pristine").items() <= datasets(tmp_path / "run").items()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"generate": Shapes(short=1)}, ("Shapes", "63", "64")),
        ({"score": {"bright": Bright(fault="short")}}, ("Bright", "63", "64")),
        ({"score": {"bright": Bright(fault="off")}}, ("Bright", "scale")),
    ],
)
def test_a_component_that_breaks_its_contract_is_named(
    broken: dict[str, Any], message: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ContractError) as error:
        run(recipe(**broken), tmp_path / "run")
    assert all(part in str(error.value) for part in message)


def test_preflight_fails_before_any_stage_runs(tmp_path: Path) -> None:
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    with pytest.raises(ModelError, match="Blind"):
        run(recipe(score={"bright": Bright(), "blind": Blind()}), tmp_path / "run")
    with pytest.raises(RecipeError, match=r"Eye.*light"):
        run(recipe(score={"bright": Bright(), "eye": Eye(("dark",))}), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}


def test_a_failed_preflight_keeps_the_recipe_of_the_completed_run(tmp_path: Path) -> None:
    run(recipe(), tmp_path / "run")
    before = (tmp_path / "run" / "recipe.yaml").read_bytes()
    with pytest.raises(ModelError):
        run(recipe(score={"bright": Bright(), "blind": Blind()}), tmp_path / "run")
    assert (tmp_path / "run" / "recipe.yaml").read_bytes() == before


def test_real_data_is_read_before_generation(tmp_path: Path) -> None:
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    proof = recipe().prove
    assert proof is not None
    recipe_ = recipe(Shapes(folder=str(log_folder)), prove=replace(proof, holdout=Plates(folder=str(log_folder))))
    run(recipe_, tmp_path / "run")
    assert (log_folder / "log").read_text().startswith("generate 0\nread\ngenerate 64\n")  # generate 0 is the check


@pytest.mark.parametrize("after", [4, 16, *(pytest.param(nth, marks=pytest.mark.full) for nth in range(0, 24, 3))])
def test_an_interrupted_run_resumes_and_repeats_nothing(finished_run: Path, tmp_path: Path, after: int) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), folder, Interrupted(after))
    before = stamps(folder)
    run(recipe(), folder)
    assert datasets(folder) == datasets(finished_run)
    assert before.items() <= stamps(folder).items()
    assert not list(folder.rglob("*.tmp"))


def test_a_damaged_part_without_a_receipt_is_made_again(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), folder, Interrupted(10))
    for path in folder.rglob("part-*.parquet"):
        data = path.read_bytes()
        path.write_bytes(data[:40] + bytes(60) + data[100:])
        assert run_parts.read_receipt(path.parent) is None or path.parent.name.startswith(("holdout", "real", "gen"))
    run(recipe(), folder)
    assert datasets(folder) == datasets(finished_run)


def test_temporary_files_of_a_killed_training_are_deleted(finished_run: Path, tmp_path: Path) -> None:
    """A library writes weights to a temporary file first, which a kill leaves in the folder of the model."""
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    stage = folder_of(folder, "train-filtered-0")
    (stage / "receipt.json").unlink()
    (stage / "model" / ".tmp9aHEEy").write_bytes(b"half of the weights")
    run(recipe(), folder)
    assert datasets(folder) == datasets(finished_run)
    assert not (stage / "model" / ".tmp9aHEEy").exists()


def test_a_part_of_other_seeds_is_made_again(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), folder, Interrupted(10))
    (first, *_), generated = parts(folder_of(folder, "generate")), folder_of(finished_run, "generate")
    assert read_receipt(first.parent) is None
    first.write_bytes(parts(generated)[1].read_bytes())
    run(recipe(), folder)
    assert datasets(folder) == datasets(finished_run)


def test_a_missing_image_is_an_error(finished_run: Path) -> None:
    (first, *_) = parts(folder_of(finished_run, "generate"))
    sample = next(row for row in read_shard(first) if isinstance(row, Sample))
    with pytest.raises(StoreError):
        StoredImages([folder_of(finished_run, "holdout")]).get([sample.image()])


def test_a_recipe_without_a_proof_ends_with_filtering(tmp_path: Path) -> None:
    recipe_ = recipe(train=None, prove=None)
    run(recipe_, tmp_path / "run")
    assert {path.name.rpartition("-")[0] for path in (tmp_path / "run").iterdir() if path.is_dir()} == {
        "generate",
        "score-bright",
        "score-eye",
        "keep",
    }
    assert report(tmp_path / "run").facts.arms == ()


def test_filters_that_keep_nothing_are_an_error_and_can_be_loosened(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'real'.* 0 of 150"):
        run(recipe(low=1.0), tmp_path / "run")
    reporter = run(recipe(), tmp_path / "run")
    assert "generate" not in reporter.executed


def test_several_trainings_of_an_arm_differ(tmp_path: Path) -> None:
    recipe_ = recipe(prove=Proof(Plates(), run_parts.Right(), arms=("filtered", "permuted-labels"), seeds=2))
    run(recipe_, tmp_path / "run")
    seeds = report(tmp_path / "run").facts.arms[0].seeds
    assert list(seeds) == [0, 1]
    assert counts(tmp_path / "run", "prove")["rows"] == 4 * 40


def test_decisions_of_a_wrong_length_are_refused() -> None:
    class Short:
        def decide(self, table: Any) -> list[Any]:
            return []

    from assay.core.roles import ScoreTable

    with pytest.raises(ContractError, match="Short"):
        decide([Short()], ScoreTable(["1"], {}))
