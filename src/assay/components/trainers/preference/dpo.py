"""Direct preference optimization: a language model learns to prefer the chosen answers, without a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.trainers.labels import digest_of
from assay.components.trainers.preference.rows import learnable
from assay.components.trainers.starts import METHOD, PAIRS, check_fields, check_start, untold
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
"""Losses that know how many verdicts are wrong."""
NAMES = {
    "rewards/chosen": "chosen",
    "rewards/rejected": "rejected",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "kl": "kl",
}
"""What TRL notes of a step, and what we do, by our words."""


@dataclass(frozen=True)
class DPO:
    """Tunes a language model on pairs by TRL's DPOTrainer (Rafailov et al. 2023); `model` is the reference too.

    The loss of a pair is -log sigmoid(beta d), where d is by how much more the model prefers `chosen` to `rejected`
    than the reference does, in logarithms of the answers' probabilities (equation 7). A pair is a task or a dialogue
    with `chosen` and `rejected`; one whose `verdict` is not "", whose answers are equal or missing, or whose prompt
    fills `max_length` is left out and counted (`preference_rows.pair_rows`). `held_out` of the prompts, by lot of the
    prompt alone, are not learned from. However few the pairs, every step sees `batch` of them.

    Next to the implicit rewards, beta times the logarithm of what the model gives an answer over what the reference
    does, `curves.json` has "kl", the divergence of the model from the reference: of the distributions of every next
    token of a step's chosen answers, exactly, summed over an answer, the mean of the answers. What the model itself
    would say differs from these, so it is no divergence of whole answers. Where TRL's own forward pass is used, as on a
    GPU, it is of the first eight of a step.

    The same pairs in the same order with the same `lab.seed` give the same weights on one machine in one process; so
    does a training that was killed and goes on from its last checkpoint. Leaves in `lab.workspace()`: `model/`, as
    `SFT` leaves it; `history.json`, rows of [step, loss, rate]; `curves.json`; and `held-out.json`, the implicit
    margins of held-out pairs before, which are 0, and after.

    Raises, when trained: RecipeError (nothing to learn from, a loss that is no number, too little memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the checkpoint to start from, and of what it is compared with: better one that is tuned already."""
    steps: int = 60
    batch: int = 4
    """Pairs a step sees."""
    rate: float = 1e-4
    """Peak of the learning rate. LoRA wants about ten times what full training does, or more."""
    warmup: float = 0.1
    """Share of the steps that the learning rate rises for."""
    beta: float = 0.1
    """How dear it is to part from the reference; of "ipo" the paper's tau."""
    loss: Loss = "sigmoid"
    """One of TRL's; "ipo" (Azar et al. 2024) and "sigmoid_norm" take means over an answer's tokens, the others sums."""
    label_smoothing: float = 0.0
    """Share of verdicts that is taken to be wrong; with "sigmoid" it is cDPO (Mitchell 2023), with "robust" rDPO."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on every linear layer but the last, merged in the end; or all weights."""
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

    def __post_init__(self) -> None:
        check_fields(
            self, (*PAIRS, ("beta", 1e-6, 1e6), ("label_smoothing", 0.0, 0.49)), (METHOD, ("loss", get_args(Loss)))
        )
        if self.label_smoothing and self.loss not in SMOOTHED:
            raise ValueError(
                f"DPO.label_smoothing must be 0 with {self.loss!r}, was {self.label_smoothing:g}: of the losses "
                f"{', '.join(SMOOTHED)} know it."
            )
        if self.loss == "exo_pair" and not self.label_smoothing:
            raise ValueError("DPO.label_smoothing must be above 0 with 'exo_pair', such as 0.001, was 0.")

    def base(self, lab: Lab) -> str:
        """The reference of the model it starts from: what a proof compares the tuned one with."""
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
        check_start("DPO", self.model, self.max_length, self.rank if self.method == "lora" else 0)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.components.trainers.preference.dpo_loop import prefer
        from assay.components.trainers.preference.loop import job_of, leave

        loss = {"loss": self.loss, "beta": self.beta, "label_smoothing": self.label_smoothing}
        job, left = job_of(self, samples, lab, loss)
        done = prefer(job, lab.progress or untold)
        facts = {"samples": len(samples), **leave(job, done, NAMES), **left}
        folder = lab.workspace() / "model"
        return Artifact(str(folder), "text-model", digest_of(folder), facts)
