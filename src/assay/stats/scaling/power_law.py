"""Power law of loss over size with an irreducible loss, with intervals.

The loss may be an error rate (1 - accuracy) or a cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, nnls

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level

Floats = npt.NDArray[np.float64]
Form = TypeVar("Form")
RESAMPLES = 1000
EXPONENTS = np.geomspace(0.02, 4.0, 60)
"""Grid of initial exponents."""
PARAMETERS = 3
"""Number of parameters of a curve."""
HUBER_DELTA = 1e-3
"""Huber delta on the logarithm of the loss, as in Hoffmann et al. 2022."""


@dataclass(frozen=True)
class PowerLaw:
    """Law loss(n) = floor + scale * n ** -exponent."""

    floor: float
    """Irreducible loss."""
    scale: float
    exponent: float

    def __call__(self, n: npt.ArrayLike) -> Floats:
        """Loss at sizes `n`."""
        loss: Floats = self.floor + self.scale * np.asarray(n, dtype=np.float64) ** -self.exponent
        return loss

    def needed(self, loss: float) -> float:
        """Size at which the loss is `loss`; infinite if the floor is not below it."""
        if loss <= self.floor:
            return float("inf")
        return _power(self.scale / (loss - self.floor), 1 / self.exponent)


@dataclass(frozen=True)
class Fitted(Generic[Form]):
    """Fitted curve with the curves of bootstrap resamples."""

    curve: Form
    resampled: tuple[Form, ...]
    n: int
    """Number of measurements."""
    level: float = 0.95
    form: str = "power law with a floor"

    def effect(self, of: Callable[[Form], float]) -> Effect:
        """Value of a function of the curve, with the percentile interval over the resampled curves.

        A limit may be infinite.
        """
        draws = np.sort([of(curve) for curve in self.resampled])
        method = f"{self.form}, {len(draws)} bootstrap resamples of {self.n} measurements"
        if not len(draws):
            exact = f"{self.form} through {self.n} measurements, which fit it exactly: no interval"
            return Effect(of(self.curve), None, None, self.n, self.level, exact)
        # Not `quantile`, which interpolates and fails for infinite draws.
        ends = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = (float(draws[min(len(draws) - 1, int(end * len(draws)))]) for end in ends)
        return Effect(of(self.curve), low, high, self.n, self.level, method)


def power_law(
    sizes: npt.ArrayLike, losses: npt.ArrayLike, *, seed: int = 0, level: float = 0.95, resamples: int = RESAMPLES
) -> Fitted[PowerLaw]:
    """Fit `PowerLaw` to measurements (n,), with intervals; sizes may repeat.

    Least squares on the logarithm of the loss with the Huber loss, from a grid of exponents; floor and scale are not
    negative. If every size has two or more measurements (training seeds), measurements are resampled within sizes, with
    their deviations from the mean widened by sqrt(k / (k - 1)) for k measurements; else residuals are resampled. Three
    measurements have no residuals and give no interval.

    Raises:
        ValueError: Fewer than three different sizes, or a size or loss that is not positive and finite.

    Source: Hoffmann et al. 2022, appendix D.2 (form, Huber loss on logarithms); Rosenfeld et al. 2020, section 4;
    Davison and Hinkley 1997, section 6.2 (bootstrap of regression).
    """
    check_level(level)
    x, y = _validated(sizes, losses)
    curve = _fit(x, y)
    if len(x) <= PARAMETERS:
        return Fitted(curve, (), len(x), level)
    rng = np.random.default_rng(seed)
    resampled = tuple(_fit(x, sample, near=curve) for sample in _resampled(x, y, curve, resamples, rng))
    return Fitted(curve, resampled, len(x), level)


def exchange_rate(real: Fitted[PowerLaw], loss: float, generated: int) -> Effect:
    """Exchange rate: equivalent number of real samples per generated sample.

    `loss` is that of a model trained on `generated` samples only; `real` is the curve of real samples. The interval
    includes the uncertainty of the curve, not that of `loss`.
    """
    return real.effect(lambda curve: curve.needed(loss) / generated)


def stops_helping(curve: PowerLaw, gain: float = 0.01) -> float:
    """Size from which doubling it reduces the loss by less than `gain`."""
    # scale * n^-e * (1 - 2^-e) = gain
    step = curve.scale * (1 - 2.0**-curve.exponent)
    return _power(max(0.0, step / gain), 1 / curve.exponent)


def _power(base: float, exponent: float) -> float:
    """Power; infinite on overflow."""
    with np.errstate(over="ignore"):
        return float(np.float64(base) ** exponent)


def _validated(sizes: npt.ArrayLike, losses: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"sizes and losses must be (n,), had {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise ValueError("sizes and losses must be positive and finite.")
    if len(np.unique(x)) < 3:
        raise ValueError(f"Expected at least 3 different sizes, had {len(np.unique(x))}.")
    return x, y


def _fit(x: Floats, y: Floats, near: PowerLaw | None = None) -> PowerLaw:
    """Best curve; with `near`, only from its neighborhood."""
    unit = float(np.exp(np.log(x).mean()))
    scaled = x / unit  # avoids overflow of the scale of steep curves
    starts = EXPONENTS if near is None else np.array([near.exponent / 2, near.exponent, near.exponent * 2])
    guesses = []
    for exponent in starts:
        columns = np.stack([np.ones_like(scaled), scaled**-exponent], axis=1) / y[:, None]
        (floor, scale), error = nnls(columns, np.ones_like(y))
        guesses.append((error, floor, scale, exponent))
    _, floor, scale, exponent = min(guesses)
    low, high = [0, 1e-12, EXPONENTS[0] / 2], [float(y.max()), np.inf, EXPONENTS[-1] * 2]
    # `least_squares` requires a start inside the bounds; flat or rising losses would start on them.
    start = np.clip([floor, scale, exponent], np.add(low, 1e-9), [0.999999 * high[0], 1e12, 0.999 * high[2]])

    def residuals(values: Floats) -> Floats:
        errors: Floats = np.log(values[0] + values[1] * scaled ** -values[2]) - np.log(y)
        return errors

    solution = least_squares(
        residuals,
        start,
        bounds=(low, high),
        loss="huber",
        f_scale=max(HUBER_DELTA, float(np.median(np.abs(residuals(start))))),
        x_scale=[float(y.min()), float(y.max()), 1.0],
    )
    floor, scale, exponent = map(float, solution.x)
    return PowerLaw(floor, scale * unit**exponent, exponent)


def _resampled(x: Floats, y: Floats, curve: PowerLaw, resamples: int, rng: np.random.Generator) -> list[Floats]:
    groups = [np.flatnonzero(x == size) for size in np.unique(x)]
    if min(map(len, groups)) >= 2:
        spread = y.copy()
        for rows in groups:
            mean, k = y[rows].mean(), len(rows)
            spread[rows] = mean + (y[rows] - mean) * np.sqrt(k / (k - 1))
        spread = np.maximum(spread, y.min() / 10)
        samples = []
        for _ in range(resamples):
            order = np.arange(len(x))
            for rows in groups:
                order[rows] = rng.choice(rows, len(rows))
            samples.append(spread[order])
        return samples
    errors = np.log(y) - np.log(curve(x))
    errors = errors * np.sqrt(len(x) / (len(x) - PARAMETERS))
    errors -= errors.mean()
    return [np.exp(np.log(curve(x)) + rng.choice(errors, len(x))) for _ in range(resamples)]


@dataclass(frozen=True)
class Jump:
    """Jump of a metric between two sizes, and the same step of a smoother metric."""

    at: float
    """Size before the jump."""
    share: float
    """Fraction of the total increase in this step, 0 to 1."""
    smooth_share: float | None
    """Fraction of the smoother metric's total increase in this step; None without a smoother metric."""

    @property
    def real(self) -> bool | None:
        """Whether the smoother metric jumps at the same step; None without a smoother metric."""
        return None if self.smooth_share is None else self.smooth_share > MIN_JUMP


MIN_JUMP = 0.5
"""Minimum fraction of the total increase in one of four or more steps for a jump."""


def emergence(sizes: npt.ArrayLike, metric: npt.ArrayLike, smoother: npt.ArrayLike | None = None) -> Jump | None:
    """Detect emergence: one step in size, of four or more, with over half of the total increase; None without a jump.

    Shapes: (n,) each, sizes increasing by about equal factors; higher is better for both metrics. A discontinuous
    metric such as exact match can jump while the model improves smoothly. `smoother`, such as the log-likelihood of the
    correct answer, distinguishes the two: it jumps at the same step only if the emergence is real.

    Raises:
        ValueError: Fewer than five sizes, or sizes that do not increase.

    Source: Wei et al. 2022, section 2 (definition of emergence); Schaeffer et al. 2023, sections 2 and 4 (effect of the
    metric). The threshold of one half is ours.
    """
    x, hard = np.asarray(sizes, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if len(x) < 5 or x.shape != hard.shape or (np.diff(x) <= 0).any():
        raise ValueError(f"Expected n >= 5 increasing sizes and n values, had {len(x)} and {hard.shape}.")
    rises = np.diff(hard)
    whole = float(hard.max() - hard.min())
    step = int(rises.argmax())
    if whole <= 0 or rises[step] <= MIN_JUMP * whole:
        return None
    share = None
    if smoother is not None:
        soft = np.asarray(smoother, dtype=np.float64)
        spread = float(soft.max() - soft.min())
        share = float(np.diff(soft)[step]) / spread if spread > 0 else 0.0
    return Jump(float(x[step]), float(rises[step]) / whole, share)
