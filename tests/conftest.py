"""Rules for all tests: the two tiers, the profiles of property tests, the time limit of fast tests, freed memory.

The fast tier (`make test`, `-m "not full"`) touches every feature on small random models. The full tier
(`make test-full`, `-m full`) has what takes long: real embedded models, processes, Ray, Chromium. `tiers.py` marks the
tests that use these; `@pytest.mark.full` marks a test that is slow for another reason, and `@pytest.mark.fast`
keeps one in the fast tier.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tiers

# A machine that is busy with something else is no reason to fail.
settings.register_profile("fast", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("fast"), max_examples=100)

FAST_SECONDS = 5.0
"""Most processor seconds of a test in the fast tier."""
LOOP_SECONDS = 0.05
"""Processor seconds of `_loop` on the machine whose seconds these are."""
NEW_MODULES = 200
"""Imported modules after which the heap is frozen again."""
IMPORT_SECONDS = 0.005
"""Allowance for each module that a test is the first to import."""
MUCH = 2e9
"""Bytes in memory above which it is worth the time to look for what nobody holds."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--hypothesis-profile", None) is None:
        settings.load_profile("full" if config.option.markexpr == "full" else "fast")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if tiers.is_for_second_pass(item):
            item.add_marker(pytest.mark.second_pass)
        if tiers.is_full(item) and item.get_closest_marker("full") is None:
            item.add_marker(pytest.mark.full)


_frozen = 0
"""Modules that were imported when the heap was frozen."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Leave imported modules out of garbage collections, of which every training ends with one."""
    global _frozen
    if len(sys.modules) > _frozen + NEW_MODULES:
        gc.freeze()
        _frozen = len(sys.modules)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a fast test that is too slow. Processor time counts, and on a slower machine more of it is allowed.

    The first test of a process that uses a library also pays for its import, for which there is an allowance.
    """
    processor, wall, modules = time.process_time(), time.perf_counter(), len(sys.modules)
    yield
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    allowed = FAST_SECONDS + IMPORT_SECONDS * (len(sys.modules) - modules)
    if item.config.option.markexpr != "not full" or processor <= allowed:
        return
    if processor > allowed * max(1.0, _loop() / LOOP_SECONDS):
        pytest.fail(
            f"{item.nodeid} took {processor:.1f} s of processor time ({wall:.1f} s on the clock). A test of the "
            f"fast tier may take {FAST_SECONDS:.0f} s: make it smaller, or mark it with pytest.mark.full.",
            pytrace=False,
        )


def _loop() -> float:
    """Processor seconds of a fixed piece of work, now."""
    start = time.process_time()
    sum(number * number for number in range(1_000_000))
    return time.process_time() - start


@pytest.fixture(autouse=True, scope="module")
def _memory() -> Iterator[None]:
    """Two processes of tests, and the runs that they start, share the memory of a small machine."""
    yield
    held = Path("/proc/self/statm")
    if held.is_file() and int(held.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") > MUCH:
        from assay.models.open_models import release_generators
        from assay.pipeline.memory import release_memory

        release_generators()
        release_memory()
