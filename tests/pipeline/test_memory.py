"""Memory is released before and after a training."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import checkpoints
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models import Device, OpenModels
from assay.pipeline.memory import release_memory
from assay.pipeline.stages.train import TrainArm, TrainShard
from labs import TinyModels


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Disable automatic garbage collection, which would collect a cycle at some point."""
    gc.disable()
    yield
    gc.enable()


class Cycle:
    """Reference cycle, as of a transformers Trainer and its callbacks."""

    def __init__(self) -> None:
        self.held = self


references: list[weakref.ref[Cycle]] = []


@dataclass(frozen=True)
class LeavesCycle:
    """Trainer that leaves a reference cycle, and may fail."""

    fails: bool

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        references.append(weakref.ref(Cycle()))
        if self.fails:
            raise ValueError("no")
        assert lab.folder is not None
        return Artifact(str(lab.folder / "model"), "text-model", "", {})

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None: ...

    def usable(self, sample: Sample) -> bool:
        return True


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fails", [False, True])
def test_reference_cycles_of_a_training_are_collected(fails: bool, tmp_path: Path) -> None:
    work = TrainArm(LeavesCycle(fails), TinyModels(), ())
    try:
        work(TrainShard(tmp_path, (), 0))
    except ValueError:
        assert fails
    assert references.pop()() is None


@dataclass(frozen=True)
class ChecksOpenModels:
    """Trainer that records whether the generator is closed."""

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        closed.append(opened[-1]() is None)
        return Artifact(str(lab.workspace() / "model"), "text-model", "", {})

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None: ...

    def usable(self, sample: Sample) -> bool:
        return True


opened: list[weakref.ref[object]] = []
closed: list[bool] = []


@pytest.mark.parametrize("held", [False, True])
def test_generators_are_closed_before_a_training(held: bool, tmp_path: Path) -> None:
    """Except one that is still referenced."""
    models = OpenModels(Device(device="cpu"))
    writer = models.text_model(f"transformers:{checkpoints.chat(tmp_path / 'writer')}")
    opened.append(weakref.ref(writer))
    held_models = [writer] if held else []
    del writer
    gc.collect()
    assert opened[-1]() is not None
    TrainArm(ChecksOpenModels(), models, ())(TrainShard(tmp_path, (), 0))
    assert closed.pop() is not held
    assert len(held_models) == held


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_free_memory_is_returned_to_the_system() -> None:
    # Too large for Python's own pools, too small for pages of their own; the last one keeps the heap from shrinking.
    blocks = [bytes([nth % 251]) * 2000 for nth in range(100_000)]
    last = blocks[-1]
    before = resident()
    del blocks
    release_memory()
    assert before - resident() > 150e6
    assert last
