"""Leakage between training sets and held-out samples, and distribution distances of sets of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.analysis.finished_run import FinishedRun
from assay.core.effect import Effect
from assay.core.lab import hash_seed
from assay.core.score import Fingerprint
from assay.pipeline.stages.context import outcomes_of
from assay.pipeline.stages.leakage import Leaks, read_leaks
from assay.stats.distributions.distances import cmmd, density_coverage, duplicate_rate, kid, nearest_rows

Floats = npt.NDArray[np.float64]
REAL = "real training samples"
MIN_SAMPLES = 10
"""Size of the smallest set whose distances are computed."""


@dataclass(frozen=True)
class DistributionDistance:
    """Distances of one set of samples from the held-out real set, by embeddings. The verdict does not use them."""

    name: str
    """generated, kept, or real training samples as the baseline."""
    n: int
    kid: Effect
    cmmd: float | None
    density: float
    coverage: float
    expected_density: float
    expected_coverage: float
    duplicates: float
    """Fraction of samples with a near duplicate in the same set."""
    nearest_real: float | None
    """Median distance to the nearest real training sample; None for the real training samples."""


def leakage(run: FinishedRun) -> tuple[Leaks, ...]:
    """Read how many held-out samples each training set contains."""
    return tuple(read_leaks(run.stages["leakage"].folder)) if "leakage" in run.stages else ()


def distribution_distance(run: FinishedRun) -> tuple[DistributionDistance, ...]:
    """Measure how far generated, kept and real training samples are from the held-out real samples."""
    proof = run.recipe.prove
    if proof is None or not proof.fingerprint or "embed-holdout" not in run.stages:
        return ()
    kept_ids = {row.id for row in run.decisions if row.keep}
    embeddings = [
        (sample.id, outcome.vector)
        for sample, outcome in zip(run.samples, run.columns[proof.fingerprint], strict=True)
        if isinstance(outcome, Fingerprint)
    ]
    sets = {
        "generated": _rows([vector for _, vector in embeddings]),
        "kept": _rows([vector for sample_id, vector in embeddings if sample_id in kept_ids]),
    }
    if "embed-real" in run.stages:
        sets[REAL] = _vectors(run, "embed-real")
    held_out, real = _vectors(run, "embed-holdout"), sets.get(REAL)
    if len(held_out) < MIN_SAMPLES:
        return ()
    seed = hash_seed(run.recipe.seed, "sets") % 2**32
    return tuple(
        _distance(name, rows, held_out, real if name != REAL else None, proof.similarity, seed)
        for name, rows in sets.items()
        if len(rows) >= MIN_SAMPLES
    )


def _distance(
    name: str, rows: Floats, held_out: Floats, real: Floats | None, similarity: float, seed: int
) -> DistributionDistance:
    estimates = density_coverage(held_out, rows)
    return DistributionDistance(
        name=name,
        n=len(rows),
        kid=kid(rows, held_out, subset=min(500, len(rows), len(held_out)), draws=30, seed=seed),
        cmmd=cmmd(rows, held_out),
        density=estimates.density,
        coverage=estimates.coverage,
        expected_density=estimates.expected_density,
        expected_coverage=estimates.expected_coverage,
        duplicates=duplicate_rate(rows, similarity),
        nearest_real=None if real is None or len(real) < 1 else float(np.median(nearest_rows(rows, real)[1])),
    )


def _vectors(run: FinishedRun, stage: str) -> Floats:
    outcomes = (outcome for _, outcome in outcomes_of(run.stages[stage].folder))
    return _rows([outcome.vector for outcome in outcomes if isinstance(outcome, Fingerprint)])


def _rows(vectors: list[tuple[float, ...]]) -> Floats:
    return np.asarray(vectors, dtype=np.float64).reshape(len(vectors), -1)
