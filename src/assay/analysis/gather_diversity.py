"""From a finished run's folder to how varied what was kept is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.analysis.diversity import BLIND, GENERATED, KEPT, REAL, Variety, VarietyOf
from assay.analysis.finished_run import Finished
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.shards import samples_of
from assay.stats.distributions.clusters import clusters, effective, vendi
from assay.text.similarity.diversity import Reading, coverage, read, top_verbs

Ints = npt.NDArray[np.int64]
FIELDS = ("instruction", "text")
"""What is read, the first that every sample has. Only instructions have verbs that ask for something."""
DRAWS = 40
"""Blind picks: what is kept lies beyond all of them about once in twenty times by chance."""
LEAST = 10
"""Samples below which nothing is said."""
GROUPS = 100
"""Clusters, at most; a tenth of the texts where they are few."""


@dataclass(frozen=True)
class _Texts:
    """Generated and real texts in one row, the generated ones first."""

    reading: Reading
    verbs: bool
    vectors: npt.NDArray[np.float32]
    """(m, d) of those that have a fingerprint."""
    place: Ints
    """(n,) each text's row in `vectors`, or -1."""
    groups: Ints
    """(m,)"""

    def measured(self, rows: Ints) -> dict[str, float]:
        """Every measure of some of the texts."""
        found = coverage(self.reading, rows)
        measures = {"words": float(found.words), "distinct_2": found.distinct_2}
        if self.verbs:
            measures = {"verbs": float(found.verbs), "pairs": float(found.pairs), **measures}
        own = self.place[rows]
        own = own[own >= 0]
        if len(own):
            measures |= {"clusters": effective(self.groups[own]), "vendi": vendi(self.vectors[own])}
        return measures

    def set(self, name: str, rows: Ints) -> VarietyOf:
        """Some of the texts under a name."""
        return VarietyOf(name, len(rows), self.measured(rows), self._with_verb(rows))

    def _with_verb(self, rows: Ints) -> int | None:
        return coverage(self.reading, rows).with_verb if self.verbs else None


def variety(run: Finished) -> Variety | None:
    """What was generated, kept and picked blindly, and real texts; None where samples are no texts, or too few."""
    field = next((name for name in FIELDS if run.samples and _all_have(run.samples, name)), None)
    kept = np.flatnonzero([row.keep for row in run.decisions]).astype(np.int64)
    if field is None or len(kept) < LEAST:
        return None
    real = _real(run, field)
    column = _column(run, field)
    texts = _texts(run, field, real, column)
    every = np.arange(len(run.samples), dtype=np.int64)
    sets = [texts.set(GENERATED, every), texts.set(KEPT, kept)]
    rng = np.random.default_rng(hashed(run.recipe.seed, "variety") % 2**32)
    drawn = [texts.measured(_pick(every, len(kept), rng)) for _ in range(DRAWS if len(kept) < len(every) else 0)]
    if drawn:
        means = {name: float(np.mean([one[name] for one in drawn if name in one])) for name in drawn[0]}
        sets.append(VarietyOf(BLIND, len(kept), means))
    if len(real) >= LEAST:
        theirs = np.arange(len(every), len(every) + len(real), dtype=np.int64)
        sets.append(texts.set(REAL, _pick(theirs, min(len(kept), len(real)), rng)))
    return Variety(
        read_from=field,
        sets=tuple(sets),
        draws=len(drawn),
        spread=_spread(drawn),
        column=column,
        clusters=int(texts.groups.max()) + 1 if len(texts.groups) else 0,
        verbs=top_verbs(texts.reading, kept) if texts.verbs else (),
    )


def _all_have(samples: Sequence[Sample], field: str) -> bool:
    return all(isinstance(sample.fields.get(field), str) for sample in samples)


def _real(run: Finished, field: str) -> list[Sample]:
    """The real samples that models were trained on, where they have the same field."""
    found = samples_of(run.done["real"].folder) if "real" in run.done else []
    return found if found and _all_have(found, field) else []


def _column(run: Finished, field: str) -> str:
    """A column of fingerprints of just that field."""
    for name, scorer in run.recipe.score.items():
        if getattr(scorer, "text", "") == field and any(isinstance(one, Fingerprint) for one in run.columns[name]):
            return name
    return ""


def _texts(run: Finished, field: str, real: Sequence[Sample], column: str) -> _Texts:
    reading = read([one.text(field) for one in (*run.samples, *real)], verbs=field == "instruction")
    outcomes: list[Outcome | None] = list(run.columns[column]) if column else [None] * len(run.samples)
    outcomes += _of_real(run, real, column)
    place = np.full(len(outcomes), -1, dtype=np.int64)
    known = [nth for nth, one in enumerate(outcomes) if isinstance(one, Fingerprint)]
    place[known] = np.arange(len(known))
    vectors = np.asarray([one.vector for one in outcomes if isinstance(one, Fingerprint)], dtype=np.float32)
    seed = hashed(run.recipe.seed, "clusters") % 2**32
    found = clusters(vectors, min(GROUPS, max(2, len(known) // 10)), seed)
    return _Texts(reading, field == "instruction", vectors, place, found.of)


def _of_real(run: Finished, real: Sequence[Sample], column: str) -> list[Outcome | None]:
    """Fingerprints of the real samples, which a proof has where it measures by the same column."""
    proof = run.recipe.prove
    if not column or proof is None or proof.fingerprint != column or "embed-real" not in run.done:
        return [None] * len(real)
    found: Mapping[str, Outcome] = dict(outcomes_of(run.done["embed-real"].folder))
    return [found.get(sample.id) for sample in real]


def _pick(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.choice(rows, count, replace=False))


def _spread(drawn: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    names = drawn[0] if drawn else ()
    values = {name: [one[name] for one in drawn if name in one] for name in names}
    return {name: (min(own), max(own)) for name, own in values.items()}
