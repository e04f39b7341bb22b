"""One tuning by TRL's SFTTrainer, in this process: from rows of tokens to a folder that transformers loads.

On a CPU its parts are put together another way than TRL's defaults, with the same loss: the rows of a step lie in one
line without padding, attention is computed row by row, logits are made where the loss is taken, and what LoRA leaves
alone is halved once. `benchmarks/sft.py` says what that saves.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.components.trainers.sft.model import (
    adapter,
    attend_row_by_row,
    cast_once,
    halve,
    lies_in_a_line,
    loaded,
    save,
    tokenizer_of,
    trainable,
)
from assay.components.trainers.training_run import (
    CHECKPOINTS,
    Tell,
    history_of,
    hushed,
    last_whole,
    log_of,
    made_for,
    randomness_kept,
    short_memory_told,
)
from assay.core.errors import RecipeError
from assay.models.references import Checkpoint, locate


@dataclass(frozen=True)
class Job:
    """All that a tuning depends on but versions and machine; as JSON it goes to other processes."""

    model: str
    """Reference of the start."""
    folder: str
    """Where everything is written."""
    steps: int
    batch: int
    """Bins a step, over all processes."""
    rate: float
    warmup: float
    rank: int
    """Of LoRA; 0 to train all weights."""
    alpha: float
    half: bool
    """Whether matrices are multiplied in bfloat16."""
    seed: int
    save_every: int
    processes: int
    rows: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    """Where the answer of each row begins."""
    bins: tuple[tuple[int, ...], ...]
    """Places of rows; `batch` bins make a step."""

    @property
    def digest(self) -> str:
        """Of everything but the folder, and of the start's files: what a checkpoint must have been made for."""
        return made_for(self.model, replace(self, folder=""))


@dataclass(frozen=True)
class Tuned:
    """What came of it."""

    history: list[tuple[int, float, float]]
    """Step, loss, rate."""
    trained: int
    """Parameters that were trained."""


def share_of_rate(step: int, steps: int, warmup: float) -> float:
    """Of the peak rate in step `step`, which counts from 0: up in a line, then half a cosine down; never nought."""
    warm = round(warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def tune(job: Job, tell: Tell) -> Tuned:
    """Does `job`, going on from its last checkpoint where it was interrupted, and leaves `model/` in its folder.

    Raises:
        RecipeError: The loss is no longer finite, or memory is short.
        ModelError: The model cannot be loaded.
    """
    start = locate(job.model)
    with hushed(), randomness_kept():
        with short_memory_told(job.model, "A smaller batch or max_length needs less; so does method lora."):
            trainer = _trainer(job, start, tell)
            trainer.train(resume_from_checkpoint=last_whole(Path(job.folder)))
        history = history_of(log_of(trainer, job.steps))
        if trainer.is_world_process_zero():
            save(start, trainer.model, Path(job.folder) / "model")
    return Tuned(history, trainable(trainer.model))


def _trainer(job: Job, start: Checkpoint, tell: Tell) -> Any:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback

    from assay.components.trainers.sft.trl_trainer import Collator, Following, Tuner

    gpu = torch.cuda.is_available()
    if gpu and job.processes == 1 and torch.cuda.device_count() > 1:
        hint = "Set SFT.processes to their number, or CUDA_VISIBLE_DEVICES to one of them."
        raise RecipeError(f"One process trains on one GPU, and it sees {torch.cuda.device_count()}.", hint=hint)
    model = loaded(start)
    flat = lies_in_a_line(model)
    if flat and not gpu:
        attend_row_by_row(model)
    if job.rank and job.half:
        halve(model)
    bins = sorted(set(job.bins))
    place = {one: nth for nth, one in enumerate(bins)}
    trainer = Tuner(
        model=model,
        args=_settings(job, gpu=gpu),
        train_dataset=Dataset.from_list([_example(job, one) for one in bins]).select([place[b] for b in job.bins]),
        processing_class=tokenizer_of(start),
        data_collator=Collator(flat),
        callbacks=[Following(tell)],
        peft_config=adapter(job.rank, job.alpha),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.share = lambda step: share_of_rate(step, job.steps, job.warmup)
    trainer.answers_only = flat and not gpu and "logits_to_keep" in inspect.signature(type(model).forward).parameters
    if job.half:
        cast_once(trainer.model)
    return trainer


def _example(job: Job, bin_: tuple[int, ...]) -> dict[str, list[int]]:
    rows = [(job.rows[place], job.starts[place]) for place in bin_]
    return {
        "input_ids": [one for ids, _ in rows for one in ids],
        "labels": [one if nth >= start else -100 for ids, start in rows for nth, one in enumerate(ids)],
        "seq_lengths": [len(ids) for ids, _ in rows],
    }


def _settings(job: Job, *, gpu: bool) -> Any:
    from trl import SFTConfig

    return SFTConfig(
        output_dir=str(Path(job.folder) / CHECKPOINTS),
        max_steps=job.steps,
        per_device_train_batch_size=job.batch // job.processes,
        learning_rate=job.rate,
        weight_decay=0.0,
        bf16=job.half,
        use_cpu=not gpu,
        seed=job.seed % 2**32,
        gradient_checkpointing=False,
        max_length=None,
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        save_strategy="steps" if job.save_every else "no",
        save_steps=job.save_every or job.steps,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
