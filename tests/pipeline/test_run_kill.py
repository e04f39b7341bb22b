"""`assay run fashion --quick`, killed by SIGKILL at random times: resumed runs end with the same bytes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import command_line as commands
from run_parts import datasets, stamps

KILLS = 6


def count_files(folder: Path) -> int:
    """Number of files that a run has finished."""
    return sum(1 for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp"))


def run_and_kill(command: list[str], folder: Path, at: int, delay: float) -> bool:
    """Run until `at` files are finished, wait `delay` seconds, kill; return whether the process was still running."""
    with subprocess.Popen(
        command, env=commands.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 300
        while count_files(folder) < at and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        alive = process.poll() is None
        process.kill()
    return alive


def finished_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Files that a resumed run must not write again: those of a completed stage, and parts, the units of resuming.

    A training is one unit, and so are OOD scores, whose stage measures times; leaks.json is one file of one stage.
    """
    complete = {path.parent.name for path in folder.rglob("receipt.json")}
    whole_stages = ("train-", "ood_scores-")
    return {
        name: stamp
        for name, stamp in stamps(folder).items()
        if not name.endswith(".tmp")
        and (
            name.split("/")[0] in complete or (Path(name).match("part-*.parquet") and not name.startswith(whole_stages))
        )
    }


@pytest.mark.full
def test_a_run_killed_at_random_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    models = commands.small_models(tmp_path / "models")
    photos = commands.photographs(tmp_path / "photos", per_label=1)
    words = ["run", "fashion", *commands.small(models, photos, per_label=20)]
    uninterrupted = commands.assay([*words, "--out", tmp_path / "whole"])
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    expected, n_files = datasets(tmp_path / "whole"), count_files(tmp_path / "whole")

    folder = tmp_path / "run"
    command = [sys.executable, "-m", "assay.cli.main", *words, "--out", str(folder)]
    rng = random.Random(7)
    kill_points = sorted(rng.sample(range(4, n_files - 4), KILLS))
    kills, finished = 0, dict[str, tuple[int, int]]()
    for at in kill_points:
        kills += run_and_kill(command, folder, at, rng.uniform(0, 0.2))
        for name, digest in datasets(folder).items():
            if name.endswith(".parquet"):
                assert digest == expected[name]
        assert finished.items() <= stamps(folder).items()
        finished |= finished_files(folder)
    resumed = commands.assay([*words, "--out", folder])
    assert resumed.returncode == 0, resumed.stderr
    assert finished.items() <= stamps(folder).items()
    assert kills >= KILLS - 1
    assert datasets(folder) == expected
    assert not list(folder.rglob("*.tmp"))
