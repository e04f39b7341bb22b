"""Negative controls of the report's claims, from trainings of a tiny model, each with its positive control."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch

import checkpoints
from assay.analysis.report_data import ReportData
from assay.components.evaluators.answers import Answers
from assay.components.generators.from_source import FromSource
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.recipe import OwnModel, Proof, Recipe
from assay.core.roles import Scorer, Trainer
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.report.api import report
from reward_parts import Even
from run_parts import run


def random_byte(*words: str) -> int:
    """Byte that depends on the words only."""
    return hashlib.sha256("/".join(words).encode()).digest()[0]


@dataclass(frozen=True)
class Sayings:
    """Tasks that no other part contains."""

    part: str
    count: int

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [Sample({"instruction": f"Say {self.part} {nth}.", "input": ""}, nth=nth) for nth in range(self.count)]


@dataclass(frozen=True)
class Pairs:
    """Four pairs per prompt; the chosen answer is the polite one, or with "any" a random one."""

    chosen: Literal["polite", "any"]
    prompts: int = 40

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [
            self._pair(f"Say {nth}.", word) for nth in range(self.prompts) for word in ("sea", "hill", "oak", "sun")
        ]

    def _pair(self, task: str, word: str) -> Sample:
        sides = [f"{word} please", f"{word} now"]
        if self.chosen == "any" and random_byte(task, word) % 2:
            sides.reverse()
        return Sample({"instruction": task, "input": "", "chosen": sides[0], "rejected": sides[1]})


@dataclass(frozen=True)
class RandomReward:
    """Random reward of 0 or 1 for each pair of task and answer."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("share correct", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Score(float(random_byte(sample.text("instruction"), sample.text("text")) % 2)) for sample in samples]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(checkpoints.chat(tmp_path_factory.mktemp("start"), dtype=torch.float32, tie_word_embeddings=False))


def report_of(trainer: Trainer, by: Scorer, folder: Path, models: Mapping[str, OwnModel] | None = None) -> ReportData:
    """Report data of a training on tasks, evaluated on other tasks."""
    own_models = models or {}
    proof = Proof(
        Sayings("held", 200), Answers(by, Decoding(max_tokens=8)), arms=("base", "filtered"), models=tuple(own_models)
    )
    run(Recipe("control", FromSource(Sayings("learned", 20)), train=trainer, prove=proof, models=own_models), folder)
    return report(folder).facts


def grpo(start: str, reward: Scorer, **more: Any) -> GRPO:
    sizes: dict[str, Any] = {
        "steps": 30,
        "prompts_per_step": 4,
        "num_generations": 4,
        "max_tokens": 8,
        "max_length": 64,
        "learning_rate": 1e-2,
    }
    return GRPO({"it": reward}, start, save_every=0, **(sizes | more))


@pytest.mark.full
@pytest.mark.parametrize(("reward", "verdict"), [(Even(), "helped"), (RandomReward(), "no significant difference")])
def test_a_random_reward_does_not_improve_other_tasks(reward: Any, verdict: str, start: str, tmp_path: Path) -> None:
    report_data = report_of(grpo(start, reward), reward, tmp_path / "run")
    (pair,) = [pair for pair in report_data.comparisons if (pair.ours, pair.theirs) == ("filtered", "base")]
    difference = pair.difference
    assert difference.n == 200
    if verdict == "helped":
        assert difference.low > 0.1
        assert pair.verdict == verdict
    else:  # floating-point differences between processors: one training in twenty is significant by chance
        assert abs(difference.estimate) < difference.high - difference.low
        assert pair.verdict == verdict or not difference.low <= 0 <= difference.high


@pytest.mark.full
@pytest.mark.parametrize(("watched", "flagged"), [(Even(better="lower"), True), (Even(), False)])
def test_reward_hacking_is_flagged_if_a_monitored_score_gets_worse(
    watched: Even, flagged: bool, start: str, tmp_path: Path
) -> None:
    trainer = grpo(start, Even(), watch={"cost": watched}, steps=15)
    report_data = report_of(trainer, Even(), tmp_path / "run")
    (record,) = report_data.training
    hacking, curve = record.hacking, record.curve("watch cost")
    assert hacking is not None
    assert curve is not None
    assert curve.rise is not None
    # Whether the reward rises can depend on the processor.
    assert hacking.flagged == (hacking.rose and bool(hacking.fell))
    if hacking.rose:
        assert any(name.startswith("cost ") for name in hacking.fell) == flagged


@pytest.mark.full
@pytest.mark.parametrize(("chosen", "clear"), [("polite", True), ("any", False)])
def test_a_reward_model_of_random_labels_has_chance_accuracy_on_held_out_pairs(
    chosen: Any, clear: bool, start: str, tmp_path: Path
) -> None:
    sizes: dict[str, Any] = {"steps": 60, "batch_size": 8, "max_length": 64, "learning_rate": 1e-2, "eval_every": 0}
    rater = OwnModel(RewardModel(start, held_out=0.5, save_every=0, **sizes), Pairs(chosen))
    trainer = PPO(start, reward="trained:rater", steps=2, prompts_per_step=4, max_tokens=4, max_length=64)
    report_data = report_of(trainer, Even(), tmp_path / "run", models={"rater": rater})
    pairs = report_data.training[0].held_out
    assert pairs is not None
    assert (pairs.pairs, pairs.prompts) == (80, 20)
    accuracy = pairs.accuracy
    assert accuracy.low is not None
    assert accuracy.high is not None
    if clear:
        assert accuracy.low > 0.7
    else:  # within four standard errors of one half on any processor
        assert abs(accuracy.estimate - 0.5) < accuracy.high - accuracy.low
