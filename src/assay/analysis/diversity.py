"""Diversity of the kept texts, compared with random subsets of equal size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import FinishedRun
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome
from assay.pipeline.stages.arms import hash_seed
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.parts import samples_of
from assay.stats.distributions.clusters import clusters, effective_clusters, vendi
from assay.text.similarity.diversity import Pairs, TokenizedTexts, coverage, tokenize_texts, top_verbs

Ints = npt.NDArray[np.int64]
GENERATED, KEPT, RANDOM, REAL = "generated", "kept", "random subsets", "real"
MEASURES = {
    "verbs": "verbs",
    "pairs": "verb-object pairs",
    "words": "words",
    "distinct_2": "distinct-2",
    "clusters": "clusters",
    "vendi": "Vendi score",
}
"""Names of the measures in sentences."""
FIELDS = ("instruction", "text")
"""Text field that is measured: the first that every sample has. Verbs are counted in instructions only."""
DRAWS = 40
"""Random subsets: a kept set is outside their range by chance about once in twenty times."""
LEAST = 10
"""Smallest kept set whose diversity is measured."""
GROUPS = 100
"""Maximum number of clusters; at most a tenth of the texts."""


@dataclass(frozen=True)
class TextSet:
    """Diversity of one set of texts."""

    name: str
    n: int
    measures: Mapping[str, float]
    """Value by the names in `MEASURES`, without measures that the texts do not have."""
    with_verb: int | None = None
    """Texts with a recognized verb; None if verbs are not counted."""


@dataclass(frozen=True)
class Diversity:
    """Diversity of the generated, the kept and the real texts, and of random subsets as large as the kept set."""

    text_field: str
    sets: tuple[TextSet, ...]
    draws: int = 0
    """Random subsets: their mean is one of `sets`, their range is `spread`. 0 if every sample was kept."""
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value over all random subsets, by measure."""
    column: str = ""
    """Embedding column of clusters and Vendi score; empty without one."""
    clusters: int = 0
    """Clusters of all texts."""
    verbs: Pairs = ()
    """Most frequent verbs of the kept instructions, with their most frequent objects."""

    def set(self, name: str) -> TextSet | None:
        """Return the set of that name."""
        return next((texts for texts in self.sets if texts.name == name), None)


@dataclass(frozen=True)
class _Texts:
    """All texts as numbers: the generated ones, then the real ones."""

    reading: TokenizedTexts
    verbs: bool
    vectors: npt.NDArray[np.float32]
    """(m, d) embeddings."""
    place: Ints
    """(n,) row of each text in `vectors`, or -1."""
    groups: Ints
    """(m,) cluster of each embedding."""

    def measured(self, rows: Ints) -> dict[str, float]:
        """Compute every measure of some of the texts."""
        found = coverage(self.reading, rows)
        measures = {"words": float(found.words), "distinct_2": found.distinct_2}
        if self.verbs:
            measures = {"verbs": float(found.verbs), "pairs": float(found.pairs), **measures}
        own = self.place[rows]
        own = own[own >= 0]
        if len(own):
            measures |= {"clusters": effective_clusters(self.groups[own]), "vendi": vendi(self.vectors[own])}
        return measures

    def set(self, name: str, rows: Ints) -> TextSet:
        """Name and measure some of the texts."""
        return TextSet(name, len(rows), self.measured(rows), self._with_verb(rows))

    def _with_verb(self, rows: Ints) -> int | None:
        return coverage(self.reading, rows).with_verb if self.verbs else None


def diversity(run: FinishedRun) -> Diversity | None:
    """Measure the diversity of generated, kept, random and real texts; None without texts or with too few of them."""
    field = next((name for name in FIELDS if run.samples and _all_have(run.samples, name)), None)
    kept = np.flatnonzero([row.keep for row in run.decisions]).astype(np.int64)
    if field is None or len(kept) < LEAST:
        return None
    real = _real(run, field)
    column = _column(run, field)
    texts = _texts(run, field, real, column)
    every = np.arange(len(run.samples), dtype=np.int64)
    sets = [texts.set(GENERATED, every), texts.set(KEPT, kept)]
    rng = np.random.default_rng(hash_seed(run.recipe.seed, "variety") % 2**32)
    drawn = [texts.measured(_pick(every, len(kept), rng)) for _ in range(DRAWS if len(kept) < len(every) else 0)]
    if drawn:
        means = {name: float(np.mean([one[name] for one in drawn if name in one])) for name in drawn[0]}
        sets.append(TextSet(RANDOM, len(kept), means))
    if len(real) >= LEAST:
        theirs = np.arange(len(every), len(every) + len(real), dtype=np.int64)
        sets.append(texts.set(REAL, _pick(theirs, min(len(kept), len(real)), rng)))
    return Diversity(
        text_field=field,
        sets=tuple(sets),
        draws=len(drawn),
        spread=_spread(drawn),
        column=column,
        clusters=int(texts.groups.max()) + 1 if len(texts.groups) else 0,
        verbs=top_verbs(texts.reading, kept) if texts.verbs else (),
    )


def _all_have(samples: Sequence[Sample], field: str) -> bool:
    return all(isinstance(sample.fields.get(field), str) for sample in samples)


def _real(run: FinishedRun, field: str) -> list[Sample]:
    """Real training samples, if they have the same field."""
    found = samples_of(run.done["real"].folder) if "real" in run.done else []
    return found if found and _all_have(found, field) else []


def _column(run: FinishedRun, field: str) -> str:
    """Name of the embedding column of that field."""
    for name, scorer in run.recipe.score.items():
        if getattr(scorer, "text", "") == field and any(isinstance(one, Fingerprint) for one in run.columns[name]):
            return name
    return ""


def _texts(run: FinishedRun, field: str, real: Sequence[Sample], column: str) -> _Texts:
    reading = tokenize_texts(
        [one.text(field) for one in (*run.samples, *real)],
        verbs=field == "instruction" and find_spec("textblob") is not None,
    )
    outcomes: list[Outcome | None] = list(run.columns[column]) if column else [None] * len(run.samples)
    outcomes += _of_real(run, real, column)
    place = np.full(len(outcomes), -1, dtype=np.int64)
    known = [nth for nth, one in enumerate(outcomes) if isinstance(one, Fingerprint)]
    place[known] = np.arange(len(known))
    vectors = np.asarray([one.vector for one in outcomes if isinstance(one, Fingerprint)], dtype=np.float32)
    seed = hash_seed(run.recipe.seed, "clusters") % 2**32
    found = clusters(vectors, min(GROUPS, max(2, len(known) // 10)), seed)
    return _Texts(reading, field == "instruction", vectors, place, found.of)


def _of_real(run: FinishedRun, real: Sequence[Sample], column: str) -> list[Outcome | None]:
    """Embeddings of the real samples, available if the proof uses the same column."""
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
