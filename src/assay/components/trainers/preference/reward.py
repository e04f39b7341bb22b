"""Reward model: a language model with a scalar head learns which of two answers is preferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.components.trainers.checks import METHOD, PAIRS, check_fields, check_model, check_samples
from assay.components.trainers.preference.rows import is_usable_pair
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample

CURVES = {"accuracy": "accuracy", "margin": "margin"}
"""Names that TRL logs, and the names of our curves."""


@dataclass(frozen=True)
class RewardModel:
    """Train a reward model on preference pairs with TRL's RewardTrainer.

    The loss is that of Bradley and Terry, -log sigmoid(reward of chosen - reward of rejected) (Ouyang et al. 2022,
    equation 1). The reward is a linear function of the hidden state of a conversation's last token. A pair is a task or
    a dialogue with `chosen` and `rejected`. Pairs whose `verdict` is not "", whose answers are equal or missing, or
    whose prompt fills `max_length` are dropped and counted (`pair_rows`). A random fraction `held_out` of the prompts
    is not trained on. Every step sees `batch_size` pairs, also if there are fewer.

    Rewards are centered: as in Ouyang et al. 2022 (section 3.5) a bias makes the mean reward 0, here that of the chosen
    answers of the held-out pairs, or of some training pairs if none is held out. The heads of language models have no
    bias, so it is stored as `reward_bias` in `config.json`, and `lab.models.reward_model` subtracts it. transformers
    ignores it, which leaves differences of rewards unchanged. Rewards are not scaled.

    The same pairs in the same order with the same `lab.seed` give the same weights on one machine in one process, also
    if the training is interrupted and resumes from its last checkpoint. Files in `lab.workspace()`: `model/`, loadable
    by AutoModelForSequenceClassification; `history.json`, rows of [step, loss, learning rate]; `curves.json`; and
    `held-out.json`, the margins of held-out pairs before and after training, whose sigmoid is the probability that
    `chosen` is preferred.

    Raises, when trained: RecipeError (no usable pairs, a loss that is not finite, out of memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the language model to start from: embedded, a folder or a model of the hub."""
    steps: int = 60
    batch_size: int = 4
    """Pairs per step."""
    learning_rate: float = 3e-4
    """Peak learning rate. LoRA needs about ten times that of full fine-tuning."""
    warmup_ratio: float = 0.1
    """Fraction of the steps with linear warmup."""
    margin: bool = False
    """Whether the loss has a margin, the field `margin` of a pair (Touvron et al. 2023, section 3.2.2)."""
    center_rewards_coefficient: float = 0.01
    """Weight of the squared sum of a pair's rewards in the loss, which prevents drift (Eisenstein et al. 2023)."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on all linear layers, with the head trained in full; or full fine-tuning."""
    rank: int = 16
    """Rank of LoRA."""
    alpha: float = 32.0
    """LoRA's update is scaled by alpha / rank."""
    max_length: int = 512
    """Maximum number of tokens of a prompt and its answer."""
    held_out: float = 0.2
    """Fraction of the prompts that are held out."""
    eval_every: int = 0
    """Steps between evaluations of the held-out pairs; 0 to evaluate only before and after training."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; "auto" is bfloat16 if the hardware supports it. Sums are float32."""
    save_every: int = 100
    """Steps between checkpoints; 0 for none. They are removed at the end."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "reward-model"

    def __post_init__(self) -> None:
        check_fields(self, (*PAIRS, ("center_rewards_coefficient", 0.0, 1e6)), (METHOD,))

    def base(self, lab: Lab) -> str:
        """Reference of the model before training."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether a sample is a pair with a preferred answer."""
        return is_usable_pair(sample)

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that the model can be trained as configured.

        Raises:
            ModelError: A training library is not installed, the model does not exist, or it has no chat template.
            RecipeError: The rank or the length exceeds what the model supports.
        """
        check_model("RewardModel", self.model, self.max_length, self.rank if self.method == "lora" else 0)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        check_samples("RewardModel", samples, "pairs")
        self.check((), lab)
        from assay.components.trainers.preference.loop import train_on_pairs
        from assay.components.trainers.preference.reward_loop import train_reward_model

        loss = {"margin": self.margin, "center_rewards_coefficient": self.center_rewards_coefficient}
        return train_on_pairs(self, samples, lab, train_reward_model, loss, CURVES)
