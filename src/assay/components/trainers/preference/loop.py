"""What a training on pairs by TRL is made of, whichever trainer of TRL it is: settings, batches, curves, files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from assay.components.trainers.labels import check_given
from assay.components.trainers.preference.rows import PairRow, Reader, accuracy, pair_rows
from assay.components.trainers.sft.loop import share_of_rate
from assay.components.trainers.sft.model import cast_once, tokenizer_of, trainable
from assay.components.trainers.sft.rows import stream
from assay.components.trainers.starts import halves
from assay.components.trainers.training_run import (
    CHECKPOINTS,
    history_of,
    hushed,
    last_loss,
    last_whole,
    log_of,
    made_for,
    note,
    randomness_kept,
    settle,
    short_memory_told,
)
from assay.core.curves import HELD_OUT, curves_of
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.models.references import locate

HELD_OUT_FILE = "held-out.json"
"""A list of objects with `id`, `prompt`, `before` and `after`: the margin of a held-out pair."""


@dataclass(frozen=True)
class PairJob:
    """All that a training on pairs depends on but versions and machine."""

    trainer: str
    model: str
    """Reference of the start."""
    folder: str
    """Where everything is written."""
    steps: int
    batch: int
    rate: float
    warmup: float
    rank: int
    """Of LoRA; 0 to train all weights."""
    alpha: float
    half: bool
    """Whether matrices are multiplied in bfloat16."""
    seed: int
    save_every: int
    measure_every: int
    loss: Mapping[str, float | str | bool]
    learned: tuple[PairRow, ...]
    held: tuple[PairRow, ...]

    @property
    def digest(self) -> str:
        """Of everything but the folder, and of the start's files: what a checkpoint must have been made for."""
        return made_for(self.model, replace(self, folder=""))

    @property
    def order(self) -> list[int]:
        """Places of the pairs that the steps see, `batch` a step: epoch after epoch, each in an order of its own."""
        return list(islice(stream([(1.0, range(len(self.learned)))], self.seed), self.steps * self.batch))


@dataclass(frozen=True)
class Compared:
    """What came of a training."""

    log: Sequence[Mapping[str, float]]
    """What TRL noted, one mapping a step."""
    trained: int
    """Parameters that were trained."""
    before: tuple[float, ...]
    after: tuple[float, ...]
    """Margins of the held-out pairs."""


def job_of(
    trainer: Any, samples: Sequence[Sample], lab: Lab, loss: Mapping[str, float | str | bool], *, margins: bool = False
) -> tuple[PairJob, Mapping[str, int]]:
    """Of a component that has the fields of a training on pairs; and how many pairs were left out or cut.

    Raises:
        RecipeError: There are no pairs, none can be learned from, or the start cannot be trained as is asked.
        FieldError: As `pair_rows`.
        ModelError: As `pair_rows` and `check_start`.
    """
    owner = type(trainer).__name__
    check_given(owner, samples, "pairs")
    trainer.check((), lab)
    tokenizer = tokenizer_of(locate(trainer.model))
    reader = Reader(owner, trainer.model, tokenizer, trainer.max_length, margins)
    rows = pair_rows(samples, reader, trainer.held_out)
    job = PairJob(
        trainer=owner,
        model=trainer.model,
        folder=str(lab.workspace().absolute()),
        steps=trainer.steps,
        batch=trainer.batch,
        rate=trainer.rate,
        warmup=trainer.warmup,
        rank=trainer.rank if trainer.method == "lora" else 0,
        alpha=trainer.alpha,
        half=halves(trainer.precision),
        seed=lab.seed,
        save_every=trainer.save_every,
        measure_every=trainer.measure_every,
        loss=loss,
        learned=rows.learned,
        held=rows.held,
    )
    return job, rows.left


@contextmanager
def undisturbed(job: PairJob) -> Iterator[None]:
    """Silence, kept randomness and told memory, and the checkpoints of this very training alone.

    Raises:
        RecipeError: Memory ran out, or more than one GPU is seen.
    """
    import torch

    if torch.cuda.device_count() > 1:
        hint = "Set CUDA_VISIBLE_DEVICES to one of them."
        raise RecipeError(f"{job.trainer} trains on one GPU, and sees {torch.cuda.device_count()}.", hint=hint)
    settle(Path(job.folder), job.digest)
    hint = "A smaller batch or max_length needs less; so does method lora."
    with hushed(), randomness_kept(), short_memory_told(job.model, hint):
        yield


def settings(job: PairJob) -> dict[str, Any]:
    """Arguments that RewardConfig and DPOConfig share."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(Path(job.folder) / CHECKPOINTS),
        "max_steps": job.steps,
        "per_device_train_batch_size": job.batch,
        "learning_rate": job.rate,
        "weight_decay": 0.0,
        "bf16": job.half,
        "use_cpu": not gpu,
        "seed": job.seed % 2**32,
        "gradient_checkpointing": False,
        "max_length": None,
        "train_sampling_strategy": "sequential",
        "dataloader_pin_memory": gpu,
        "save_strategy": "steps" if job.save_every else "no",
        "save_steps": job.save_every or job.steps,
        "save_total_limit": 1,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def in_order(job: PairJob, examples: Sequence[Mapping[str, Any]]) -> Any:
    """Of every pair to learn from, in the order in which the steps see them."""
    from datasets import Dataset

    return Dataset.from_list([dict(one) for one in examples]).select(job.order)


def run(trainer: Any, job: PairJob, held: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, float]], int]:
    """Trains, going on from the last checkpoint; what was noted of each step, and how many parameters learned.

    `held` are the held-out pairs as the trainer's collator takes them.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.share = lambda step: share_of_rate(step, job.steps, job.warmup)
    trainer.measure_every = job.measure_every
    trainer.measure = lambda: measured(trainer.margins(held, job.batch))
    if job.half:
        cast_once(trainer.model)
    trainer.train(resume_from_checkpoint=last_whole(Path(job.folder)))
    return log_of(trainer, job.steps), trainable(trainer.model)


def leave(job: PairJob, done: Compared, names: Mapping[str, str]) -> dict[str, float]:
    """Writes `history.json`, `curves.json` and `held-out.json`, clears the checkpoints, and gives the facts.

    `names` has our word for each of TRL's that is watched.
    """
    folder = Path(job.folder)
    history = history_of(done.log)
    note(folder, history, curves_of(_rows(job, done, names)))
    pairs = [
        {"id": row.id, "prompt": row.prompt, "before": before, "after": after}
        for row, before, after in zip(job.held, done.before, done.after, strict=True)
    ]
    (folder / HELD_OUT_FILE).write_text(json.dumps(pairs, indent=1), encoding="utf-8")
    shutil.rmtree(folder / CHECKPOINTS)
    facts = {
        "steps": len(history),
        "seen": job.steps * job.batch,
        "last loss": last_loss(history),
        "trained parameters": done.trained,
        "held-out pairs": len(job.held),
    }
    if job.held:
        facts["held-out accuracy before"] = accuracy(done.before)
        facts["held-out accuracy"] = accuracy(done.after)
    return facts


def measured(margins: Sequence[float]) -> dict[str, float]:
    """What is said of held-out pairs at one time; nothing where there are none."""
    if not margins:
        return {}
    return {f"{HELD_OUT}accuracy": accuracy(margins), f"{HELD_OUT}margin": sum(margins) / len(margins)}


def _rows(job: PairJob, done: Compared, names: Mapping[str, str]) -> list[dict[str, float]]:
    """A row a step, after one of what was so before the first where there are held-out pairs."""
    rows = [{"step": 0.0, **measured(done.before)}] if job.held else []
    lengths = [len(row.chosen) - row.start for row in job.learned]
    order = job.order
    for nth, noted in enumerate(done.log):
        places = order[nth * job.batch : (nth + 1) * job.batch]
        row = {"step": noted["step"], "length": sum(lengths[place] for place in places) / job.batch}
        row |= {ours: noted[theirs] for theirs, ours in names.items() if theirs in noted}
        rows.append({**row, **{name: value for name, value in noted.items() if name.startswith(HELD_OUT)}})
    rows[-1] |= measured(done.after)
    return rows
