"""assay run align on the embedded model, with few steps: SFT, a reward model, PPO and DPO from one start."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from command_line import assay

pytestmark = pytest.mark.timeout(3600)
"""The run itself, which the first test waits for, takes longer on one processor than a test may."""
SMALL = (
    "models.sft.train.steps=6",
    "models.reward.train.steps=6",
    "generate.prompts.limit=24",
    "train.steps=6",
    "prove.holdout.limit=8",
    "prove.evaluate.decoding.max_tokens=16",
    "prove.variants.ppo.steps=3",
    "prove.variants.ppo.prompts_per_step=6",
    "prove.variants.ppo.held_out_answers=4",
    "prove.also.truthful.holdout.limit=12",
    "prove.also.declines-unsafe.holdout.limit=6",
    "prove.also.answers-safe.holdout.limit=6",
)
PAIRS = 24 * 6
"""Pairs of the answers of four models to 24 prompts."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("align") / "run"
    changes = [word for change in SMALL for word in ("--set", change)]
    result = assay(["run", "align", "--quick", *changes, "--out", folder, "--json"], seconds=3000)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder


@pytest.fixture(scope="module")
def results(run: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return data


def learned(results: dict[str, Any], name: str) -> dict[str, Any]:
    training: dict[str, Any] = next(row for row in results["training"] if row["name"] == name)
    return training


def last(training: dict[str, Any], curve: str) -> float:
    lines = next(plot["lines"] for plot in training["curves"] if plot["name"] == curve)
    return float(lines[0]["points"][-1][1])


@pytest.mark.full
def test_the_reward_model_is_measured_on_held_out_pairs(results: dict[str, Any]) -> None:
    pairs = learned(results, "reward")["held_out"]
    assert pairs["pairs"] >= 12
    assert pairs["prompts"] >= 3
    accuracy = pairs["accuracy"]
    assert 0 <= accuracy["low"] <= accuracy["estimate"] <= accuracy["high"] <= 1
    assert pairs["rise"]["low"] <= pairs["rise"]["high"]


@pytest.mark.full
def test_the_margin_of_dpo_is_measured_on_held_out_pairs(results: dict[str, Any]) -> None:
    pairs = learned(results, "dpo")["held_out"]
    assert pairs["accuracy_before"]["estimate"] == 0.5
    assert pairs["rise"]["low"] <= pairs["rise"]["high"]
    assert {"kl", "length", "margin", "chosen", "rejected"} <= {
        curve["name"] for curve in learned(results, "dpo")["curves"]
    }


@pytest.mark.full
def test_the_reward_of_ppo_is_measured_on_held_out_prompts(results: dict[str, Any]) -> None:
    ppo = learned(results, "ppo")
    rewards = ppo["held_out_rewards"]
    assert rewards["prompts"] >= 3
    assert rewards["sampled"] == 4
    assert rewards["rise"]["low"] <= rewards["rise"]["high"]
    assert ppo["hacking"]["held_out"] == rewards["rise"]
    assert math.isfinite(last(ppo, "kl"))
    assert {"reward", "kl", "length", "watch likeness"} <= {curve["name"] for curve in ppo["curves"]}


@pytest.mark.full
def test_the_report_compares_all_arms(run: Path, results: dict[str, Any]) -> None:
    assert [arm["name"] for arm in results["arms"]] == ["base", "sft", "ppo", "dpo"]
    samples = {arm["name"]: arm["n_samples"] for arm in results["arms"]}
    assert samples["ppo"] == samples["dpo"] == results["funnel"]["kept"]
    assert [(row["ours"], row["theirs"]) for row in results["pairwise_comparisons"]] == [
        (arm, "sft") for arm in ("base", "ppo", "dpo")
    ]
    assert [row["measure"]["name"] for row in results["auxiliary_evaluation"]] == [
        "truthful",
        "declines-unsafe",
        "answers-safe",
    ]
    assert results["preference_pairs"] is not None
    page = (run / "report.html").read_text(encoding="utf-8")
    for anchor in ("preference_pairs", "auxiliary_evaluation", "training"):
        assert f'<section id="{anchor}"' in page
    for start in ("sft", "base"):
        assert any((pair["ours"], pair["theirs"]) == ("dpo", start) for pair in results["comparisons"])


@pytest.mark.full
def test_every_drop_is_counted(results: dict[str, Any]) -> None:
    flow = results["funnel"]
    assert flow["requested"] == PAIRS
    assert flow["kept"] + sum(flow["dropped"].values()) + sum(flow["failed"].values()) == PAIRS
    assert flow["dropped"]
