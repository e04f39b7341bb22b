"""Hoffmann et al.'s law of loss over model size and data, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, nnls

from assay.stats.inference.intervals import check_level
from assay.stats.scaling.power_law import EXPONENTS, SLACK, Fitted, Floats

RESAMPLES = 200
LAST = 8
"""How many of the best starts are followed to the end."""


@dataclass(frozen=True)
class Chinchilla:
    """loss(N, D) = floor + a / N ** alpha + b / D ** beta, over parameters N and tokens D."""

    floor: float
    a: float
    alpha: float
    b: float
    beta: float

    def __call__(self, parameters: npt.ArrayLike, tokens: npt.ArrayLike) -> Floats:
        """The loss of a model of so many parameters that saw so many tokens."""
        n, d = np.asarray(parameters, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
        found: Floats = self.floor + self.a * n**-self.alpha + self.b * d**-self.beta
        return found

    def best_split(self, flops: float) -> tuple[float, float]:
        """(parameters, tokens) of least loss for a budget, at 6 operations a parameter and token (their equation 4)."""
        with np.errstate(all="ignore"):
            ratio = np.float64(self.alpha * self.a) / (self.beta * self.b)
            ratio = ratio ** (1 / (self.alpha + self.beta))
            share = self.beta / (self.alpha + self.beta)
            return float(ratio * (flops / 6) ** share), float((flops / 6) ** (1 - share) / ratio)


def chinchilla(
    parameters: npt.ArrayLike,
    tokens: npt.ArrayLike,
    losses: npt.ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Fitted[Chinchilla]:
    """Fits `Chinchilla` to measurements (n,) each, and says how sure it is.

    Huber's loss on the logarithm (delta 1e-3), from a grid of exponents; for each pair of exponents the other three
    numbers are a linear problem, where the authors start from a grid over all five. Intervals are from resampled
    residuals, widened by sqrt(n / (n - 5)); the authors resample measurements, which few of them do not bear.

    Raises:
        ValueError: There are fewer than six measurements, or a value is not positive and finite.

    Source: Hoffmann et al. 2022, equation 10 and appendix D.2; Besiroglu et al. 2024 for why intervals are needed.
    """
    check_level(level)
    n, d, y = (np.asarray(values, dtype=np.float64) for values in (parameters, tokens, losses))
    if n.ndim != 1 or not n.shape == d.shape == y.shape or len(y) < 6:
        raise ValueError(f"Five unknowns need six measurements of three numbers, had {n.shape}, {d.shape}, {y.shape}.")
    if not all(np.isfinite(values).all() and (values > 0).all() for values in (n, d, y)):
        raise ValueError("Parameters, tokens and losses must be positive and finite.")
    units = (float(np.exp(np.log(n).mean())), float(np.exp(np.log(d).mean())))
    x, z = n / units[0], d / units[1]
    best = _fit(x, z, y, _starts(x, z, y))
    fitted = np.log(_loss(best, x, z))
    errors = (np.log(y) - fitted) * np.sqrt(len(y) / (len(y) - 5))
    errors -= errors.mean()
    rng = np.random.default_rng(seed)
    drawn = [np.exp(fitted + rng.choice(errors, len(y))) for _ in range(resamples)]
    resampled = tuple(_named(_fit(x, z, losses_, [best]), units) for losses_ in drawn)
    return Fitted(_named(best, units), resampled, len(y), level, "E + A/N^a + B/D^b")


def _named(numbers: Floats, units: tuple[float, float]) -> Chinchilla:
    floor, a, b, alpha, beta = map(float, numbers)
    return Chinchilla(floor, a * units[0] ** alpha, alpha, b * units[1] ** beta, beta)


def _loss(v: Floats, x: Floats, z: Floats) -> Floats:
    found: Floats = v[0] + v[1] * x ** -v[3] + v[2] * z ** -v[4]
    return found


def _starts(x: Floats, z: Floats, y: Floats) -> list[Floats]:
    guesses = []
    for alpha in EXPONENTS[::4]:
        for beta in EXPONENTS[::4]:
            columns = np.stack([np.ones_like(x), x**-alpha, z**-beta], axis=1) / y[:, None]
            numbers, error = nnls(columns, np.ones_like(y))
            guesses.append((float(error), *np.maximum(numbers, 1e-9).tolist(), float(alpha), float(beta)))
    return [np.array(start) for _, *start in sorted(guesses)[:LAST]]


def _fit(x: Floats, z: Floats, y: Floats, starts: list[Floats]) -> Floats:
    """floor, a, b, alpha, beta of least cost, with x and z in units of their own."""

    def residuals(v: Floats) -> Floats:
        found: Floats = np.log(_loss(v, x, z)) - np.log(y)
        return found

    tried = [
        least_squares(
            residuals,
            np.maximum(start, 1e-9),
            bounds=([0, 0, 0, 0.005, 0.005], [np.inf, np.inf, np.inf, 8, 8]),
            loss="huber",
            f_scale=SLACK,
            x_scale=[float(y.mean())] * 3 + [1.0, 1.0],
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        for start in starts
    ]
    found: Floats = min(tried, key=lambda one: float(one.cost)).x
    return found
