"""Trainings that are killed, and what must be so when they are gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample

KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from labs import {lab} as made
{imports}
lab = made(Path({folder!r}))
lab = replace(lab, progress=lambda step, steps: os.kill(os.getpid(), signal.SIGKILL) if step == 5 else None)
{trainer}.train({samples}, lab)
"""


def killed_at_the_fifth_step(folder: Path, trainer: str, samples: str, imports: str, lab: str = "tiny_lab") -> None:
    """Trains in a process of its own, of which the code of the trainer and its samples is given; kill -9 ends it."""
    folder.mkdir()
    tests = str(Path(__file__).parents[2])
    code = KILLED.format(tests=tests, lab=lab, imports=imports, folder=str(folder), trainer=trainer, samples=samples)
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr


def only_checkpoint(folder: Path) -> str:
    (checkpoint,) = (folder / "checkpoints").glob("checkpoint-*")
    return checkpoint.name


def ends_as_if_it_had_not_been_killed(
    trainer: Any, samples: Sequence[Sample], lab: Lab, whole: Artifact, first: int
) -> None:
    """Goes on with step `first` in `lab`, and leaves what the training `whole`, which nobody killed, left."""
    told: list[int] = []
    resumed = trainer.train(samples, replace(lab, progress=lambda step, _: told.append(step)))
    assert told == list(range(first, trainer.steps + 1))
    assert (resumed.digest, resumed.facts) == (whole.digest, whole.facts)
    left, expected = (
        {path.name: path.read_bytes() for path in Path(one.path).parent.glob("*.json")} for one in (resumed, whole)
    )
    assert "history.json" in left
    assert left == expected
    assert not (lab.workspace() / "checkpoints").exists()
