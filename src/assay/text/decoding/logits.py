"""Logits processing in float64: repetition penalty, temperature, top-k, top-p, min-p.

Reference implementation for tests of backends. Order and ties are those of `generate` in transformers 5.23
(`generation/logits_process.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.decoding import Decoding

Logits: TypeAlias = npt.NDArray[np.floating[Any]]
"""Logits; the last axis is the vocabulary."""
FloatArray: TypeAlias = npt.NDArray[np.float64]


def log_softmax(logits: Logits) -> FloatArray:
    """Log-probabilities over the last axis; any shape.

    -inf stays -inf; each row needs at least one finite logit.
    """
    exact = np.asarray(logits, dtype=np.float64)
    # Subtract the maximum, so that exp does not overflow.
    shifted = exact - exact.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def apply_repetition_penalty(logits: Logits, ids: Sequence[int], penalty: float) -> FloatArray:
    """Logits with the repetition penalty: positive logits of tokens in `ids` are divided by it, negative multiplied.

    Shapes: (vocabulary,) in and out. `ids`: prompt and answer so far; repeated tokens are penalized once, ids beyond
    the vocabulary are ignored.

    Source: Keskar et al. 2019, section 4.1, equation 2, as in transformers; the paper also divides negative logits,
    which would favor them.
    """
    exact = np.array(logits, dtype=np.float64)
    seen = np.unique(np.asarray([token for token in ids if token < exact.size], dtype=np.int64))
    exact[seen] = np.where(exact[seen] < 0, exact[seen] * penalty, exact[seen] / penalty)
    return exact


def truncate(logits: Logits, decoding: Decoding) -> FloatArray:
    """Logits divided by the temperature, with -inf for tokens that top-k, then top-p, then min-p remove.

    Shapes: (vocabulary,) in and out. Each step renormalizes the result of the previous one. The most probable token is
    always kept. Ties: top-k keeps all tokens equal to the kth and min-p all equal to the bound, so more than k may
    remain; top-p removes lower ids first among equal probabilities, as torch does on CPU.

    Source: Fan et al. 2018, section 5.1 (top-k); Holtzman et al. 2020, section 3.1 (top-p); Nguyen et al. 2024, section
    3 (min-p). If a sum of probabilities equals `top_p` up to rounding, float32 backends may keep one token more or
    less.
    """
    exact = np.asarray(logits, dtype=np.float64) / decoding.temperature
    if decoding.top_k:
        exact = _top_k(exact, decoding.top_k)
    if decoding.top_p < 1:
        exact = _top_p(exact, decoding.top_p)
    if decoding.min_p:
        probable = np.exp(log_softmax(exact))
        exact = np.where(probable < decoding.min_p * probable.max(), -np.inf, exact)
    return exact


def _top_k(logits: FloatArray, k: int) -> FloatArray:
    kth = np.sort(logits)[-min(k, logits.size)]
    return np.where(logits < kth, -np.inf, logits)


def _top_p(logits: FloatArray, p: float) -> FloatArray:
    order = np.argsort(logits, kind="stable")
    # In ascending order, remove tokens while their cumulative probability is at most 1 - p.
    removed = np.cumsum(np.exp(log_softmax(logits[order]))) <= 1 - p
    removed[-1] = False
    result = logits.copy()
    result[order[removed]] = -np.inf
    return result


def distribution(logits: Logits, decoding: Decoding) -> FloatArray:
    """Sampling distribution of the next token after `truncate`: (vocabulary,), sum 1.

    Does not include the repetition penalty, which needs the ids: see `apply_repetition_penalty`.
    """
    probable = np.exp(log_softmax(truncate(logits, decoding)))
    return np.asarray(probable / probable.sum())
