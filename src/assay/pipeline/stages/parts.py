"""Part files of a stage, and the checks and counts that all stages share.

Workers write parts to the run folder; only `ShardCounts` travel through the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from assay.core.errors import ContractError, StoreError
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.store.atomic import disk_errors
from assay.store.shards import read_shard
from assay.store.tables import is_readable

Row = TypeVar("Row")


@dataclass(frozen=True)
class ShardCounts:
    """Number of rows of a shard, of failed rows, and of rows that this run made."""

    rows: int
    failed: int
    fresh: int


def part_name(nth: int) -> str:
    """File name of the nth part."""
    return f"part-{nth:05d}.parquet"


def parts(folder: Path) -> list[Path]:
    """Part files in the folder of a stage, in order."""
    return sorted(folder.glob("part-*.parquet"))


def samples_of(folder: Path) -> list[Sample]:
    """Samples in the folder of a stage, in order, without failures."""
    return [row for path in parts(folder) for row in read_shard(path) if isinstance(row, Sample)]


def check_outcomes(
    name: str, holds: Callable[[float], bool], samples: Sequence[Sample], outcomes: Sequence[Outcome]
) -> None:
    """Check the outcomes of a scorer or an evaluator.

    Raises:
        ContractError: The number of outcomes is not that of the samples, or a score is outside the component's scale.
    """
    if len(outcomes) != len(samples):
        raise ContractError(f"{name} returned {len(outcomes)} outcomes for {len(samples)} samples.")
    for sample, outcome in zip(samples, outcomes, strict=True):
        if isinstance(outcome, Score) and not holds(outcome.value):
            raise ContractError(f"{name}: the score {outcome.value} of sample {sample.id} is outside its scale.")


def read_part(path: Path, reader: Callable[[Path], list[Row]]) -> list[Row] | None:
    """Rows of a part; None if it does not exist or is damaged. A damaged part is deleted: assay wrote it.

    Raises:
        StoreError: The part is damaged and cannot be deleted.
    """
    if is_readable(path):
        try:
            return reader(path)
        except StoreError:
            pass  # the footer is intact, the pages are not
    with disk_errors(path):
        path.unlink(missing_ok=True)
    return None


def is_failed(outcome: Outcome) -> bool:
    """Whether scoring failed and is retried; other causes of `Unscored` are final."""
    return isinstance(outcome, Unscored) and outcome.cause == "failed"
