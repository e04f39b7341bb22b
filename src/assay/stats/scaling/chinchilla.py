"""Chinchilla scaling law (Hoffmann et al. 2022): loss over parameters and tokens, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, nnls

from assay.stats.inference.intervals import check_level
from assay.stats.scaling.power_law import EXPONENTS, HUBER_DELTA, Fitted, Floats

RESAMPLES = 200
MAX_STARTS = 8
"""Number of best starting points that are optimized."""


@dataclass(frozen=True)
class Chinchilla:
    """Law loss(N, D) = floor + a / N ** alpha + b / D ** beta, over parameters N and tokens D."""

    floor: float
    a: float
    alpha: float
    b: float
    beta: float

    def __call__(self, parameters: npt.ArrayLike, tokens: npt.ArrayLike) -> Floats:
        """Loss of a model with `parameters`, trained on `tokens`."""
        n, d = np.asarray(parameters, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
        loss: Floats = self.floor + self.a * n**-self.alpha + self.b * d**-self.beta
        return loss

    def best_split(self, flops: float) -> tuple[float, float]:
        """Compute-optimal (parameters, tokens) at 6 FLOPs per parameter and token (equation 4)."""
        with np.errstate(all="ignore"):
            ratio = np.float64(self.alpha * self.a) / (self.beta * self.b)
            ratio = ratio ** (1 / (self.alpha + self.beta))
            exponent = self.beta / (self.alpha + self.beta)
            return float(ratio * (flops / 6) ** exponent), float((flops / 6) ** (1 - exponent) / ratio)


def chinchilla(
    parameters: npt.ArrayLike,
    tokens: npt.ArrayLike,
    losses: npt.ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Fitted[Chinchilla]:
    """Fit `Chinchilla` to measurements (n,) each, with intervals.

    Huber loss on the logarithm (delta 1e-3), from a grid of exponents; for each pair of exponents the other three
    parameters are a linear problem. The authors start from a grid over all five. Intervals are from resampled
    residuals, widened by sqrt(n / (n - 5)); the authors resample measurements, which fails with few measurements.

    Raises:
        ValueError: Fewer than six measurements, or a value that is not positive and finite.

    Source: Hoffmann et al. 2022, equation 10 and appendix D.2; Besiroglu et al. 2024 (need for intervals).
    """
    check_level(level)
    n, d, y = (np.asarray(values, dtype=np.float64) for values in (parameters, tokens, losses))
    if n.ndim != 1 or not n.shape == d.shape == y.shape or len(y) < 6:
        raise ValueError(f"Expected three columns (n,) with n >= 6, had {n.shape}, {d.shape}, {y.shape}.")
    if not all(np.isfinite(values).all() and (values > 0).all() for values in (n, d, y)):
        raise ValueError("parameters, tokens and losses must be positive and finite.")
    units = (float(np.exp(np.log(n).mean())), float(np.exp(np.log(d).mean())))
    x, z = n / units[0], d / units[1]
    best = _fit(x, z, y, _starts(x, z, y))
    fitted = np.log(_loss(best, x, z))
    errors = (np.log(y) - fitted) * np.sqrt(len(y) / (len(y) - 5))
    errors -= errors.mean()
    rng = np.random.default_rng(seed)
    loss_samples = [np.exp(fitted + rng.choice(errors, len(y))) for _ in range(resamples)]
    resampled = tuple(_unscaled(_fit(x, z, sampled_losses, [best]), units) for sampled_losses in loss_samples)
    return Fitted(_unscaled(best, units), resampled, len(y), level, "E + A/N^a + B/D^b")


def _unscaled(numbers: Floats, units: tuple[float, float]) -> Chinchilla:
    floor, a, b, alpha, beta = map(float, numbers)
    return Chinchilla(floor, a * units[0] ** alpha, alpha, b * units[1] ** beta, beta)


def _loss(v: Floats, x: Floats, z: Floats) -> Floats:
    loss: Floats = v[0] + v[1] * x ** -v[3] + v[2] * z ** -v[4]
    return loss


def _starts(x: Floats, z: Floats, y: Floats) -> list[Floats]:
    guesses = []
    for alpha in EXPONENTS[::4]:
        for beta in EXPONENTS[::4]:
            columns = np.stack([np.ones_like(x), x**-alpha, z**-beta], axis=1) / y[:, None]
            numbers, error = nnls(columns, np.ones_like(y))
            guesses.append((float(error), *np.maximum(numbers, 1e-9).tolist(), float(alpha), float(beta)))
    return [np.array(start) for _, *start in sorted(guesses)[:MAX_STARTS]]


def _fit(x: Floats, z: Floats, y: Floats, starts: list[Floats]) -> Floats:
    """Optimal floor, a, b, alpha and beta for scaled x and z."""

    def residuals(v: Floats) -> Floats:
        errors: Floats = np.log(_loss(v, x, z)) - np.log(y)
        return errors

    fits = [
        least_squares(
            residuals,
            np.maximum(start, 1e-9),
            bounds=([0, 0, 0, 0.005, 0.005], [np.inf, np.inf, np.inf, 8, 8]),
            loss="huber",
            f_scale=HUBER_DELTA,
            x_scale=[float(y.mean())] * 3 + [1.0, 1.0],
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        for start in starts
    ]
    best: Floats = min(fits, key=lambda fit: float(fit.cost)).x
    return best
