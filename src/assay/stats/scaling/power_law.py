"""How a loss falls with data and model size: a power law down to a floor, with intervals.

"Loss" is anything that falls: the share of wrong answers (1 - accuracy), or a cross-entropy.
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
"""Where the search for an exponent starts."""
NUMBERS = 3
"""That a curve has."""
SLACK = 1e-3
"""Huber's delta on the logarithm of the loss, as Hoffmann et al. take it."""


@dataclass(frozen=True)
class PowerLaw:
    """loss(n) = floor + scale * n ** -exponent."""

    floor: float
    """What no amount of data removes."""
    scale: float
    exponent: float

    def __call__(self, n: npt.ArrayLike) -> Floats:
        """The loss at sizes `n`."""
        found: Floats = self.floor + self.scale * np.asarray(n, dtype=np.float64) ** -self.exponent
        return found

    def needed(self, loss: float) -> float:
        """The size at which the loss falls to `loss`; infinite where the floor lies above it."""
        if loss <= self.floor:
            return float("inf")
        return _power(self.scale / (loss - self.floor), 1 / self.exponent)


@dataclass(frozen=True)
class Fitted(Generic[Form]):
    """A curve and the curves of resampled measurements, from which every interval is read."""

    curve: Form
    resampled: tuple[Form, ...]
    n: int
    """Measurements."""
    level: float = 0.95
    form: str = "power law with a floor"

    def effect(self, of: Callable[[Form], float]) -> Effect:
        """Any number read off the curve, with its percentile interval over the resampled curves.

        An end of the interval is infinite where so many curves never get there.
        """
        draws = np.sort([of(curve) for curve in self.resampled])
        method = f"{self.form}, {len(draws)} bootstrap resamples of {self.n} measurements"
        if not len(draws):
            few = f"{self.form} through {self.n} measurements, which fit it exactly: no interval"
            return Effect(of(self.curve), None, None, self.n, self.level, few)
        # Not `quantile`: between a number and infinity there is nothing to interpolate.
        ends = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = (float(draws[min(len(draws) - 1, int(end * len(draws)))]) for end in ends)
        return Effect(of(self.curve), low, high, self.n, self.level, method)


def power_law(
    sizes: npt.ArrayLike, losses: npt.ArrayLike, *, seed: int = 0, level: float = 0.95, resamples: int = RESAMPLES
) -> Fitted[PowerLaw]:
    """Fits `PowerLaw` to measurements (n,), several of one size allowed, and says how sure it is.

    Least squares on the logarithm of the loss with Huber's loss, from every exponent of a grid; floor and scale are
    kept at least 0. Where there are two or more measurements of every size (trainings with different seeds), they are
    resampled within each size, and their spread about their mean is widened by sqrt(k / (k - 1)) for k of a size;
    else the residuals are resampled. Three measurements leave no residuals, and so no interval.

    Raises:
        ValueError: There are fewer than three different sizes, or a size or loss is not positive and finite.

    Source: Hoffmann et al. 2022, appendix D.2 (form, Huber on logarithms); Rosenfeld et al. 2020, section 4; bootstrap
    of regression: Davison and Hinkley 1997, section 6.2.
    """
    check_level(level)
    x, y = _checked(sizes, losses)
    curve = _fit(x, y)
    if len(x) <= NUMBERS:
        return Fitted(curve, (), len(x), level)
    rng = np.random.default_rng(seed)
    resampled = tuple(_fit(x, drawn, near=curve) for drawn in _resampled(x, y, curve, resamples, rng))
    return Fitted(curve, resampled, len(x), level)


def exchange_rate(real: Fitted[PowerLaw], loss: float, generated: int) -> Effect:
    """How many real samples teach as much as so many generated ones did, for each generated one.

    `loss` is what a model reached on `generated` samples alone; the curve of real samples alone says how many of
    those reach it. The interval holds what the curve does not know, not the luck of the one measurement.
    """
    return real.effect(lambda curve: curve.needed(loss) / generated)


def stops_helping(curve: PowerLaw, gain: float = 0.01) -> float:
    """The size from which doubling it lowers the loss by less than `gain`."""
    # scale * n^-e * (1 - 2^-e) = gain
    step = curve.scale * (1 - 2.0**-curve.exponent)
    return _power(max(0.0, step / gain), 1 / curve.exponent)


def _power(base: float, exponent: float) -> float:
    """Infinite where it is too large to write down: a size that nobody reaches."""
    with np.errstate(over="ignore"):
        return float(np.float64(base) ** exponent)


def _checked(sizes: npt.ArrayLike, losses: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"Needed: as many losses as sizes, had {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise ValueError("Sizes and losses must be positive and finite.")
    if len(np.unique(x)) < 3:
        raise ValueError(f"Three unknowns need three different sizes, had {len(np.unique(x))}.")
    return x, y


def _fit(x: Floats, y: Floats, near: PowerLaw | None = None) -> PowerLaw:
    """The best curve; looks only near another one where that is given."""
    unit = float(np.exp(np.log(x).mean()))
    scaled = x / unit  # or the scale of a steep curve overflows
    starts = EXPONENTS if near is None else np.array([near.exponent / 2, near.exponent, near.exponent * 2])
    guesses = []
    for exponent in starts:
        columns = np.stack([np.ones_like(scaled), scaled**-exponent], axis=1) / y[:, None]
        (floor, scale), error = nnls(columns, np.ones_like(y))
        guesses.append((error, floor, scale, exponent))
    _, floor, scale, exponent = min(guesses)
    low, high = [0, 1e-12, EXPONENTS[0] / 2], [float(y.max()), np.inf, EXPONENTS[-1] * 2]
    # Just inside: least squares starts nowhere else, and flat or rising losses lead to the edge.
    start = np.clip([floor, scale, exponent], np.add(low, 1e-9), [0.999999 * high[0], 1e12, 0.999 * high[2]])

    def residuals(values: Floats) -> Floats:
        found: Floats = np.log(values[0] + values[1] * scaled ** -values[2]) - np.log(y)
        return found

    found = least_squares(
        residuals,
        start,
        bounds=(low, high),
        loss="huber",
        f_scale=max(SLACK, float(np.median(np.abs(residuals(start))))),
        x_scale=[float(y.min()), float(y.max()), 1.0],
    )
    floor, scale, exponent = map(float, found.x)
    return PowerLaw(floor, scale * unit**exponent, exponent)


def _resampled(x: Floats, y: Floats, curve: PowerLaw, resamples: int, rng: np.random.Generator) -> list[Floats]:
    groups = [np.flatnonzero(x == size) for size in np.unique(x)]
    if min(map(len, groups)) >= 2:
        spread = y.copy()
        for rows in groups:
            mean, k = y[rows].mean(), len(rows)
            spread[rows] = mean + (y[rows] - mean) * np.sqrt(k / (k - 1))
        spread = np.maximum(spread, y.min() / 10)
        drawn = []
        for _ in range(resamples):
            order = np.arange(len(x))
            for rows in groups:
                order[rows] = rng.choice(rows, len(rows))
            drawn.append(spread[order])
        return drawn
    errors = np.log(y) - np.log(curve(x))
    errors = errors * np.sqrt(len(x) / (len(x) - NUMBERS))
    errors -= errors.mean()
    return [np.exp(np.log(curve(x)) + rng.choice(errors, len(x))) for _ in range(resamples)]


@dataclass(frozen=True)
class Jump:
    """Whether a metric springs up where a smoother one does not."""

    at: float
    """The size after which it springs."""
    share: float
    """Of the whole rise, what that one step brings, 0 to 1."""
    smooth_share: float | None
    """What the same step brings of the smoother metric's whole rise; None where there is none."""

    @property
    def real(self) -> bool | None:
        """Whether the smoother metric springs at the same step; None where there is none to compare with."""
        return None if self.smooth_share is None else self.smooth_share > SPRING


SPRING = 0.5
"""A step that brings more than this share of the whole rise, of four steps or more, is a jump."""


def emergence(sizes: npt.ArrayLike, metric: npt.ArrayLike, smoother: npt.ArrayLike | None = None) -> Jump | None:
    """What looks like emergence: one step in size, of four or more, that brings over half of the whole rise.

    Shapes: (n,) each, sizes different and rising by about equal factors; higher is better for both. A hard metric
    such as exact match can spring where the model improves evenly: whether `smoother` (log-likelihood of the right
    answer, say) springs at the same step says which it is. None where there is no jump.

    Raises:
        ValueError: Fewer than five sizes, or they do not rise.

    Source: Wei et al. 2022, section 2 (what is called emergent); Schaeffer et al. 2023, sections 2 and 4 (why the
    metric may be the cause). The rule of one half is ours.
    """
    x, hard = np.asarray(sizes, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if len(x) < 5 or x.shape != hard.shape or (np.diff(x) <= 0).any():
        raise ValueError("Emergence needs five or more rising sizes and as many values.")
    rises = np.diff(hard)
    whole = float(hard.max() - hard.min())
    step = int(rises.argmax())
    if whole <= 0 or rises[step] <= SPRING * whole:
        return None
    share = None
    if smoother is not None:
        soft = np.asarray(smoother, dtype=np.float64)
        spread = float(soft.max() - soft.min())
        share = float(np.diff(soft)[step]) / spread if spread > 0 else 0.0
    return Jump(float(x[step]), float(rises[step]) / whole, share)
