"""Stage keys after edits of the recipe, states of stages, and progress output."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from assay.core.recipe import Recipe
from assay.pipeline import progress
from assay.pipeline.plan import plan_run, recipe_stages
from assay.pipeline.progress import LogLines, ProgressBars, SilentReporter, quiet_libraries, terminal_reporter
from assay.pipeline.recipe.codec import load
from assay.store.receipts import stage_key
from run_parts import Shapes, folder_of, recipe, run

SOURCES = {"real", "holdout", "calibrate", "ood-0", "ood-1"}
SCORES = {"score-match", "score-clip", "score-reference", "score-look", "score-safety"}
ARMS = ("real", "unfiltered", "filtered", "random-subset", "permuted-labels")
TRAINS = {f"train-{arm}-{nth}" for arm in ARMS for nth in range(3)}
CURVE = {"train-real-15-0", "train-real-40-0", "train-real-100-0"}
ON_REAL = {name for name in TRAINS if name.startswith("train-real-")}
ON_KEPT = TRAINS - {f"train-unfiltered-{nth}" for nth in range(3)}
AFTER = {"prove", "agree", "ood_scores"}


def keys_of(recipe: Recipe) -> dict[str, str]:
    """Key of every stage, with its key in place of the digest of its output."""
    keys: dict[str, str] = {}
    for stage in recipe_stages(recipe):
        keys[stage.name] = stage_key(
            dict(stage.spec), [keys[str(need)] for need in stage.needs], stage.version, stage.seed
        )
    return keys


def changed(*changes: str) -> set[str]:
    before, after = keys_of(load("fashion")), keys_of(load("fashion", changes=changes))
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


EDITS: list[tuple[str, set[str]]] = [
    ("question=Why?", set()),
    ("name=other", set()),
    ("keep.0.low=0.6", {"keep"} | AFTER | ON_KEPT),
    ("score.clip.prefix=a ", {"score-clip", "keep"} | AFTER | ON_KEPT),
    ("generate.steps=9", {"generate", "keep", "leakage"} | AFTER | SCORES | TRAINS),
    ("train.steps=9", AFTER | TRAINS | CURVE),
    ("prove.evaluate.image=photo", {"prove", "reference", "agree"}),
    ("prove.holdout.per_label=9", {"holdout", "embed-holdout", "leakage", "prove", "reference", "ood_scores"}),
    ("prove.similarity=0.99", {"leakage"}),
    ("prove.ood.0.per_label=9", {"ood-0", "ood_scores"}),
    ("prove.calibrate.per_label=9", {"calibrate", "ood_scores"}),
    ("prove.reference=embedded:fashion-clip", {"reference", "ood_scores"}),
    ("prove.real.per_label=9", {"real", "embed-real", "leakage", "prove", "agree"} | ON_REAL | CURVE),
    ("seed=8", {"generate", "keep", "embed-real", "embed-holdout", "leakage"} | AFTER | SCORES | TRAINS | CURVE),
]


@pytest.mark.parametrize(("change", "stale"), EDITS, ids=[change for change, _ in EDITS])
def test_an_edit_changes_the_keys_of_dependent_stages_alone(change: str, stale: set[str]) -> None:
    assert changed(change) == stale


def test_a_new_version_changes_the_keys_of_dependent_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys_of(recipe())
    monkeypatch.setattr(Shapes, "version", 2)
    after = keys_of(recipe())
    assert {name for name in before if before[name] == after[name]} == {"real", "holdout"}


def test_real_data_comes_first_and_every_stage_after_its_needs() -> None:
    names = [stage.name for stage in recipe_stages(load("fashion"))]
    assert names[:6] == ["real", "holdout", "calibrate", "ood-0", "ood-1", "generate"]
    assert names[-4:] == ["prove", "reference", "agree", "ood_scores"]
    for nth, stage in enumerate(recipe_stages(load("fashion"))):
        assert set(map(str, stage.needs)) <= set(names[:nth])
    without = load("fashion", changes=["prove.arms=[filtered]", "prove.curve=[]"])
    assert "real" not in [stage.name for stage in recipe_stages(without)]


def states(recipe_: Recipe, folder: Path) -> dict[str, str]:
    return {stage.name: planned.state if planned else "waits" for stage, planned in plan_run(recipe_, folder)}


def test_states_of_stages(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    log_folder = tmp_path / "shop"
    log_folder.mkdir()
    recipe_ = recipe(Shapes(folder=str(log_folder)))
    by_stage = states(recipe_, folder)
    assert not folder.exists()
    assert {name for name, state in by_stage.items() if state == "to do"} == {"real", "holdout", "generate"}
    assert {state for name, state in by_stage.items() if name not in ("real", "holdout", "generate")} == {"waits"}

    run(recipe_, folder)
    by_stage = states(recipe_, folder)
    assert by_stage.pop("generate") == "retry"
    assert set(by_stage.values()) == {"done"}

    (folder_of(folder, "prove") / "receipt.json").unlink()
    os.truncate(folder_of(folder, "keep") / "decisions.parquet", 100)
    by_stage = states(recipe_, folder)
    assert by_stage["keep"] == "damaged"
    assert by_stage["train-unfiltered-0"] == "done"
    assert by_stage["train-filtered-0"] == "waits"
    assert by_stage["prove"] == "waits"
    run(recipe_, folder)
    (folder_of(folder, "prove") / "receipt.json").unlink()
    assert states(recipe_, folder)["prove"] == "begun"


def test_log_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 29.0, 60.0, 120.0, 120.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock.__next__))
    reporter = LogLines()
    reporter.begin("generate", 10, 4)
    reporter.advance(6, 10)
    reporter.advance(7, 10)
    reporter.advance(10, 10)
    reporter.end("10 made")
    progress_line, end_line = capsys.readouterr().err.splitlines()
    assert "generate" in progress_line
    assert re.findall(r"\d+", progress_line) == ["7", "10", "60"]
    assert end_line.split()[1:4] == ["generate", "10", "made"]
    assert "120.0" in end_line
    reporter.warn("Look out.")
    assert capsys.readouterr().err == "  ! Look out.\n"


def test_progress_bars_in_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with terminal_reporter() as reporter:
        assert isinstance(reporter, LogLines)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with terminal_reporter() as reporter:
        assert isinstance(reporter, ProgressBars)
        reporter.begin("generate", 10, 4)
        reporter.advance(7, 10)
        reporter.end("10 made")
        reporter.warn("Look out.")
    output = capsys.readouterr()
    assert output.out == ""
    assert "generate" in output.err
    assert "Look out." in output.err
    for result in (
        SilentReporter().begin("", 1, 1),
        SilentReporter().advance(1, 1),
        SilentReporter().end(""),
        SilentReporter().warn(""),
    ):
        assert result is None


def test_quiet_libraries_restores_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils import logging as transformers

    monkeypatch.setenv("DIFFUSERS_VERBOSITY", "info")
    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    before = transformers.get_verbosity(), transformers.is_progress_bar_enabled()
    transformers.set_verbosity_info()
    transformers.enable_progress_bar()
    with quiet_libraries():
        assert transformers.get_verbosity() == transformers.ERROR
        assert not transformers.is_progress_bar_enabled()
        assert os.environ["DIFFUSERS_VERBOSITY"] == os.environ["TRANSFORMERS_VERBOSITY"] == "error"
    assert transformers.get_verbosity() == transformers.INFO
    assert transformers.is_progress_bar_enabled()
    assert os.environ["DIFFUSERS_VERBOSITY"] == "info"
    assert "TRANSFORMERS_VERBOSITY" not in os.environ
    transformers.set_verbosity(before[0])
    if not before[1]:
        transformers.disable_progress_bar()
