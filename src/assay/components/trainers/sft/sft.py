"""Supervised fine-tuning: a language model learns to answer tasks as the samples do."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.components.trainers.labels import check_given, digest_of
from assay.components.trainers.sft.rows import Row, packed, parts_of, stream, unpacked
from assay.components.trainers.starts import BATCH, METHOD, WARMUP, check_fields, check_start, halves, untold
from assay.core.completions import Message
from assay.core.errors import FieldError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.chat import answered
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.sft.loop import Job, Tuned


@dataclass(frozen=True)
class SFT:
    """Tunes a language model on tasks by exactly `steps` steps and keeps the last weights; none are picked on data.

    A task is asked as `assay ask` asks it, through the checkpoint's own chat template, and the loss is the mean over
    the tokens of the answer and of what the template ends it with: the prompt teaches nothing (Taori et al. 2023,
    "Alpaca", whose schedule this is too: up in a line, then half a cosine down; AdamW, no weight decay, no dropout). A
    special token that a text writes out is left out of it. A dialogue is asked with what was said before, of which
    nothing is learned either, also not of earlier answers (as Touvron et al. 2023, "Llama 2", section 3.3).

    However few the samples, each step sees a full batch: one epoch runs on into the next, each in an order of its own.
    Tokens beyond `max_length` are cut off an answer, which then teaches no end, and counted as "cut"; a sample whose
    prompt fills `max_length`, or whose answer is blank, is left out and counted as "too long" or "blank".

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process; so
    does a training that was killed and goes on from its last checkpoint. Leaves in `lab.workspace()`: `model/`, whole
    weights in the start's own dtype with configuration, tokenizer and chat template, which transformers loads and the
    backend of the start answers for, and `history.json`, rows of [step, loss, rate].

    Raises, when trained: RecipeError (nothing to learn from, a loss that is no number, too little memory), FieldError,
    ModelError.
    """

    model: str = "embedded:smollm2"
    """Reference of the checkpoint to start from: embedded, a folder, a GGUF file or one of the hub."""
    steps: int = 100
    batch: int = 8
    """Samples a step sees, over all processes; where packed, bins of `max_length` tokens."""
    rate: float = 5e-4
    """Peak of the learning rate. LoRA wants about ten times what full training does."""
    warmup: float = 0.1
    """Share of the steps that the learning rate rises for."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on every linear layer but the last, merged in the end; or all weights."""
    rank: int = 16
    """Of LoRA's matrices."""
    alpha: float = 32.0
    """What LoRA adds is multiplied by alpha / rank."""
    max_length: int = 512
    """Tokens of a prompt and its answer."""
    packing: bool = False
    """Fill bins with several samples each, whole ones; they do not see each other."""
    system: str = ""
    """What a system message says; where empty, the template's own, if it has one."""
    style: Literal["instruction", "name"] = "instruction"
    """Whether a task is asked by its instruction or by its bare `name`, such as "summarize"."""
    mixture: Mapping[str, float] = field(default_factory=dict)
    """Weight of each value of `mixture_field`: its share of what the steps see, however many samples have it."""
    mixture_field: str = "origin"
    """A text field; `made_by` is the component that made a sample."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """What matrices are multiplied in; "auto" is bfloat16 where the processor has it in hardware. Sums are float32."""
    processes: int = 1
    """More share every step among them, on this machine."""
    save_every: int = 100
    """Steps from one checkpoint to the next; 0 for none. They are removed in the end."""
    instruction: str = "instruction"
    input: str = "input"
    output: str = "output"
    name: str = "name"
    history: str = "history"
    """What was said before, where a sample has it."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS, _WORDS)
        if self.batch % self.processes:
            raise ValueError(
                f"SFT.batch must be a multiple of the {self.processes} processes, was {self.batch}: each takes as much."
            )
        for value, weight in self.mixture.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"SFT.mixture must hold weights above 0, was {weight:g} for {value!r}.")

    def base(self, lab: Lab) -> str:
        """The reference of the model it starts from: what a proof compares the tuned one with."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether it has an answer to learn, and an instruction where that is what asks for it."""
        asked = [self.instruction] if self.style == "instruction" else []
        return all(str(sample.fields.get(name, "")).strip() for name in (*asked, self.output))

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Looks, before anything is generated, whether the start can be trained as is asked.

        Raises:
            ModelError: What trains is not installed, there is no such model, or it has no chat template.
            RecipeError: The rank or the length is more than the model has.
        """
        check_start("SFT", self.model, self.max_length, self.rank if self.method == "lora" else 0)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.components.trainers.sft.loop import tune
        from assay.components.trainers.sft.processes import launch
        from assay.components.trainers.training_run import CHECKPOINTS, note, settle

        check_given("SFT", samples)
        self.check((), lab)
        learned, rows, left = self._rows(samples)
        job = self._job(learned, rows, lab)
        settle(lab.workspace(), job.digest)
        tuned = (tune if self.processes == 1 else launch)(job, lab.progress or untold)
        folder = lab.workspace() / "model"
        note(lab.workspace(), tuned.history)
        shutil.rmtree(lab.workspace() / CHECKPOINTS)
        facts = {"steps": len(tuned.history), "samples": len(samples), **_facts(job, tuned), **left}
        return Artifact(str(folder), "text-model", digest_of(folder), facts)

    def _job(self, learned: Sequence[Sample], rows: Sequence[Row], lab: Lab) -> Job:
        from assay.components.trainers.sft.loop import Job

        order = stream(parts_of(learned, self.mixture_field, self.mixture), lab.seed)
        if self.packing:
            bins = packed(order, [len(row.ids) for row in rows], self.steps, self.batch, self.max_length)
        else:
            bins = unpacked(order, self.steps * self.batch)
        return Job(
            model=self.model,
            folder=str(lab.workspace().absolute()),
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            warmup=self.warmup,
            rank=self.rank if self.method == "lora" else 0,
            alpha=self.alpha,
            half=halves(self.precision),
            seed=lab.seed,
            save_every=self.save_every,
            processes=self.processes,
            rows=tuple(row.ids for row in rows),
            starts=tuple(row.start for row in rows),
            bins=tuple(bins),
        )

    def _rows(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Row], dict[str, int]]:
        """What can be learned from, as tokens, and how many were cut or left out."""
        from assay.components.trainers.sft.model import tokenizer_of

        start = locate(self.model)
        tokenizer = tokenizer_of(start)
        learned, rows, left = [], [], {"cut": 0, "too long": 0, "blank": 0}
        for sample in samples:
            if not (answer := sample.text(self.output).strip()):
                left["blank"] += 1
                continue
            ids, begins = answered(tokenizer, self._asked(sample), answer, self.model)
            if begins >= self.max_length:
                left["too long"] += 1
                continue
            left["cut"] += len(ids) > self.max_length
            learned.append(sample)
            rows.append(Row(tuple(ids[: self.max_length]), begins))
        if not rows:
            raise RecipeError(
                f"None of {len(samples)} samples can be learned from: {left['too long']} have a prompt that fills "
                f"{self.max_length} tokens, {left['blank']} a blank answer.",
                hint="Raise SFT.max_length." if left["too long"] else "",
            )
        return learned, rows, left

    def _asked(self, sample: Sample) -> tuple[Message, ...]:
        """As somebody asks who sets the task."""
        asks = self.instruction if self.style == "instruction" else self.name
        if not sample.text(asks).strip():
            raise FieldError(f"Sample {sample.id} has a blank {asks!r}, by which SFT.style {self.style!r} asks.")
        return conversation(sample, instruction=asks, input=self.input, history=self.history, system=self.system)


def _facts(job: Job, tuned: Tuned) -> dict[str, float]:
    from assay.components.trainers.training_run import last_loss

    seen = [place for one in job.bins for place in one]
    return {
        "seen": len(seen),
        "last loss": last_loss(tuned.history),
        "tokens": sum(len(job.rows[place]) for place in seen),
        "answer tokens": sum(len(job.rows[place]) - job.starts[place] for place in seen),
        "trained parameters": tuned.trained,
    }


_BOUNDS = (BATCH, WARMUP, ("processes", 1, 10**4))
_WORDS = (METHOD, ("style", ("instruction", "name")))
