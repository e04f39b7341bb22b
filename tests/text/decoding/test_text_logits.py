"""Cuts and penalties against the processors of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from assay.core.decoding import Decoding
from assay.text.decoding.logits import FloatArray, apply_repetition_penalty, distribution, log_softmax, truncate

LOGITS = arrays(np.float64, st.integers(2, 40), elements=st.floats(-30, 30, width=32))
# Few values, so that ties are common.
TIED = arrays(np.float64, st.integers(2, 12), elements=st.sampled_from([-2.0, 0.0, 0.5, 3.0]))
CUTS = st.builds(
    Decoding,
    strategy=st.just("sample"),
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, 45),
    top_p=st.floats(0.05, 1),
    min_p=st.floats(0, 0.9),
)


def truncate_by_transformers(logits: FloatArray, decoding: Decoding, dtype: torch.dtype) -> FloatArray:
    """With the processors that `_get_logits_processor` would gather, in its order."""
    processors = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    if decoding.top_k:
        processors.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        processors.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p:
        processors.append(MinPLogitsWarper(decoding.min_p))
    return np.asarray(processors(torch.zeros((1, 1), dtype=torch.long), torch.tensor(logits, dtype=dtype)[None])[0])


def on_a_border(logits: FloatArray, decoding: Decoding, near: float) -> bool:
    """Whether rounding could decide what is cut: sums in another order differ in their last digits."""
    tempered = logits / decoding.temperature
    after_k = truncate(logits, Decoding("sample", temperature=decoding.temperature, top_k=decoding.top_k))
    sums = np.cumsum(np.sort(np.exp(log_softmax(after_k))))
    after_p = np.exp(log_softmax(truncate(logits, Decoding("sample", **_without_min_p(decoding)))))
    distinct = np.diff(np.unique(tempered))
    return bool(
        (np.abs(sums - (1 - decoding.top_p)) < near).any()
        or (np.abs(after_p - decoding.min_p * after_p.max()) < near * after_p.max())[after_p > 0].any()
        or (distinct < near).any()
    )


def _without_min_p(decoding: Decoding) -> dict[str, Any]:
    return {"temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p}


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@given(logits=st.one_of(LOGITS, TIED), decoding=CUTS)
def test_cut_is_transformers(logits: FloatArray, decoding: Decoding, dtype: torch.dtype, near: float) -> None:
    assume(not on_a_border(logits, decoding, near))
    # Sorted: which of equally probable tokens top-p leaves out is not defined by torch's sort.
    ours, theirs = np.sort(truncate(logits, decoding)), np.sort(truncate_by_transformers(logits, decoding, dtype))
    assert np.array_equal(np.isfinite(ours), np.isfinite(theirs))
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("logits", "decoding", "remaining"),
    [
        ([0, 0, 0, 0], Decoding("sample", top_p=0.5), [2, 3]),
        ([0, 0, 0, 0], Decoding("sample", top_p=0.51), [1, 2, 3]),
        ([1, 2, 1, 0], Decoding("sample", top_k=2), [0, 1, 2]),
        ([0, 0, 0, 0], Decoding("sample", min_p=0.9), [0, 1, 2, 3]),
        ([0, 5, 0, 0], Decoding("sample", top_p=1e-6), [1]),
        ([9, 5, 0, 0], Decoding("sample", top_k=1, top_p=0.01, min_p=0.99), [0]),
        ([2, 1, 0, 0], Decoding("sample", top_k=9), [0, 1, 2, 3]),
    ],
)
def test_ties_and_borders_that_are_exact(logits: list[float], decoding: Decoding, remaining: list[int]) -> None:
    assert np.flatnonzero(np.isfinite(truncate(np.array(logits), decoding))).tolist() == remaining
    theirs = truncate_by_transformers(np.array(logits, dtype=float), decoding, torch.float32)
    assert np.flatnonzero(np.isfinite(theirs)).tolist() == remaining


@given(st.one_of(LOGITS, TIED), CUTS)
def test_a_cut_keeps_the_best_and_their_odds(logits: FloatArray, decoding: Decoding) -> None:
    chances, mask = distribution(logits, decoding), np.isfinite(truncate(logits, decoding))
    assert logits[mask].max() == logits.max()
    assert (chances[~mask] == 0).all()
    weights = np.exp((logits[mask] - logits.max()) / decoding.temperature)
    assert chances[mask] == pytest.approx(weights / weights.sum(), abs=1e-12)


@given(LOGITS, st.lists(st.integers(0, 45), max_size=8), st.floats(0.2, 5))
@settings(deadline=None)
def test_penalty_is_transformers(logits: FloatArray, ids: list[int], penalty: float) -> None:
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(
        torch.tensor([ids], dtype=torch.long), torch.tensor(logits)[None].clone()
    )[0]
    assert np.array_equal(apply_repetition_penalty(logits, ids, penalty), np.asarray(theirs))


@given(st.one_of(LOGITS, TIED))
@settings(deadline=None)
def test_log_softmax_is_torchs(logits: FloatArray) -> None:
    assert log_softmax(logits * 100) == pytest.approx(np.asarray(torch.tensor(logits * 100).log_softmax(-1)), abs=1e-9)
