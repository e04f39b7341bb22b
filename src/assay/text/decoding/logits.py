"""From a model's logits to what tokens are drawn from: the arithmetic of decoding, in float64.

Written for reading, not for speed: backends are tested against it. Order and ties are those of `generate` in
transformers 5.23 (`generation/logits_process.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.decoding import Decoding

Logits: TypeAlias = npt.NDArray[np.floating[Any]]
"""Unnormalized natural logarithms of probabilities, the vocabulary last."""
Floats: TypeAlias = npt.NDArray[np.float64]


def log_softmax(logits: Logits) -> Floats:
    """Natural logarithms of the probabilities, over the last axis; any shape.

    -inf stays -inf; at least one logit of a row must be finite.
    """
    exact = np.asarray(logits, dtype=np.float64)
    # Less the largest, or exp would overflow.
    shifted = exact - exact.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def penalized(logits: Logits, ids: Sequence[int], penalty: float) -> Floats:
    """`logits` with the repetition penalty: tokens among `ids` are divided by it if above 0, else multiplied.

    Shapes: (vocabulary,) in and out. `ids`: prompt and answer so far; a token there twice is penalized once, and ids
    beyond the vocabulary are passed over. Above 1 repeats become rarer, below 1 likelier.

    Source: Keskar et al. 2019, section 4.1, equation 2, in the form of transformers: the paper divides negative logits
    too, which would favor them.
    """
    exact = np.array(logits, dtype=np.float64)
    seen = np.unique(np.asarray([token for token in ids if token < exact.size], dtype=np.int64))
    exact[seen] = np.where(exact[seen] < 0, exact[seen] * penalty, exact[seen] / penalty)
    return exact


def cut(logits: Logits, decoding: Decoding) -> Floats:
    """`logits` divided by the temperature, -inf where top-k, then top-p, then min-p leave a token out.

    Shapes: (vocabulary,) in and out. Each cut sees what the one before left, renormalized. The most probable token
    always stays. Ties: all that equal the kth stay with top-k and all that equal the bound with min-p, so more than k
    may stay; with top-p, of tokens that are equally probable, those with lower ids go first, as torch does on CPU.

    Source: Fan et al. 2018, section 5.1 (top-k); Holtzman et al. 2020, section 3.1 (top-p); Nguyen et al. 2024, section
    3 (min-p). Where a sum of probabilities meets `top_p` but for rounding, float32 backends may keep one token more or
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


def _top_k(logits: Floats, k: int) -> Floats:
    kth = np.sort(logits)[-min(k, logits.size)]
    return np.where(logits < kth, -np.inf, logits)


def _top_p(logits: Floats, p: float) -> Floats:
    order = np.argsort(logits, kind="stable")
    # From the improbable end: a token goes while it and all below it hold no more than the share to leave out.
    gone = np.cumsum(np.exp(log_softmax(logits[order]))) <= 1 - p
    gone[-1] = False
    left = logits.copy()
    left[order[gone]] = -np.inf
    return left


def distribution(logits: Logits, decoding: Decoding) -> Floats:
    """Probabilities that the next token is drawn with, after temperature and cuts: (vocabulary,), sum 1, 0 where cut.

    The repetition penalty is not in it, as that needs the ids: see `penalized`.
    """
    probable = np.exp(log_softmax(cut(logits, decoding)))
    return np.asarray(probable / probable.sum())
