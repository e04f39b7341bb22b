"""Diversity of the kept texts, compared with random subsets of equal size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import FinishedRun
from assay.core.lab import hash_seed
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.parts import samples_of
from assay.stats.distributions.clusters import clusters, effective_clusters, vendi
from assay.text.similarity.diversity import TokenizedTexts, VerbCounts, coverage, tokenize_texts, top_verbs

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
"""Number of random subsets: a random kept set is outside their range by chance about once in twenty times."""
MIN_TEXTS = 10
"""Size of the smallest set whose diversity is measured."""
MAX_CLUSTERS = 100
"""Also at most a tenth of the texts."""


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
    verbs: VerbCounts = ()
    """Most frequent verbs of the kept instructions, with their most frequent objects."""

    def set(self, name: str) -> TextSet | None:
        """Return the set of that name."""
        return next((texts for texts in self.sets if texts.name == name), None)


@dataclass(frozen=True)
class _Corpus:
    """All texts as arrays: the generated ones, then the real ones."""

    tokenized: TokenizedTexts
    has_verbs: bool
    vectors: npt.NDArray[np.float32]
    """(m, d) embeddings."""
    vector_row: Ints
    """(n,) row of each text in `vectors`, or -1."""
    cluster: Ints
    """(m,) cluster of each embedding."""

    def measures(self, rows: Ints) -> dict[str, float]:
        """Compute every measure of some of the texts."""
        counts = coverage(self.tokenized, rows)
        measures = {"words": float(counts.words), "distinct_2": counts.distinct_2}
        if self.has_verbs:
            measures = {"verbs": float(counts.verbs), "pairs": float(counts.pairs), **measures}
        embedded = self.vector_row[rows]
        embedded = embedded[embedded >= 0]
        if len(embedded):
            measures |= {
                "clusters": effective_clusters(self.cluster[embedded]),
                "vendi": vendi(self.vectors[embedded]),
            }
        return measures

    def set(self, name: str, rows: Ints) -> TextSet:
        """Name and measure some of the texts."""
        return TextSet(name, len(rows), self.measures(rows), self._with_verb(rows))

    def _with_verb(self, rows: Ints) -> int | None:
        return coverage(self.tokenized, rows).with_verb if self.has_verbs else None


def diversity(run: FinishedRun) -> Diversity | None:
    """Measure the diversity of generated, kept, random and real texts; None without texts or with too few of them."""
    field = next((name for name in FIELDS if run.samples and _all_have(run.samples, name)), None)
    kept = np.flatnonzero([row.keep for row in run.decisions]).astype(np.int64)
    if field is None or len(kept) < MIN_TEXTS:
        return None
    real = _real(run, field)
    column = _column(run, field)
    corpus = _corpus(run, field, real, column)
    generated = np.arange(len(run.samples), dtype=np.int64)
    sets = [corpus.set(GENERATED, generated), corpus.set(KEPT, kept)]
    rng = np.random.default_rng(hash_seed(run.recipe.seed, "variety") % 2**32)
    draws = DRAWS if len(kept) < len(generated) else 0
    subsets = [corpus.measures(_random_subset(generated, len(kept), rng)) for _ in range(draws)]
    if subsets:
        means = {name: float(np.mean([subset[name] for subset in subsets if name in subset])) for name in subsets[0]}
        sets.append(TextSet(RANDOM, len(kept), means))
    if len(real) >= MIN_TEXTS:
        rows = np.arange(len(generated), len(generated) + len(real), dtype=np.int64)
        sets.append(corpus.set(REAL, _random_subset(rows, min(len(kept), len(real)), rng)))
    return Diversity(
        text_field=field,
        sets=tuple(sets),
        draws=draws,
        spread=_spread(subsets),
        column=column,
        clusters=int(corpus.cluster.max()) + 1 if len(corpus.cluster) else 0,
        verbs=top_verbs(corpus.tokenized, kept) if corpus.has_verbs else (),
    )


def _all_have(samples: Sequence[Sample], field: str) -> bool:
    return all(isinstance(sample.fields.get(field), str) for sample in samples)


def _real(run: FinishedRun, field: str) -> list[Sample]:
    """Read the real training samples, if they have the same field."""
    samples = samples_of(run.stages["real"].folder) if "real" in run.stages else []
    return samples if samples and _all_have(samples, field) else []


def _column(run: FinishedRun, field: str) -> str:
    """Return the name of the embedding column of that field."""
    for name, scorer in run.recipe.score.items():
        if getattr(scorer, "text", "") == field and any(
            isinstance(outcome, Fingerprint) for outcome in run.columns[name]
        ):
            return name
    return ""


def _corpus(run: FinishedRun, field: str, real: Sequence[Sample], column: str) -> _Corpus:
    tokenized = tokenize_texts(
        [sample.text(field) for sample in (*run.samples, *real)],
        verbs=field == "instruction" and find_spec("textblob") is not None,
    )
    outcomes: list[Outcome | None] = list(run.columns[column]) if column else [None] * len(run.samples)
    outcomes += _real_embeddings(run, real, column)
    embeddings = {nth: outcome for nth, outcome in enumerate(outcomes) if isinstance(outcome, Fingerprint)}
    vector_row = np.full(len(outcomes), -1, dtype=np.int64)
    vector_row[list(embeddings)] = np.arange(len(embeddings))
    vectors = np.asarray([embedding.vector for embedding in embeddings.values()], dtype=np.float32)
    seed = hash_seed(run.recipe.seed, "clusters") % 2**32
    clustering = clusters(vectors, min(MAX_CLUSTERS, max(2, len(embeddings) // 10)), seed)
    return _Corpus(tokenized, field == "instruction", vectors, vector_row, clustering.of)


def _real_embeddings(run: FinishedRun, real: Sequence[Sample], column: str) -> list[Outcome | None]:
    """Return the embeddings of the real samples, available if the proof uses the same column."""
    proof = run.recipe.prove
    if not column or proof is None or proof.fingerprint != column or "embed-real" not in run.stages:
        return [None] * len(real)
    outcomes: Mapping[str, Outcome] = dict(outcomes_of(run.stages["embed-real"].folder))
    return [outcomes.get(sample.id) for sample in real]


def _random_subset(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.choice(rows, count, replace=False))


def _spread(subsets: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    names = subsets[0] if subsets else ()
    by_measure = {name: [subset[name] for subset in subsets if name in subset] for name in names}
    return {name: (min(values), max(values)) for name, values in by_measure.items()}
