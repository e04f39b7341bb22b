"""Training curves from a trainer's files to the page, and checks for reward hacking."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from answer_parts import Error, Length, Offset, recipe
from assay.analysis.models.training import RewardHacking, SideMetric, TrainingRecord
from assay.analysis.report_data import ReportData
from assay.core.curves import curves_of
from assay.core.effect import Effect
from assay.core.lab import Lab
from assay.core.recipe import OwnModel, Recipe
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.report.api import report
from assay.report.sections.training import hacking_sentence, rewards_sentence
from run_parts import folder_of, run

STEPS = 40


@dataclass(frozen=True)
class Rewarded(Offset):
    """Writes a reward that rises by `slope` per step, a constant length, and held-out pairs."""

    slope: float = 0.1
    watch: dict[str, Scorer] = field(default_factory=dict)
    falls: float = 0.0

    version: ClassVar[int] = 1

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        rows = [
            {
                "step": step,
                "reward": self.slope * step + step % 3 / 10,
                "length": 20.0 + step % 4,
                **({f"watch {name}": 3 + self.falls * step + step % 2 / 10 for name in self.watch}),
                **({"held-out margin": step / 10} if step % 10 == 0 else {}),
            }
            for step in range(1, STEPS + 1)
        ]
        (lab.workspace() / "curves.json").write_text(json.dumps(asdict(curves_of(rows))), encoding="utf-8")
        pairs = [
            {"id": f"s{nth}", "prompt": f"p{nth // 4}", "before": 0.0, "after": 1.5 if nth % 5 else -0.5}
            for nth in range(40)
        ]
        (lab.workspace() / "held-out.json").write_text(json.dumps(pairs), encoding="utf-8")
        rewards = [
            {"id": f"r{nth}", "prompt": f"r{nth}", "before": 0.25, "after": None if nth == 3 else 0.25 + nth / 10}
            for nth in range(6)
        ]
        (lab.workspace() / "held-out-rewards.json").write_text(json.dumps(rewards), encoding="utf-8")
        return super().train(samples, lab)


def recipe_of(trainer: Rewarded, **changes: object) -> Recipe:
    plain = recipe(arms=("base", "filtered"), real=None, seeds=2, **changes)
    return replace(plain, train=trainer)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    folder = tmp_path_factory.mktemp("learning") / "run"
    what = recipe_of(Rewarded(watch={"words": Length(), "error": Error()}, falls=0.05))
    assert what.prove is not None
    what = replace(what, models={"rater": OwnModel(Rewarded())}, prove=replace(what.prove, models=("rater",)))
    run(what, folder)
    found = report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<section id="training"' in page
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))["training"][1]["hacking"]["flagged"]
    return found.facts


def test_the_models_of_the_recipe_come_first_then_the_arms(facts: ReportData) -> None:
    assert [(record.name, record.trainer, record.arm) for record in facts.training] == [
        ("rater", "Rewarded", False),
        ("filtered", "Rewarded", True),
    ]


def test_curves_have_one_line_per_training_and_only_measured_steps(facts: ReportData) -> None:
    reward, margin = facts.training[1].curve("reward"), facts.training[1].curve("held-out margin")
    assert reward is not None
    assert margin is not None
    assert [line.seed for line in reward.lines] == [0, 1]
    assert reward.lines[0].points[:2] == ((1, 0.1 + 0.1), (2, 0.2 + 0.2))
    assert margin.lines[0].points == ((10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0))
    assert margin.rise is None
    assert margin.description.endswith("on held-out data")


def test_the_rise_is_a_linear_fit_over_the_steps(facts: ReportData) -> None:
    reward, length = facts.training[0].curve("reward"), facts.training[0].curve("length")
    assert reward is not None
    assert reward.rise is not None
    assert reward.rise.estimate == pytest.approx(0.1 * 39, abs=0.1)
    assert reward.rise.low is not None
    assert reward.rise.low > 2.5
    assert length is not None
    assert length.rise is not None
    assert length.rise.low is not None
    assert length.rise.low < 0 < (length.rise.high or 0)


def test_held_out_pairs_are_clustered_by_prompt(facts: ReportData) -> None:
    pairs = facts.training[0].held_out
    assert pairs is not None
    assert (pairs.pairs, pairs.prompts) == (40, 10)
    assert pairs.accuracy.estimate == pytest.approx(0.8)
    assert pairs.accuracy_before.estimate == 0.5  # equal ratings count half
    assert pairs.margin.estimate == pairs.rise.estimate == pytest.approx(0.8 * 1.5 - 0.2 * 0.5)
    assert pairs.calibration.n == 40


def test_held_out_rewards_leave_out_prompts_without_a_reward(facts: ReportData) -> None:
    rewards = facts.training[0].held_out_rewards
    assert rewards is not None
    assert (rewards.prompts, rewards.before.estimate) == (5, 0.25)
    assert rewards.rise.estimate == pytest.approx((0 + 1 + 2 + 4 + 5) / 50)
    assert rewards_sentence(rewards).startswith("Mean reward on 5 held-out prompts (greedy answers): 0.49 (")
    assert rewards_sentence(replace(rewards, sampled=4)).startswith(
        "Mean reward on 5 held-out prompts (4 sampled answers each): 0.49 ("
    )
    for record in facts.training:
        assert record.hacking is not None
        assert record.hacking.held_out == rewards.rise


def test_a_rising_reward_with_a_worse_monitored_score_is_flagged(facts: ReportData) -> None:
    own, arm = facts.training
    assert own.hacking is not None
    assert own.hacking.sides == ()
    assert not own.hacking.flagged
    assert arm.hacking is not None
    assert {side.name: side.verdict for side in arm.hacking.sides if "monitored" in side.name} == {
        "words (monitored in training)": "helped",
        "error (monitored in training)": "hurt",
    }
    assert arm.hacking.flagged
    assert hacking_sentence(arm.hacking).startswith("Possible reward hacking:")


def test_side_metrics_include_the_proof_and_the_judge(facts: ReportData) -> None:
    arm = facts.training[1].hacking
    assert arm is not None
    verdicts = {side.name: side.verdict for side in arm.sides}
    assert verdicts["the proof's measure"] == "helped"
    assert verdicts["the judge"] == "helped"


UP, UNCLEAR = Effect(1, 0.5, 1.5, 16, 0.95, "t"), Effect(1, -0.5, 2.5, 16, 0.95, "t")


@pytest.mark.parametrize(
    ("rise", "held_out", "sides", "words"),
    [
        (
            UP,
            None,
            (),
            "Change of the reward: +1 (95% CI +0.5 to +1.5) over the training steps.",
        ),
        (UNCLEAR, UNCLEAR, (SideMetric("x", "hurt"),), "No significant rise of the reward"),
        (UP, UNCLEAR, (SideMetric("x", "helped"),), "no other metric got significantly worse: x"),
        (UP, None, (SideMetric("x", "hurt"),), "Possible reward hacking"),
        (UNCLEAR, UP, (SideMetric("x", "hurt"),), "Possible reward hacking"),
        (None, UP, (), "no other metric was measured"),
        (None, UNCLEAR, (), "+1 (95% CI -0.5 to +2.5) on held-out prompts"),
    ],
)
def test_each_outcome_has_its_sentence(
    rise: Effect | None, held_out: Effect | None, sides: tuple[SideMetric, ...], words: str
) -> None:
    assert words in hacking_sentence(RewardHacking(rise, sides, held_out)).replace("\u2212", "-")


def test_a_short_training_has_no_rise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_analysis_training.STEPS", 5)
    run(recipe_of(Rewarded()), tmp_path / "run")
    (record,) = report(tmp_path / "run").facts.training
    assert isinstance(record, TrainingRecord)
    reward = record.curve("reward")
    assert reward is not None
    assert reward.rise is None
    assert record.hacking is not None
    assert record.hacking.reward is None
    assert (folder_of(tmp_path / "run", "train-filtered-0") / "curves.json").is_file()


def test_without_curves_there_is_no_section(tmp_path: Path) -> None:
    run(recipe(arms=("base", "filtered"), real=None), tmp_path / "run")
    found = report(tmp_path / "run")
    assert found.facts.training == ()
    assert '<section id="training"' not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
