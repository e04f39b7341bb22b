"""What holds for all tests: how properties are checked, and that one file's tests leave no memory to the next's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no reason to fail.
settings.register_profile("assay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("assay")

MUCH = 2e9
"""Bytes in memory above which it is worth the time to look for what nobody holds."""


@pytest.fixture(autouse=True, scope="module")
def _memory() -> Iterator[None]:
    """Two processes of tests, and the runs that they start, share the memory of a small machine."""
    yield
    held = Path("/proc/self/statm")
    if held.is_file() and int(held.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") > MUCH:
        from assay.models.open_models import release_generators
        from assay.pipeline.memory import give_back

        release_generators()
        give_back()
