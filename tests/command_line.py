"""The command line as a user has it: a process of its own, on checkpoints small enough to wait for."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import checkpoints

if TYPE_CHECKING:
    import click

    from assay.core.errors import UserError

LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
TESTS = Path(__file__).parent


def small_models(folder: Path) -> dict[str, Path]:
    """Random checkpoints of the kinds that the recipe `fashion` uses."""
    return {
        "paint": checkpoints.stable_diffusion(folder / "paint"),
        "clip": checkpoints.clip(folder / "clip"),
        "expert": checkpoints.resnet(folder / "expert", LABELS),
    }


def photographs(folder: Path, per_label: int = 3) -> Path:
    """PNG files in folders named after their labels."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for nth in range(per_label):
            pixels = rng.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{nth}.png")
    return folder


def small(models: dict[str, Path], photos: Path, *, per_label: int = 3) -> list[str]:
    """Options that make `fashion --quick` small, with every stage in it; what random models say is let pass."""
    source = f"{{use: ImageFolder, path: {photos}}}"
    changes = [
        f"generate.model={models['paint']}",
        f"score.match.model={models['clip']}",
        f"score.clip.model={models['clip']}",
        f"score.look.model={models['clip']}",
        f"score.reference.model={models['expert']}",
        f"generate.per_label={per_label}",
        "generate.steps=1",
        "keep.0.low=0.0",
        "keep.1.allowed=[agrees, disagrees]",
        "keep.2.similarity=1.0",
        "keep.3.high=1.0",
        "train.steps=2",
        "train.batch_size=2",
        f"prove.holdout={source}",
        f"prove.real={source}",
        f"prove.calibrate={source}",
        f"prove.reference={models['expert']}",
        "prove.ood=[{use: Noise, count: 4}]",
        "prove.ood_scores={use: OodScores, method: vim, k: 3}",
        "prove.arms=[real, filtered]",
        "prove.curve=[1, 2]",
    ]
    return ["--quick", *(word for change in changes for word in ("--set", change))]


def environment(**more: str) -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    fixed = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    return base | fixed | more


def assay(words: Sequence[object], *, seconds: float = 600, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs `assay WORDS` to its end, which must come within so many seconds on a busy machine too."""
    command = [sys.executable, "-m", "assay.cli.main", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(**more), timeout=seconds, check=False, cwd=TESTS
    )


class CommandResult(subprocess.CompletedProcess[str]):
    """Exit code and output of a command, and the exception that ended it."""

    error: BaseException | None = None


def called(words: Sequence[object], *, cwd: Path = TESTS, **more: str) -> CommandResult:
    """Run `assay WORDS` in this process, which saves the seconds that a new one takes to start."""
    from assay.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    error: BaseException | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["assay", *map(str, words)])
        patch.chdir(cwd)
        for name in ("COLUMNS", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        for name, value in more.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as ending:
                code, error = ending.code, ending.__context__
    result = CommandResult(["assay", *map(str, words)], code or 0, out.getvalue(), err.getvalue())
    result.error = error
    return result


def user_error(words: Sequence[object], *, cwd: Path = TESTS, **more: str) -> UserError:
    """Run `assay WORDS` in this process and return its user error: exit code 2, one message, no traceback."""
    from assay.core.errors import UserError

    result = called(words, cwd=cwd, **more)
    assert isinstance(result.error, UserError), result.error or result.stdout
    _check_refusal(result, str(result.error), result.error.code)
    return result.error


def usage_error(words: Sequence[object], **more: str) -> click.UsageError:
    """Run `assay WORDS` in this process and return the error of its arguments: exit code 2, one message."""
    import click

    result = called(words, **more)
    assert isinstance(result.error, click.UsageError), result.error or result.stdout
    _check_refusal(result, result.error.format_message(), "usage")
    return result.error


def _check_refusal(result: CommandResult, message: str, code: str) -> None:
    printed = {"error": message, "code": code, "exit_code": 2} if "--json" in result.args else None
    assert (result.returncode, json.loads(result.stdout or "null")) == (2, printed)
    before, _, after = result.stderr.partition("assay: ")
    assert (after, "Traceback" in before) == (f"{message}\n", False)
