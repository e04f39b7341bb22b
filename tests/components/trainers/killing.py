"""Checks of trainings that are killed and resume."""

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

SCRIPT = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from labs import {lab} as make_lab
{imports}
lab = make_lab(Path({folder!r}))
lab = replace(lab, progress=lambda step, steps: os.kill(os.getpid(), signal.SIGKILL) if step == 5 else None)
{trainer}.train({samples}, lab)
"""


def kill_at_step_5(folder: Path, trainer: str, samples: str, imports: str, lab: str = "tiny_lab") -> None:
    """Train in another process, which kills itself with SIGKILL; `trainer` and `samples` are Python expressions."""
    folder.mkdir()
    tests = str(Path(__file__).parents[2])
    code = SCRIPT.format(tests=tests, lab=lab, imports=imports, folder=str(folder), trainer=trainer, samples=samples)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr


def only_checkpoint(folder: Path) -> str:
    (checkpoint,) = (folder / "checkpoints").glob("checkpoint-*")
    return checkpoint.name


def check_resumed_equals_whole(trainer: Any, samples: Sequence[Sample], lab: Lab, whole: Artifact, first: int) -> None:
    """Resume at step `first` in `lab`; all outputs must equal those of the uninterrupted training `whole`."""
    steps: list[int] = []
    resumed = trainer.train(samples, replace(lab, progress=lambda step, _: steps.append(step)))
    assert steps == list(range(first, trainer.steps + 1))
    assert (resumed.digest, resumed.facts) == (whole.digest, whole.facts)
    files, expected = (
        {path.name: path.read_bytes() for path in Path(artifact.path).parent.glob("*.json")}
        for artifact in (resumed, whole)
    )
    assert "history.json" in files
    assert files == expected
    assert not (lab.workspace() / "checkpoints").exists()
