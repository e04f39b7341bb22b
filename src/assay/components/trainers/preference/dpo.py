"""Direct preference optimization (DPO): learn from preference pairs without a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.trainers.checks import METHOD, PAIRS, check_fields, check_model, check_samples
from assay.components.trainers.preference.rows import is_usable_pair
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample

Loss: TypeAlias = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "robust",
    "exo_pair",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
]
SMOOTHED = ("sigmoid", "robust", "exo_pair", "aot", "aot_unpaired")
"""Losses with label smoothing."""
CURVES = {
    "rewards/chosen": "chosen",
    "rewards/rejected": "rejected",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "kl": "kl",
}
"""Names that TRL logs, and the names of our curves."""


@dataclass(frozen=True)
class DPO:
    """Tune a language model on preference pairs with TRL's DPOTrainer (Rafailov et al. 2023).

    The loss of a pair is -log sigmoid(beta d), where d is the difference between policy and reference of the
    log-probability ratio of `chosen` to `rejected` (equation 7). A pair is a task or a dialogue with `chosen` and
    `rejected`. Pairs whose `verdict` is not "", whose answers are equal or missing, or whose prompt fills `max_length`
    are dropped and counted (`pair_rows`). A random fraction `held_out` of the prompts is not trained on. Every step
    sees `batch_size` pairs, also if there are fewer.

    Besides the implicit rewards, beta times the log-probability ratio of policy to reference, `curves.json` has "kl",
    the KL divergence of the policy from the reference: exact over the next-token distributions at each token of a
    step's chosen answers, summed over an answer, averaged over answers. As the answers are not sampled from the policy,
    this is not the KL divergence of whole answers. With TRL's own forward pass, as on a GPU, it covers the first eight
    answers of a step.

    The same pairs in the same order with the same `lab.seed` give the same weights on one machine in one process, also
    if the training is interrupted and resumes from its last checkpoint. Files in `lab.workspace()`: `model/`, as of
    `SFT`; `history.json`, rows of [step, loss, learning rate]; `curves.json`; and `held-out.json`, the implicit margins
    of held-out pairs before training, which are 0, and after.

    Raises, when trained: RecipeError (no usable pairs, a loss that is not finite, out of memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the start, which is also the reference model; preferably one tuned by SFT."""
    steps: int = 60
    batch_size: int = 4
    """Pairs per step."""
    learning_rate: float = 1e-4
    """Peak learning rate. LoRA needs about ten times that of full fine-tuning, or more."""
    warmup_ratio: float = 0.1
    """Fraction of the steps with linear warmup."""
    beta: float = 0.1
    """Strength of the KL penalty; for "ipo" the paper's tau."""
    loss_type: Loss = "sigmoid"
    """One of TRL's; "ipo" (Azar et al. 2024) and "sigmoid_norm" average over an answer's tokens, the others sum."""
    label_smoothing: float = 0.0
    """Assumed fraction of wrong preferences; with "sigmoid" cDPO (Mitchell 2023), with "robust" rDPO."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on all linear layers but the output layer, merged at the end; or full fine-tuning."""
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
    makes: ClassVar[str] = "text-model"

    def __post_init__(self) -> None:
        check_fields(
            self,
            (*PAIRS, ("beta", 1e-6, 1e6), ("label_smoothing", 0.0, 0.49)),
            (METHOD, ("loss_type", get_args(Loss))),
        )
        if self.label_smoothing and self.loss_type not in SMOOTHED:
            raise ValueError(
                f"DPO.label_smoothing must be 0 with {self.loss_type!r}, was {self.label_smoothing:g}: only the losses "
                f"{', '.join(SMOOTHED)} support it."
            )
        if self.loss_type == "exo_pair" and not self.label_smoothing:
            raise ValueError("DPO.label_smoothing must be above 0 with 'exo_pair', such as 0.001, was 0.")

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
        check_model("DPO", self.model, self.max_length, self.rank if self.method == "lora" else 0)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        check_samples("DPO", samples, "pairs")
        self.check((), lab)
        from assay.components.trainers.preference.dpo_loop import train_dpo
        from assay.components.trainers.preference.loop import train_on_pairs

        loss = {"loss_type": self.loss_type, "beta": self.beta, "label_smoothing": self.label_smoothing}
        return train_on_pairs(self, samples, lab, train_dpo, loss, CURVES)
