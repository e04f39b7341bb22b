"""Supervised fine-tuning: a language model learns to answer tasks as the samples do."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import ClassVar, Literal

from assay.core.asking import Message
from assay.core.errors import FieldError, ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.chat import answered
from assay.models.references import locate
from assay.text.instructions import task_prompt
from assay.trainers.labelled import digest_of
from assay.trainers.sft_rows import Row, packed, parts_of, stream, unpacked

PACKAGES = ("trl", "peft", "datasets")


@dataclass(frozen=True)
class SFT:
    """Tunes a language model on tasks by exactly `steps` steps and keeps the last weights; none are picked on data.

    A task is asked as `assay ask` asks it, through the checkpoint's own chat template, and the loss is the mean over
    the tokens of the answer and of what the template ends it with: the prompt teaches nothing (Taori et al. 2023,
    "Alpaca", whose schedule this is too: up in a line, then half a cosine down; AdamW, no weight decay, no dropout). A
    special token that a text writes out is left out of it.

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
    """Whether a task is asked by its instruction or by its bare `name`, such as "summarise"."""
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

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"SFT.{name} must be between {low:g} and {high:g}, was {value:g}.")
        for name, known in _WORDS:
            if getattr(self, name) not in known:
                raise ValueError(f"SFT.{name} must be one of {', '.join(known)}, was {getattr(self, name)!r}.")
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
        from assay.trainers.sft_model import config_of, narrowest, tokenizer_of

        missing = [package for package in PACKAGES if find_spec(package) is None]
        if missing:
            raise ModelError(f"SFT needs {' and '.join(missing)}.", hint="pip install 'assay[tune]'")
        start = locate(self.model)
        config = config_of(start)
        tokenizer_of(start)
        context = getattr(config, "max_position_embeddings", None)
        if context is not None and self.max_length > context:
            raise RecipeError(
                f"SFT.max_length must be at most {context}, which {self.model!r} reads, was {self.max_length}."
            )
        if self.method == "lora":
            most, name = narrowest(config)
            if self.rank > most:
                raise RecipeError(
                    f"SFT.rank must be at most {most} for {self.model!r}, the smaller side of {name}, was {self.rank}."
                )

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.trainers.sft_loop import CHECKPOINTS, Job, settle, tune
        from assay.trainers.sft_processes import launch

        if not samples:
            raise RecipeError("SFT was given no samples.", hint="Did a filter drop them all?")
        self.check((), lab)
        learnt, rows, left = self._rows(samples)
        order = stream(parts_of(learnt, self.mixture_field, self.mixture), lab.seed)
        lengths = [len(row.ids) for row in rows]
        if self.packing:
            bins = packed(order, lengths, self.steps, self.batch, self.max_length)
        else:
            bins = unpacked(order, self.steps * self.batch)
        job = Job(
            model=self.model,
            folder=str(lab.workspace().absolute()),
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            warmup=self.warmup,
            rank=self.rank if self.method == "lora" else 0,
            alpha=self.alpha,
            half=self._half(),
            seed=lab.seed,
            save_every=self.save_every,
            processes=self.processes,
            rows=tuple(row.ids for row in rows),
            starts=tuple(row.start for row in rows),
            bins=tuple(bins),
        )
        settle(job)
        tuned = (tune if self.processes == 1 else launch)(job, lab.progress or _untold)
        folder = lab.workspace() / "model"
        (lab.workspace() / "history.json").write_text(json.dumps(tuned.history), encoding="utf-8")
        shutil.rmtree(lab.workspace() / CHECKPOINTS)
        seen = [place for one in bins for place in one]
        last = [loss for _, loss, _ in tuned.history[-20:]]
        facts = {
            "steps": len(tuned.history),
            "samples": len(samples),
            "seen": len(seen),
            "last loss": sum(last) / len(last),
            "tokens": sum(lengths[place] for place in seen),
            "answer tokens": sum(lengths[place] - rows[place].start for place in seen),
            "trained parameters": tuned.trained,
            **left,
        }
        return Artifact(str(folder), "text-model", digest_of(folder), facts)

    def _rows(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Row], dict[str, int]]:
        """What can be learnt from, as tokens, and how many were cut or left out."""
        from assay.trainers.sft_model import tokenizer_of

        start = locate(self.model)
        tokenizer = tokenizer_of(start)
        learnt, rows, left = [], [], {"cut": 0, "too long": 0, "blank": 0}
        for sample in samples:
            if not (answer := sample.text(self.output).strip()):
                left["blank"] += 1
                continue
            ids, begins = answered(tokenizer, self._asked(sample), answer, self.model)
            if begins >= self.max_length:
                left["too long"] += 1
                continue
            left["cut"] += len(ids) > self.max_length
            learnt.append(sample)
            rows.append(Row(tuple(ids[: self.max_length]), begins))
        if not rows:
            raise RecipeError(
                f"None of {len(samples)} samples can be learnt from: {left['too long']} have a prompt that fills "
                f"{self.max_length} tokens, {left['blank']} a blank answer.",
                hint="Raise SFT.max_length." if left["too long"] else "",
            )
        return learnt, rows, left

    def _asked(self, sample: Sample) -> tuple[Message, ...]:
        """As somebody asks who sets the task."""
        said = sample.text(self.instruction if self.style == "instruction" else self.name).strip()
        if not said:
            raise FieldError(
                f"Sample {sample.id} has a blank {self.name if self.style == 'name' else self.instruction!r}, "
                f"by which SFT.style {self.style!r} asks."
            )
        given = sample.text(self.input) if self.input in sample.fields else ""
        turns = (Message("user", task_prompt(said, given)),)
        return (Message("system", self.system), *turns) if self.system else turns

    def _half(self) -> bool:
        import torch

        if self.precision != "auto":
            return self.precision == "bfloat16"
        if torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported())
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _untold(step: int, steps: int) -> None:
    """Nobody follows."""


_BOUNDS = (
    ("steps", 1, 10**9),
    ("batch", 1, 10**6),
    ("rate", 1e-12, 1e3),
    ("warmup", 0.0, 1.0),
    ("rank", 1, 10**6),
    ("alpha", 1e-6, 1e6),
    ("max_length", 8, 10**7),
    ("processes", 1, 10**4),
    ("save_every", 0, 10**9),
)
_WORDS = (
    ("method", ("lora", "full")),
    ("style", ("instruction", "name")),
    ("precision", ("auto", "bfloat16", "float32")),
)
