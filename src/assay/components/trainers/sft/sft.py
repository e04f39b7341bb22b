"""Supervised fine-tuning (SFT) of a language model on instructions and answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.components.trainers.checks import (
    BATCH_SIZE,
    METHOD,
    WARMUP_RATIO,
    check_fields,
    check_model,
    check_samples,
    weights_digest,
)
from assay.components.trainers.sft.rows import EncodedConversation, packed_bins, parts_of, row_order, single_row_bins
from assay.core.completions import Message
from assay.core.errors import FieldError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.requests import encode_answer
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.sft.loop import SFTJob, SFTResult


@dataclass(frozen=True)
class SFT:
    """Tune a language model on tasks for exactly `steps` steps and keep the last weights; there is no model selection.

    Prompts are encoded with the checkpoint's chat template, as in `assay ask`. The loss is the mean cross-entropy of
    the answer tokens and the template's end of turn; prompt tokens are masked (Taori et al. 2023, "Alpaca", whose
    schedule is used, too: linear warmup, cosine decay; AdamW, no weight decay, no dropout). Special tokens written out
    in a text are removed. Of a dialogue only the last answer is learned; earlier turns are masked (Touvron et al. 2023,
    "Llama 2", section 3.3).

    Every step sees a full batch: epochs follow each other without a break, each in a new random order. Answers are
    truncated to `max_length` tokens without an end of turn, and counted as "cut"; samples whose prompt fills
    `max_length`, or whose answer is blank, are dropped and counted as "too long" or "blank".

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process,
    also if the training is interrupted and resumes from its last checkpoint. Files in `lab.workspace()`: `model/`, full
    weights in the dtype of the start with configuration, tokenizer and chat template, loadable by transformers and by
    the backend of the start; and `history.json`, rows of [step, loss, learning rate].

    Raises, when trained: RecipeError (no usable samples, a loss that is not finite, out of memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the checkpoint to start from: embedded, a folder, a GGUF file or a model of the hub."""
    steps: int = 100
    batch_size: int = 8
    """Samples per step, over all processes; with `packing`, bins of `max_length` tokens."""
    learning_rate: float = 5e-4
    """Peak learning rate. LoRA needs about ten times that of full fine-tuning."""
    warmup_ratio: float = 0.1
    """Fraction of the steps with linear warmup."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on all linear layers but the output layer, merged at the end; or full fine-tuning."""
    rank: int = 16
    """Rank of LoRA."""
    alpha: float = 32.0
    """LoRA's update is scaled by alpha / rank."""
    max_length: int = 512
    """Maximum number of tokens of a prompt and its answer."""
    packing: bool = False
    """Pack several whole samples into each bin; they do not attend to each other."""
    system: str = ""
    """System message; if empty, the template's default, if it has one."""
    style: Literal["instruction", "name"] = "instruction"
    """Whether the prompt is the instruction or the task's `name`, such as "summarize"."""
    mixture: Mapping[str, float] = field(default_factory=dict)
    """Sampling weight of each value of `mixture_field`, independent of the number of samples with it."""
    mixture_field: str = "origin"
    """A text field; `made_by` is the component that made a sample."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; "auto" is bfloat16 if the hardware supports it. Sums are float32."""
    processes: int = 1
    """Processes of this machine that share every step (data parallel)."""
    save_every: int = 100
    """Steps between checkpoints; 0 for none. They are removed at the end."""
    instruction: str = "instruction"
    input: str = "input"
    output: str = "output"
    name: str = "name"
    history: str = "history"
    """Field of the earlier turns of a dialogue."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, (BATCH_SIZE, WARMUP_RATIO, ("processes", 1, 10**4)), (METHOD, STYLE))
        if self.batch_size % self.processes:
            raise ValueError(
                f"SFT.batch_size must be a multiple of the {self.processes} processes, was {self.batch_size}."
            )
        for value, weight in self.mixture.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"SFT.mixture must hold weights above 0, was {weight:g} for {value!r}.")

    @property
    def _lora_rank(self) -> int:
        return self.rank if self.method == "lora" else 0

    def base(self, lab: Lab) -> str:
        """Reference of the model before training."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether a sample has an answer, and an instruction if prompts are instructions."""
        prompt = [self.instruction] if self.style == "instruction" else []
        return all(str(sample.fields.get(name, "")).strip() for name in (*prompt, self.output))

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that the model can be trained as configured.

        Raises:
            ModelError: A training library is not installed, the model does not exist, or it has no chat template.
            RecipeError: The rank or the length exceeds what the model supports.
        """
        check_model("SFT", self.model, self.max_length, self._lora_rank)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        check_samples("SFT", samples)
        self.check((), lab)
        from assay.components.trainers.sft.loop import tune
        from assay.components.trainers.sft.processes import launch
        from assay.components.trainers.training_run import (
            ignore_progress,
            prepare_checkpoints,
            remove_checkpoints,
            write_history,
        )

        learned, rows, dropped = self._rows(samples)
        job = self._job(learned, rows, lab)
        prepare_checkpoints(lab.workspace(), job.digest)
        tuned = (tune if self.processes == 1 else launch)(job, lab.progress or ignore_progress)
        write_history(lab.workspace(), tuned.history)
        remove_checkpoints(lab.workspace())
        folder = lab.workspace() / "model"
        facts = {"steps": len(tuned.history), "samples": len(samples), **_facts(job, tuned), **dropped}
        return Artifact(str(folder), "text-model", weights_digest(folder), facts)

    def _job(self, learned: Sequence[Sample], rows: Sequence[EncodedConversation], lab: Lab) -> SFTJob:
        from assay.components.trainers.sft.loop import SFTJob
        from assay.components.trainers.training_run import training_config

        order = row_order(parts_of(learned, self.mixture_field, self.mixture), lab.seed)
        if self.packing:
            bins = packed_bins(order, [len(row.ids) for row in rows], self.steps, self.batch_size, self.max_length)
        else:
            bins = single_row_bins(order, self.steps * self.batch_size)
        return SFTJob(
            config=training_config(self, lab, rank=self._lora_rank, warmup_ratio=self.warmup_ratio),
            batch_size=self.batch_size,
            processes=self.processes,
            rows=tuple(row.ids for row in rows),
            starts=tuple(row.start for row in rows),
            bins=tuple(bins),
        )

    def _rows(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[EncodedConversation], dict[str, int]]:
        """Usable samples, their tokens, and how many samples were cut or dropped."""
        from assay.components.trainers.language_model import load_tokenizer

        tokenizer = load_tokenizer(locate(self.model))
        learned, rows, dropped = [], [], {"cut": 0, "too long": 0, "blank": 0}
        for sample in samples:
            if not (answer := sample.text(self.output).strip()):
                dropped["blank"] += 1
                continue
            ids, start = encode_answer(tokenizer, self._prompt(sample), answer, self.model)
            if start >= self.max_length:
                dropped["too long"] += 1
                continue
            dropped["cut"] += len(ids) > self.max_length
            learned.append(sample)
            rows.append(EncodedConversation(tuple(ids[: self.max_length]), start))
        if not rows:
            raise RecipeError(
                f"None of {len(samples)} samples can be used for training: {dropped['too long']} have a prompt that "
                f"fills {self.max_length} tokens, {dropped['blank']} a blank answer.",
                hint="Raise SFT.max_length." if dropped["too long"] else "",
                name="SFT.max_length",
                value=self.max_length,
                samples=len(samples),
                dropped=dropped,
            )
        return learned, rows, dropped

    def _prompt(self, sample: Sample) -> tuple[Message, ...]:
        field_name = self.instruction if self.style == "instruction" else self.name
        if not sample.text(field_name).strip():
            raise FieldError(f"Sample {sample.id} has a blank {field_name!r}, which SFT.style {self.style!r} needs.")
        return conversation(sample, instruction=field_name, input=self.input, history=self.history, system=self.system)


def _facts(job: SFTJob, tuned: SFTResult) -> dict[str, float]:
    from assay.components.trainers.training_run import final_loss

    places = [place for rows in job.bins for place in rows]
    return {
        "seen": len(places),
        "last loss": final_loss(tuned.history),
        "tokens": sum(len(job.rows[place]) for place in places),
        "answer tokens": sum(len(job.rows[place]) - job.starts[place] for place in places),
        "trained parameters": tuned.trained,
    }


STYLE = ("style", ("instruction", "name"))
