"""What must not be claimed, from real trainings of a tiny model: each beside one of which it is rightly claimed."""

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


def lot(*words: str) -> int:
    return hashlib.sha256("/".join(words).encode()).digest()[0]


@dataclass(frozen=True)
class Sayings:
    """Tasks that lie in no other part."""

    part: str
    count: int

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [Sample({"instruction": f"Say {self.part} {nth}.", "input": ""}, nth=nth) for nth in range(self.count)]


@dataclass(frozen=True)
class Pairs:
    """Four pairs a prompt; the polite answer is chosen, or, with "any", whichever the lot of its words falls on."""

    chosen: Literal["polite", "any"]
    prompts: int = 40

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [self._one(f"Say {nth}.", word) for nth in range(self.prompts) for word in ("sea", "hill", "oak", "sun")]

    def _one(self, asked: str, word: str) -> Sample:
        sides = [f"{word} please", f"{word} now"]
        if self.chosen == "any" and lot(asked, word) % 2:
            sides.reverse()
        return Sample({"instruction": asked, "input": "", "chosen": sides[0], "rejected": sides[1]})


@dataclass(frozen=True)
class Lottery:
    """1 or 0 by the lot of task and answer together: nothing that can be known."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("share correct", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Score(float(lot(one.text("instruction"), one.text("text")) % 2)) for one in samples]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(checkpoints.chat(tmp_path_factory.mktemp("start"), dtype=torch.float32, tie_word_embeddings=False))


def proved(trainer: Trainer, by: Scorer, folder: Path, models: Mapping[str, OwnModel] | None = None) -> ReportData:
    """What the report says of a training on tasks, measured on others."""
    own = models or {}
    proof = Proof(
        Sayings("held", 200), Answers(by, Decoding(max_tokens=8)), arms=("base", "filtered"), models=tuple(own)
    )
    run(Recipe("control", FromSource(Sayings("learned", 20)), train=trainer, prove=proof, models=own), folder)
    return report(folder).facts


def practising(start: str, reward: Scorer, **more: Any) -> GRPO:
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
@pytest.mark.parametrize(("reward", "verdict"), [(Even(), "helped"), (Lottery(), "no significant difference")])
def test_a_reward_by_lot_helps_nothing_on_other_tasks(reward: Any, verdict: str, start: str, tmp_path: Path) -> None:
    facts = proved(practising(start, reward), reward, tmp_path / "run")
    (pair,) = [one for one in facts.comparisons if (one.ours, one.theirs) == ("filtered", "base")]
    difference = pair.difference
    assert difference.n == 200
    if verdict == "helped":
        assert difference.low > 0.1
        assert pair.verdict == verdict
    else:  # one training in twenty differs by chance, by the last bits of a processor: none by four standard errors
        assert abs(difference.estimate) < difference.high - difference.low
        assert pair.verdict == verdict or not difference.low <= 0 <= difference.high


@pytest.mark.full
@pytest.mark.parametrize(("watched", "flagged"), [(Even(better="lower"), True), (Even(), False)])
def test_a_reward_is_flagged_where_it_rises_at_the_cost_of_a_watched_score(
    watched: Even, flagged: bool, start: str, tmp_path: Path
) -> None:
    trainer = practising(start, Even(), watch={"cost": watched}, steps=15)
    facts = proved(trainer, Even(), tmp_path / "run")
    (learning,) = facts.training
    hacking, curve = learning.hacking, learning.curve("watch cost")
    assert hacking is not None
    assert curve is not None
    assert curve.rise is not None
    # Whether it rose depends on the last bits of a processor; what follows from it does not.
    assert hacking.flagged == (hacking.rose and bool(hacking.fell))
    if hacking.rose:
        assert ("cost (monitored in training)" in hacking.fell) == flagged


@pytest.mark.full
@pytest.mark.parametrize(("chosen", "clear"), [("polite", True), ("any", False)])
def test_a_reward_model_of_labels_by_lot_is_not_said_to_tell_held_out_pairs_apart(
    chosen: Any, clear: bool, start: str, tmp_path: Path
) -> None:
    sizes: dict[str, Any] = {"steps": 60, "batch_size": 8, "max_length": 64, "learning_rate": 1e-2, "eval_every": 0}
    rater = OwnModel(RewardModel(start, held_out=0.5, save_every=0, **sizes), Pairs(chosen))
    trainer = PPO(start, reward="trained:rater", steps=2, prompts_per_step=4, max_tokens=4, max_length=64)
    facts = proved(trainer, Even(), tmp_path / "run", models={"rater": rater})
    pairs = facts.training[0].held_out
    assert pairs is not None
    assert (pairs.pairs, pairs.prompts) == (80, 20)
    accuracy = pairs.accuracy
    assert accuracy.low is not None
    assert accuracy.high is not None
    if clear:
        assert accuracy.low > 0.7
    else:  # within four standard errors of one half, whatever the last bits of a processor
        assert abs(accuracy.estimate - 0.5) < accuracy.high - accuracy.low
