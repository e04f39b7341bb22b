"""Logistic regression with soft labels, weights and an L1 penalty, for a handful of numbers, to the last digits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]
STEPS = 200
SWEEPS = 10_000
TOLERANCE = 1e-12
"""Of the coefficients, beside the largest of them or 1."""
NO_MINIMUM = "The regression has no minimum: its moments are of no labels between 0 and 1."


def l1_logistic(x: npt.ArrayLike, weights: npt.ArrayLike, moments: npt.ArrayLike, penalty: float) -> Floats:
    """The coefficients b (p,) of least sum_i w_i log(1 + exp(x_i b)) - moments b + penalty sum_j |b_j|.

    x is (n, p) without an intercept, weights (n,). Labels y_i between 0 and 1 enter the likelihood through
    moments = sum_i w_i y_i x_i alone, so that is what is asked for: it need not be known who labeled what. The
    penalty is 1 / C of liblinear and scikit-learn, beside a sum and not a mean.

    Proximal Newton: a quadratic model of the smooth part, solved by coordinate descent, and a line search. AlpacaEval
    uses scikit-learn's liblinear with a tolerance of 1e-4 and so differs slightly. scikit-learn needs a label for each
    row; of AlpacaEval's two reference baselines only the moments are known.

    Raises:
        ValueError: Shapes do not fit, a weight is below zero, the penalty is not above zero, or there is no minimum:
            the moments are of no labels between 0 and 1.

    Source: Lee, Sun and Saunders 2014, "Proximal Newton-type methods", algorithm 1; Friedman, Hastie and Tibshirani
    2010 for the coordinate steps.
    """
    rows, w, m = (np.asarray(values, dtype=np.float64) for values in (x, weights, moments))
    if rows.ndim != 2 or w.shape != rows.shape[:1] or m.shape != rows.shape[1:]:
        raise ValueError(f"Needed: x (n, p), weights (n,) and moments (p,), had {rows.shape}, {w.shape}, {m.shape}.")
    if not penalty > 0 or not (w >= 0).all():
        raise ValueError("The penalty must be above zero and no weight below it.")

    def loss(b: Floats) -> float:
        return float(w @ np.logaddexp(0, rows @ b) - m @ b + penalty * np.abs(b).sum())

    b = np.zeros(len(m))
    for _ in range(STEPS):
        share = expit(rows @ b)
        gradient = rows.T @ (w * share) - m
        curvature = rows.T @ (rows * (w * share * (1 - share))[:, None])
        step = _proximal_step(b, gradient, curvature, penalty)
        expected = float(gradient @ step + penalty * (np.abs(b + step) - np.abs(b)).sum())
        now, size = loss(b), 1.0
        while loss(b + size * step) > now + size * expected / 4 + 1e-14 * abs(now) and size > 1e-10:
            size /= 2
        b = b + size * step
        if np.abs(size * step).max(initial=0.0) <= TOLERANCE * max(1.0, float(np.abs(b).max(initial=0.0))):
            return b
    raise ValueError(NO_MINIMUM)


def _proximal_step(b: Floats, gradient: Floats, curvature: Floats, penalty: float) -> Floats:
    """The step of least gradient step + step curvature step / 2 + penalty |b + step|, a coordinate at a time."""
    step = np.zeros_like(b)
    slope = gradient.copy()  # of the quadratic model, at the step so far
    for _ in range(SWEEPS):
        largest = 0.0
        for j in range(len(b)):
            bend = curvature[j, j]
            if bend <= 0:  # a column of zeros, or every outcome is certain
                if abs(gradient[j]) > penalty * (1 + 1e-9):
                    raise ValueError(NO_MINIMUM)
                continue
            aim = b[j] + step[j] - slope[j] / bend
            moved = np.sign(aim) * max(abs(aim) - penalty / bend, 0.0) - b[j] - step[j]
            step[j] += moved
            slope += curvature[:, j] * moved
            largest = max(largest, abs(moved))
        if largest <= TOLERANCE / 10:
            break
    return step
