"""What a finished training held is given back before the next stage begins."""

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
from assay.pipeline.memory import give_back
from assay.pipeline.stages.shards import TrainArm, TrainShard
from labs import TinyModels


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python's own collector would find a ring in the end; here it does not."""
    gc.disable()
    yield
    gc.enable()


class Ring:
    """As a Trainer of transformers and its callbacks: each holds the other."""

    def __init__(self) -> None:
        self.held = self


seen: list[weakref.ref[Ring]] = []


@dataclass(frozen=True)
class LeavesRing:
    """A trainer that fails where it is told to."""

    fails: bool

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        seen.append(weakref.ref(Ring()))
        if self.fails:
            raise ValueError("no")
        assert lab.folder is not None
        return Artifact(str(lab.folder / "model"), "text-model", "", {})

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None: ...

    def usable(self, sample: Sample) -> bool:
        return True


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fails", [False, True])
def test_rings_that_a_training_leaves_are_gone_when_it_ends(fails: bool, tmp_path: Path) -> None:
    work = TrainArm(LeavesRing(fails), TinyModels(), ())
    try:
        work(TrainShard(tmp_path, (), 0))
    except ValueError:
        assert fails
    assert seen.pop()() is None


@dataclass(frozen=True)
class Looks:
    """A trainer that looks which models are open."""

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        told.append(opened[-1]() is None)
        return Artifact(str(lab.workspace() / "model"), "text-model", "", {})

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None: ...

    def usable(self, sample: Sample) -> bool:
        return True


opened: list[weakref.ref[object]] = []
told: list[bool] = []


@pytest.mark.parametrize("held", [False, True])
def test_the_models_that_made_the_data_are_closed_before_a_training(held: bool, tmp_path: Path) -> None:
    """But for one that somebody still holds."""
    models = OpenModels(Device(device="cpu"))
    writer = models.text_model(f"transformers:{checkpoints.chat(tmp_path / 'writer')}")
    opened.append(weakref.ref(writer))
    kept = [writer] if held else []
    del writer
    gc.collect()
    assert opened[-1]() is not None
    TrainArm(Looks(), models, ())(TrainShard(tmp_path, (), 0))
    assert told.pop() is not held
    assert len(kept) == held


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_goes_back_to_the_system() -> None:
    # Too large for Python's own pools, too small for pages of their own; the last one keeps the heap from shrinking.
    blocks = [bytes([nth % 251]) * 2000 for nth in range(100_000)]
    last = blocks[-1]
    held = resident()
    del blocks
    give_back()
    assert held - resident() > 150e6
    assert last
