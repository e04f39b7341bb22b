"""assay run reason on the embedded model, with few problems and steps: GRPO from verifiable rewards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import assay

pytestmark = pytest.mark.timeout(3600)
"""The run itself, which the first test waits for, takes longer on one processor than a test may."""
STEPS, HELD_OUT = 6, 40  # fewer steps are too few for a trend of the reward
SMALL = (
    "models.sft.train.steps=8",
    "generate.count=60",
    f"train.steps={STEPS}",
    "train.prompts_per_step=3",
    "train.num_generations=4",
    f"prove.holdout.count={HELD_OUT}",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reason") / "run"
    changes = [word for change in SMALL for word in ("--set", change)]
    result = assay(["run", "reason", "--quick", *changes, "--out", folder, "--json"], seconds=3000)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder


@pytest.fixture(scope="module")
def results(run: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return data


@pytest.mark.full
def test_the_verdict_follows_from_the_interval(results: dict[str, Any]) -> None:
    first = results["comparisons"][0]
    assert (first["ours"], first["theirs"], first["difference"]["n"]) == ("grpo", "sft", HELD_OUT)
    low, high, p = first["difference"]["low"], first["difference"]["high"], first["adjusted_p"]
    assert results["verdict"] == first["verdict"]
    assert (first["verdict"] in ("helped", "hurt")) == (p <= 0.05 and (high < 0 or low > 0))
    assert results["leakage"]
    assert all(row["exact"] == 0 for row in results["leakage"])


@pytest.mark.full
def test_curves_of_reward_divergence_and_length(run: Path, results: dict[str, Any]) -> None:
    (grpo,) = [row for row in results["training"] if row["name"] == "grpo"]
    curves = {row["name"]: row["lines"][0]["points"] for row in grpo["curves"]}
    assert {"reward", "kl", "length", "watch declared"} <= set(curves)
    assert [step for step, _ in curves["reward"]] == list(range(1, STEPS + 1))
    assert grpo["hacking"] is not None
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<section id="training"' in page


@pytest.mark.full
def test_the_trained_model_answers(run: Path) -> None:
    (model,) = run.glob("train-grpo-0-*/model")
    answered = assay(["ask", "What is 3 + 4?", "--model", str(model), "--method", "zero-shot", "--max-tokens", "16"])
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.strip()
