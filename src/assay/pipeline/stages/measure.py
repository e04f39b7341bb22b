"""What else is measured of the answers that trained models gave: by scorers, and by a judge of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.lab import Lab, Models
from assay.core.recipe import Proof
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.core.scoring import score_isolated
from assay.pipeline.stages.shards import Tally, check_outcomes, failed, part, readable, samples_of
from assay.store.images import StoredImages
from assay.store.rows import ResultRow, read_results, write_results

NO_ANSWER = Unscored("not_applicable", "There is no answer to measure.")


@dataclass(frozen=True)
class MeasureShard:
    """The answers of one trained model, and of the one it is set against where a judge compares them."""

    target: Path
    results: Path
    """Rows of the proof, whose outcomes hold the answers."""
    against: Path | None = None


@dataclass(frozen=True)
class MeasureArm:
    """Scores one model's answers, or only those whose scoring failed last time."""

    component: Scorer
    models: Models
    seed: int
    holdout: Path

    def __call__(self, shard: MeasureShard, /) -> Tally:
        rows = read_results(shard.results)
        theirs = read_results(shard.against) if shard.against is not None else None
        items = samples_of(self.holdout)
        asked = [
            _sample(item, row, theirs[nth] if theirs is not None else None)
            for nth, (item, row) in enumerate(zip(items, rows, strict=True))
        ]
        done = self._done(shard.target)
        todo = [one for one in asked if one is not None and one.parents[0] not in done]
        outcomes = score_isolated(self.component, todo, Lab(self.seed, self.models, StoredImages([self.holdout])))
        check_outcomes(type(self.component).__name__, self.component.scale.holds, todo, outcomes)
        found = {**done} | {one.parents[0]: outcome for one, outcome in zip(todo, outcomes, strict=True)}
        told = [
            ResultRow(row.arm, row.seed, row.id, NO_ANSWER if one is None else found[row.id])
            for row, one in zip(rows, asked, strict=True)
        ]
        write_results(shard.target, told)
        return Tally(len(told), sum(failed(row.outcome) for row in told), len(todo))

    def _done(self, target: Path) -> Mapping[str, Outcome]:
        old = readable(target, read_results) or []
        return {row.id: row.outcome for row in old if not failed(row.outcome)}


def shards(proof: Proof, folder: Path, proved: Path, *, duel: bool) -> list[MeasureShard]:
    """One a trained model; in a duel none for the opponent, and each against the training of the same number."""
    cells = list(proof.cells)
    found = []
    for nth, (arm, times) in enumerate(cells):
        if duel and arm == proof.opponent:
            continue
        theirs = [number for name, number in cells if name == proof.opponent]
        against = cells.index((proof.opponent, times if times in theirs else theirs[-1]))
        found.append(MeasureShard(folder / part(nth), proved / part(nth), proved / part(against) if duel else None))
    return found


def to_do(shards: Sequence[MeasureShard]) -> list[MeasureShard]:
    """Those that are not there yet, or hold what failed."""
    found = []
    for shard in shards:
        old = readable(shard.target, read_results)
        if old is None or any(failed(row.outcome) for row in old):
            found.append(shard)
    return found


def answer_of(row: ResultRow) -> str | None:
    """What a model answered to a held-out sample; None where it did not."""
    return row.outcome.answer if isinstance(row.outcome, Score) else None


def _sample(item: Sample, ours: ResultRow, theirs: ResultRow | None) -> Sample | None:
    """As a scorer is shown it: without a name of any model."""
    answer = answer_of(ours)
    if answer is None:
        return None
    if theirs is None:
        return Sample({**item.fields, "text": answer}, parents=(item.id,), made_by=ours.arm, nth=ours.seed)
    other = answer_of(theirs)
    if other is None:
        return None
    pair = {"output_a": answer, "output_b": other}
    return Sample({**item.fields, **pair}, parents=(item.id,), made_by=ours.arm, nth=ours.seed)
