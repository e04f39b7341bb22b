"""The recipe fashion on several processes: the same bytes as in one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.pipeline.recipe.codec import load
from run_parts import datasets, run


@pytest.mark.fast
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=["two workers", "ray"])
def test_a_small_fashion_run_has_the_same_bytes(
    engine: Any, finished: Path, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    run(load("fashion", quick=True, changes=tuple(small[2::2])), tmp_path / "run", engine)
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    assert datasets(tmp_path / "run") == datasets(finished)
