"""Plumbing of a training run: configuration, checkpoints, quiet libraries, random state, memory errors, history."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assay.core.curves import CURVES_FILE, Curves
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.models.references import locate

CHECKPOINTS = "checkpoints"
JOB = "job.sha256"
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""What the libraries' messages contain when memory runs out."""
LIBRARIES = ("transformers", "trl", "peft", "accelerate", "datasets", "torch.distributed")
Progress = Callable[[int, int], None]
"""Called as `progress(step, steps)`."""
History = list[tuple[int, float, float]]
"""Step, loss and learning rate of each optimizer step."""


@dataclass(frozen=True)
class TrainingConfig:
    """What every training of a language model needs: start, optimizer steps, LoRA, precision, seed, checkpoints."""

    model: str
    """Reference of the start."""
    folder: str
    """Output folder."""
    steps: int
    learning_rate: float
    rank: int
    """Rank of LoRA; 0 for full fine-tuning."""
    alpha: float
    bf16: bool
    """Whether matrices are multiplied in bfloat16."""
    seed: int
    save_every: int
    warmup_ratio: float = 0.0

    @property
    def torch_seed(self) -> int:
        """Seed for torch and transformers, which take 32 bits."""
        return self.seed % 2**32

    def digest(self, job: object = None) -> str:
        """Digest of this configuration without the folder, of `job`, and of the files of the start.

        A run resumes only from checkpoints of the same digest, so `job` must hold everything else that determines the
        weights, except versions and machine.
        """
        return hashlib.sha256(repr((replace(self, folder=""), job, locate(self.model).stamp)).encode()).hexdigest()


def training_config(trainer: Any, lab: Lab, *, rank: int, warmup_ratio: float = 0.0) -> TrainingConfig:
    """Configuration of a trainer that has the fields `model`, `steps`, `learning_rate`, `alpha`, `precision`, ..."""
    return TrainingConfig(
        model=trainer.model,
        folder=str(lab.workspace().absolute()),
        steps=trainer.steps,
        learning_rate=trainer.learning_rate,
        rank=rank,
        alpha=trainer.alpha,
        bf16=uses_bfloat16(trainer.precision),
        seed=lab.seed,
        save_every=trainer.save_every,
        warmup_ratio=warmup_ratio,
    )


def uses_bfloat16(precision: str) -> bool:
    """Whether matrices are multiplied in bfloat16; "auto" is so where the hardware supports it."""
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def ignore_progress(step: int, steps: int) -> None:
    """Discard a progress report."""


def prepare_checkpoints(folder: Path, digest: str) -> None:
    """Keep the checkpoints in `folder` of the training with this digest; remove those of any other training."""
    note = folder / CHECKPOINTS / JOB
    if not note.is_file() or note.read_text(encoding="utf-8") != digest:
        shutil.rmtree(note.parent, ignore_errors=True)
        note.parent.mkdir(parents=True)
        note.write_text(digest, encoding="utf-8")


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a finished training."""
    shutil.rmtree(folder / CHECKPOINTS)


def last_complete_checkpoint(folder: Path) -> str | None:
    """Path of the last checkpoint of a transformers Trainer that was written completely.

    The trainer's state is written last.
    """
    files = (folder / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")
    states = {int(file.parent.name.partition("-")[2]): file for file in files}
    for step in sorted(states, reverse=True):
        try:
            if json.loads(states[step].read_text(encoding="utf-8"))["global_step"] == step:
                return str(states[step].parent)
        except (ValueError, KeyError):
            continue
    return None


def step_logs(trainer: Any, steps: int) -> list[dict[str, float]]:
    """What a transformers Trainer logged at each of its `steps` steps."""
    rows = [row for row in trainer.state.log_history if "loss" in row]
    assert [int(row["step"]) for row in rows] == list(range(1, steps + 1)), "a row for every step"
    return rows


def history_of(logs: Sequence[Mapping[str, float]]) -> History:
    """Step, loss and learning rate of each step."""
    return [(int(row["step"]), float(row["loss"]), float(row["learning_rate"])) for row in logs]


def final_loss(history: Sequence[tuple[int, float, float]]) -> float:
    """Mean loss of the last 20 steps, or of all if there are fewer."""
    last = [loss for _, loss, _ in history[-20:]]
    return sum(last) / len(last)


def write_history(folder: Path, history: Sequence[tuple[int, float, float]], curves: Curves | None = None) -> None:
    """Write `history.json`, and `curves.json` if there are curves."""
    (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
    if curves is not None:
        (folder / CURVES_FILE).write_bytes(msgspec.json.encode(curves))


@contextmanager
def training_run(model: str, memory_hint: str) -> Iterator[None]:
    """Quiet libraries, preserved random state, and a readable error when memory runs out while `model` is trained.

    Raises:
        RecipeError: Memory ran out.
    """
    with quiet_libraries(), preserved_random_state():
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(part in str(error).lower() for part in OUT_OF_MEMORY):
                raise
            raise RecipeError(f"Out of memory while training {model!r}.", hint=memory_hint, model=model) from error


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Suppress progress bars, warnings and logs of the training libraries: assay reports progress itself."""
    from transformers.utils import logging as bars

    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [logger.level for logger in loggers]
    enabled = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if enabled:
            bars.enable_progress_bar()


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the random state of Python, NumPy and torch afterwards: the transformers Trainer seeds all three."""
    import torch

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
