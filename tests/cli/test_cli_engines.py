"""assay run fashion on several processes: the same bytes as in one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from command_line import called
from run_parts import datasets


@pytest.mark.fast
@pytest.mark.parametrize("options", [("--workers", "2"), ("--engine", "ray")], ids=" ".join)
def test_a_tiny_fashion_has_the_same_bytes(
    options: tuple[str, str], finished: Path, small: list[str], tmp_path: Path
) -> None:
    done = called(["run", "fashion", *small, *options, "--out", tmp_path / "run"], PYTHONPATH=os.pathsep.join(sys.path))
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    assert done.returncode == 0, done.stderr
    assert datasets(tmp_path / "run") == datasets(finished)
