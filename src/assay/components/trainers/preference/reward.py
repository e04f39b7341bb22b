"""A reward model: a language model with a head of one number learns which of two answers is preferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.trainers.labels import digest_of
from assay.components.trainers.preference.rows import learnable
from assay.components.trainers.starts import METHOD, PAIRS, check_fields, check_start, untold
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample


@dataclass(frozen=True)
class RewardModel:
    """Learns rewards from pairs by TRL's RewardTrainer: by their difference, the log-odds that `chosen` is preferred.

    The loss is that of Bradley and Terry, -log sigmoid(reward of chosen - reward of rejected) (Ouyang et al. 2022,
    equation 1), the reward a linear head's on the state of a conversation's last token. A pair is a task or a dialogue
    with `chosen` and `rejected`; one whose `verdict` is not "", whose answers are equal or missing, or whose prompt
    fills `max_length` is left out and counted (`preference_rows.pair_rows`). `held_out` of the prompts, by lot of the
    prompt alone, are not learned from. However few the pairs, every step sees `batch` of them.

    Rewards are centered: as in Ouyang et al. 2022 (section 3.5) a bias makes the mean reward 0, here of the chosen
    answers of the held-out pairs, or of some that were learned from where none is held out. The heads of language
    models have no bias, so it stands as `reward_bias` in `config.json`, and `lab.models.reward_model` takes it off;
    what transformers alone loads gives rewards without it, and the same differences. Nothing is scaled.

    The same pairs in the same order with the same `lab.seed` give the same weights on one machine in one process; so
    does a training that was killed and goes on from its last checkpoint. Leaves in `lab.workspace()`: `model/`, which
    AutoModelForSequenceClassification loads; `history.json`, rows of [step, loss, rate]; `curves.json`; and
    `held-out.json`, the margins of held-out pairs before and after, whose sigmoid is the probability that `chosen` is
    preferred.

    Raises, when trained: RecipeError (nothing to learn from, a loss that is no number, too little memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the language model to start from: embedded, a folder or one of the hub."""
    steps: int = 60
    batch: int = 4
    """Pairs a step sees."""
    rate: float = 3e-4
    """Peak of the learning rate. LoRA wants about ten times what full training does."""
    warmup: float = 0.1
    """Share of the steps that the learning rate rises for."""
    margin: bool = False
    """Whether rewards are to differ by the field `margin` of a pair and more (Touvron et al. 2023, section 3.2.2)."""
    center: float = 0.01
    """Weight of the squared sum of a pair's rewards in the loss (Eisenstein et al. 2023): else they may drift."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on every linear layer, and the head whole; or all weights."""
    rank: int = 16
    """Of LoRA's matrices."""
    alpha: float = 32.0
    """What LoRA adds is multiplied by alpha / rank."""
    max_length: int = 512
    """Tokens of a prompt and its answer."""
    held_out: float = 0.2
    """Share of the prompts that nothing is learned from."""
    measure_every: int = 0
    """Steps from one look at the held-out pairs to the next; 0 to look before and after alone."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """What matrices are multiplied in; "auto" is bfloat16 where the processor has it in hardware. Sums are float32."""
    save_every: int = 100
    """Steps from one checkpoint to the next; 0 for none. They are removed in the end."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "reward-model"

    def __post_init__(self) -> None:
        check_fields(self, (*PAIRS, ("center", 0.0, 1e6)), (METHOD,))

    def base(self, lab: Lab) -> str:
        """The reference of the model it starts from."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether it is a pair, of two answers of which one is preferred."""
        return learnable(sample)

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Looks, before anything is generated, whether the start can be trained as is asked.

        Raises:
            ModelError: What trains is not installed, there is no such model, or it has no chat template.
            RecipeError: The rank or the length is more than the model has.
        """
        check_start("RewardModel", self.model, self.max_length, self.rank if self.method == "lora" else 0)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.components.trainers.preference.loop import job_of, leave
        from assay.components.trainers.preference.reward_loop import learn_rewards

        loss = {"margin": self.margin, "center": self.center}
        job, left = job_of(self, samples, lab, loss, margins=self.margin)
        done = learn_rewards(job, lab.progress or untold)
        facts = {"samples": len(samples), **leave(job, done, {"accuracy": "accuracy", "margin": "margin"}), **left}
        folder = lab.workspace() / "model"
        return Artifact(str(folder), "reward-model", digest_of(folder), facts)
