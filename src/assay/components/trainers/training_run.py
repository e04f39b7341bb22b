"""What every training by a library shares: checkpoints it goes on from, silence, kept randomness, told memory."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assay.core.curves import FILE, Curves
from assay.core.errors import RecipeError
from assay.models.references import locate

CHECKPOINTS = "checkpoints"
JOB = "job.sha256"
SHORT = ("out of memory", "can't allocate memory", "not enough memory")
"""What the libraries say where memory is short."""
LIBRARIES = ("transformers", "trl", "peft", "accelerate", "datasets", "torch.distributed")
Tell = Callable[[int, int], None]
"""Called as `tell(step, steps)`."""


def made_for(model: str, job: object) -> str:
    """Digest of a training from `model`: of what `repr` says of `job`, and of the start's files.

    A checkpoint is gone on from by what it was made for alone, so a job has all that the weights hang on but versions
    and machine, and not the folder.
    """
    return hashlib.sha256(repr((job, locate(model).stamp)).encode()).hexdigest()


def settle(folder: Path, digest: str) -> None:
    """Keeps the checkpoints in `folder` that were made for the training of this digest, and clears away any other."""
    note = folder / CHECKPOINTS / JOB
    if not note.is_file() or note.read_text(encoding="utf-8") != digest:
        shutil.rmtree(note.parent, ignore_errors=True)
        note.parent.mkdir(parents=True)
        note.write_text(digest, encoding="utf-8")


def last_whole(folder: Path) -> str | None:
    """The last checkpoint of a Trainer that was written to its end, which is the trainer's state."""
    found = (folder / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")
    steps = {int(one.parent.name.partition("-")[2]): one for one in found}
    for step in sorted(steps, reverse=True):
        try:
            if json.loads(steps[step].read_text(encoding="utf-8"))["global_step"] == step:
                return str(steps[step].parent)
        except (ValueError, KeyError):
            continue
    return None


def log_of(trainer: Any, steps: int) -> list[dict[str, float]]:
    """What a Trainer that has taken all its steps noted of each, in their order."""
    rows = [row for row in trainer.state.log_history if "loss" in row]
    assert [int(row["step"]) for row in rows] == list(range(1, steps + 1)), "a row for every step"
    return rows


def history_of(log: Sequence[Mapping[str, float]]) -> list[tuple[int, float, float]]:
    """Step, loss, rate."""
    return [(int(row["step"]), float(row["loss"]), float(row["learning_rate"])) for row in log]


def last_loss(history: Sequence[tuple[int, float, float]]) -> float:
    """Mean of the last 20 steps, or of all where they are fewer."""
    last = [loss for _, loss, _ in history[-20:]]
    return sum(last) / len(last)


def note(folder: Path, history: Sequence[tuple[int, float, float]], curves: Curves | None = None) -> None:
    """Writes `history.json`, and `curves.json` where there are curves."""
    (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
    if curves is not None:
        (folder / FILE).write_bytes(msgspec.json.encode(curves))


@contextmanager
def short_memory_told(model: str, hint: str) -> Iterator[None]:
    """Says in our words that memory ran out while `model` was trained.

    Raises:
        RecipeError: It did.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(word in str(error).lower() for word in SHORT):
            raise
        raise RecipeError(f"Memory ran out while {model!r} was trained.", hint=hint) from error


@contextmanager
def hushed() -> Iterator[None]:
    """No bars, no advice, no table of losses: assay draws its own progress."""
    from transformers.utils import logging as bars

    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [one.level for one in loggers]
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        if shown:
            bars.enable_progress_bar()


@contextmanager
def randomness_kept() -> Iterator[None]:
    """The Trainer seeds Python's, numpy's and torch's generators; afterwards they are as before."""
    import torch

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
