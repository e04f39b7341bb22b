"""Several comparisons at once: p-values that hold for the whole family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given.

    Reject those at most alpha, and the chance of even one false rejection is at most alpha, however the comparisons
    hang together.

    Raises:
        ValueError: A p-value lies outside [0, 1].

    Source: Holm 1979, section 3; the adjusted form is statsmodels' `multipletests(method="holm")`.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"P-values lie between 0 and 1, were {list(p_values)}.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(map(float, adjusted))
