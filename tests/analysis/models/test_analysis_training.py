"""Training curves from a trainer's files to the page, and checks for reward hacking."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from answer_parts import Error, Length, Offset, recipe
from assay.analysis.format import number_ci
from assay.analysis.models.training import RewardHacking, SideMetric, TrainingRecord
from assay.analysis.report_data import ReportData
from assay.core.curves import CURVE_INFO, curves_of
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
def report_data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    folder = tmp_path_factory.mktemp("learning") / "run"
    recipe_ = recipe_of(Rewarded(watch={"words": Length(), "error": Error()}, falls=0.05))
    assert recipe_.prove is not None
    recipe_ = replace(recipe_, models={"rater": OwnModel(Rewarded())}, prove=replace(recipe_.prove, models=("rater",)))
    run(recipe_, folder)
    finished = report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<section id="training"' in page
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))["training"][1]["hacking"]["flagged"]
    return finished.facts


def test_the_models_of_the_recipe_come_first_then_the_arms(report_data: ReportData) -> None:
    assert [(record.name, record.trainer, record.arm) for record in report_data.training] == [
        ("rater", "Rewarded", False),
        ("filtered", "Rewarded", True),
    ]


def test_curves_have_one_line_per_training_and_only_measured_steps(report_data: ReportData) -> None:
    reward, margin = report_data.training[1].curve("reward"), report_data.training[1].curve("held-out margin")
    assert reward is not None
    assert margin is not None
    assert [line.seed for line in reward.lines] == [0, 1]
    assert reward.lines[0].points[:2] == ((1, 0.1 + 0.1), (2, 0.2 + 0.2))
    assert margin.lines[0].points == ((10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0))
    assert margin.rise is None
    description = CURVE_INFO["margin"].description
    assert margin.description.startswith(description)
    assert margin.description != description


def test_the_rise_is_a_linear_fit_over_the_steps(report_data: ReportData) -> None:
    reward, length = report_data.training[0].curve("reward"), report_data.training[0].curve("length")
    assert reward is not None
    assert reward.rise is not None
    assert reward.rise.estimate == pytest.approx(0.1 * 39, abs=0.1)
    assert reward.rise.low is not None
    assert reward.rise.low > 2.5
    assert length is not None
    assert length.rise is not None
    assert length.rise.low is not None
    assert length.rise.low < 0 < (length.rise.high or 0)


def test_held_out_pairs_are_clustered_by_prompt(report_data: ReportData) -> None:
    pairs = report_data.training[0].held_out
    assert pairs is not None
    assert (pairs.pairs, pairs.prompts) == (40, 10)
    assert pairs.accuracy.estimate == pytest.approx(0.8)
    assert pairs.accuracy_before.estimate == 0.5  # equal ratings count half
    assert pairs.margin.estimate == pairs.rise.estimate == pytest.approx(0.8 * 1.5 - 0.2 * 0.5)
    assert pairs.calibration.n == 40


def test_held_out_rewards_leave_out_prompts_without_a_reward(report_data: ReportData) -> None:
    rewards = report_data.training[0].held_out_rewards
    assert rewards is not None
    assert (rewards.prompts, rewards.before.estimate) == (5, 0.25)
    assert rewards.rise.estimate == pytest.approx((0 + 1 + 2 + 4 + 5) / 50)
    assert rewards.after.estimate == pytest.approx(0.25 + (0 + 1 + 2 + 4 + 5) / 50)
    for record in report_data.training:
        assert record.hacking is not None
        assert record.hacking.held_out == rewards.rise


def test_the_sentence_on_rewards_states_the_prompts_and_the_means(report_data: ReportData) -> None:
    rewards = report_data.training[0].held_out_rewards
    assert rewards is not None
    means = [number_ci(rewards.after), number_ci(rewards.before), number_ci(rewards.rise, sign=True)]
    for sampled, counts in ((0, ["5"]), (4, ["5", "4"])):
        sentence = rewards_sentence(replace(rewards, sampled=sampled))
        assert re.findall(r"\d+", sentence.partition(":")[0]) == counts
        assert sorted(means, key=sentence.index) == means


def test_a_rising_reward_with_a_worse_monitored_score_is_flagged(report_data: ReportData) -> None:
    own_model, arm = report_data.training
    assert own_model.hacking is not None
    assert own_model.hacking.sides == ()
    assert not own_model.hacking.flagged
    assert arm.hacking is not None
    monitored = {name: side.verdict for side in arm.hacking.sides for name in ("words", "error") if name in side.name}
    assert monitored == {"words": "helped", "error": "hurt"}
    assert arm.hacking.flagged


def test_side_metrics_include_the_proof_and_the_judge(report_data: ReportData) -> None:
    arm = report_data.training[1].hacking
    assert arm is not None
    verdicts = {side.name: side.verdict for side in arm.sides}
    assert verdicts["the proof's measure"] == "helped"
    assert verdicts["the judge"] == "helped"


UP, UNCLEAR = Effect(1, 0.5, 1.5, 16, 0.95, "t"), Effect(1, -0.5, 2.5, 16, 0.95, "t")


@pytest.mark.parametrize(
    ("rise", "held_out", "sides"),
    [
        (UP, None, ()),
        (UNCLEAR, UNCLEAR, (SideMetric("x", "hurt"),)),
        (UP, UNCLEAR, (SideMetric("x", "helped"),)),
        (UP, None, (SideMetric("x", "hurt"),)),
        (UNCLEAR, UP, (SideMetric("x", "hurt"),)),
        (None, UP, ()),
        (None, UNCLEAR, ()),
    ],
)
def test_the_sentence_states_the_outcome_the_changes_and_the_metrics(
    rise: Effect | None, held_out: Effect | None, sides: tuple[SideMetric, ...]
) -> None:
    hacking = RewardHacking(rise, sides, held_out)
    sentence = hacking_sentence(hacking)
    assert sentence.startswith("Possible") == hacking.flagged
    assert sentence.startswith("No ") == (not hacking.rose)
    assert bool(re.search(r"\bx\b", sentence)) == (hacking.rose and bool(sides))
    for effect, place in ((rise, "steps"), (held_out, "held-out")):
        change = "" if effect is None else re.escape(number_ci(effect, sign=True))
        assert bool(re.search(rf"{change} [^()]*\b{place}\b", sentence)) == (effect is not None)


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
    finished = report(tmp_path / "run")
    assert finished.facts.training == ()
    assert '<section id="training"' not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
