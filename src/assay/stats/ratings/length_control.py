"""Logistic regression with soft labels, weights and an L1 penalty, for a handful of numbers, to the last digits.

What is left of a win rate when answers are equally long, and whether a judge simply prefers the longer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from assay.core.effect import Effect
from assay.stats.inference.intervals import check_level, wilson
from assay.stats.ratings.agreement import correlation

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


PENALTY = 10 ** (-4 / 3)
"""1 / C with C = 21.54, the value of its grid that AlpacaEval's cross-validation takes."""
GAMED_WEIGHT = 0.1
"""Of each row of the two baselines that were told to be verbose and to be concise: 0.2 for both together."""
GAMED_MOMENTS = (-18.26991, 41.29286)
"""GAMED_WEIGHT times the sum of label times (length term, difficulty) over those rows: all that the fit needs of their
labels, which are not published in a table of their own."""
RESAMPLES = 1000
FEWEST = 10
"""Pairs on each side of equal length that a length-controlled win rate needs."""


@dataclass(frozen=True)
class LengthControlled:
    """AlpacaEval 2's figures of one model against its baseline. Rates are from 0 to 1; published ones are percent."""

    win_rate: float
    standard_error: float | None
    """Of `win_rate`; None below two items."""
    length_controlled: float
    length: float
    """How much the length term weighs in the log-odds; below 0 where the judge prefers the longer answer."""
    difficulty: float
    model: float
    """The log-odds of winning an item of no difficulty at equal length."""


@dataclass(frozen=True)
class Benchmark:
    """AlpacaEval's items (n,), and how long the baseline's answers are when it is told to be verbose or concise."""

    difficulty: Floats
    baseline_characters: Floats
    verbose_characters: Floats
    concise_characters: Floats
    gamed_moments: tuple[float, float] = GAMED_MOMENTS
    """They belong to AlpacaEval 2's own 805 items and no others."""

    def rows(self) -> Floats:
        """(2 n, 3): the verbose and the concise baseline against the baseline, without the third term."""
        sides = [self.verbose_characters, self.concise_characters]
        terms = [_length_term(self.baseline_characters - side) for side in sides]
        hard = self.difficulty
        return np.concatenate([np.stack([term, hard, np.zeros_like(hard)], axis=1) for term in terms])


def length_controlled(
    preferences: npt.ArrayLike,
    model_characters: npt.ArrayLike,
    baseline_characters: npt.ArrayLike,
    items: npt.ArrayLike,
    benchmark: Benchmark,
) -> LengthControlled:
    """AlpacaEval 2's length-controlled win rate of one model.

    Shapes: (n,) each; `items` are the places of the model's items in the benchmark. Preferences are from 1 (the
    baseline wins) to 2 (the model does); an exact 0 is a draw, 1.5, and nan an item that was not judged: it is left
    out of the fit and the win rate, and not of the prediction.

    The log-odds of winning are length * tanh((baseline - model characters) / their standard deviation) + difficulty *
    the item's + model, fitted with soft labels and an L1 penalty of 1 / 21.54 on all three. Next to the model's items
    stand those of the verbose and the concise baseline against the baseline, weight 0.1 each, without the third term:
    they keep the length term from explaining what it should not. The win rate at equal length is the mean over items
    without the length term. The baseline itself has 0.5 by definition; it cannot be given to this function.

    We solve to the last digits with C fixed; the official code chooses C by five-fold cross-validation for each model
    and stops liblinear at a tolerance of 1e-4.

    Raises:
        ValueError: Shapes differ, there are fewer than two items, none was judged, a preference is out of its range,
            or every answer differs from the baseline's by the same number of characters.

    Source: Dubois et al. 2024, "Length-controlled AlpacaEval", section 3; official code: tatsu-lab/alpaca_eval,
    metrics/glm_winrate.py, "length_controlled_v1".
    """
    raw, mine, base = _columns(preferences, model_characters, baseline_characters)
    hard = benchmark.difficulty[np.asarray(items, dtype=np.int64)]
    labels = np.where(raw == 0, 0.5, raw - 1)
    judged = ~np.isnan(labels)
    if not judged.any() or not ((labels[judged] >= 0) & (labels[judged] <= 1)).all():
        raise ValueError("Preferences must lie between 1 and 2, or be 0 for a draw; at least one must be given.")
    own = np.stack([_length_term(base - mine), hard, np.ones_like(hard)], axis=1)[judged]
    gamed = benchmark.rows()
    weights = np.concatenate([np.ones(len(own)), np.full(len(gamed), GAMED_WEIGHT)])
    moments = own.T @ labels[judged] + np.array([*benchmark.gamed_moments, 0.0])
    length, by_difficulty, model = l1_logistic(np.concatenate([own, gamed]), weights, moments, PENALTY)
    count = int(judged.sum())
    return LengthControlled(
        win_rate=float(labels[judged].mean()),
        standard_error=float(labels[judged].std(ddof=1) / np.sqrt(count)) if count > 1 else None,
        length_controlled=float(expit(by_difficulty * hard + model).mean()),
        length=float(length),
        difficulty=float(by_difficulty),
        model=float(model),
    )


@dataclass(frozen=True)
class LengthAudit:
    """How preferences go with length. All rates are from 0 to 1."""

    win_rate: Effect
    length_controlled: Effect | None
    """What it would be at equal length; None where the model's answers are hardly ever longer, or shorter."""
    shift: Effect | None
    """`win_rate` less `length_controlled`: what length brings the model."""
    correlation: Effect | None
    """Spearman's, of the length difference and the preference; None where one of them never varies."""
    longer_preferred: Effect | None
    """Of the pairs of unequal length that were decided, the share in which the longer text won, with Wilson's
    interval; None where there are none. A judge that simply prefers the longer text has 1."""

    @property
    def follows_length(self) -> bool:
        """Whether the longer text surely wins more often than the shorter one.

        Either the judge likes length, or longer answers are better here: only texts of equal worth and unequal
        length, such as the same answer padded, can tell which. The win rate cannot be trusted until one knows.
        """
        side = self.longer_preferred
        return side is not None and side.low is not None and side.low > 0.5


def length_audit(
    preferences: npt.ArrayLike,
    model_characters: npt.ArrayLike,
    other_characters: npt.ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> LengthAudit:
    """Win rate, the same at equal length, and how preferences go with length, for any judge of any pairs.

    Shapes: (n,) each. Preferences are from 0 (the other wins) to 1 (the model does). The regression is AlpacaEval's
    without difficulties and gamed baselines (its "length_controlled_minimal"), with the same small L1 penalty so that
    a judge who looks at length alone has a finite answer. The standard deviation of the length differences is that of
    all pairs, in every resample too. Intervals are percentiles of a bootstrap over pairs.

    Raises:
        ValueError: Shapes differ, there are fewer than two pairs, or a preference is out of its range.

    Source: Dubois et al. 2024, "Length-controlled AlpacaEval", section 3.
    """
    check_level(level)
    labels, mine, theirs = _columns(preferences, model_characters, other_characters)
    if not ((labels >= 0) & (labels <= 1)).all():
        raise ValueError("Preferences must lie between 0 and 1.")
    n, longer = len(labels), mine - theirs
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    method = f"bootstrap over {n} pairs, {resamples} resamples"
    decided = (longer != 0) & (labels != 0.5)
    wins = int(((labels > 0.5) == (longer > 0))[decided].sum())
    rates = _rates(labels, longer, counts, level, method)
    varied = np.ptp(longer) > 0 and np.ptp(labels) > 0
    return LengthAudit(
        *rates,
        correlation=correlation(longer, labels, seed=seed, level=level, resamples=resamples) if varied else None,
        longer_preferred=wilson(wins, int(decided.sum()), level) if decided.any() else None,
    )


def _rates(
    labels: Floats, longer: Floats, counts: Floats, level: float, method: str
) -> tuple[Effect, Effect | None, Effect | None]:
    """Win rate, length-controlled win rate and their difference, each over the same resamples `counts` (r, n)."""
    raw, draws = float(labels.mean()), counts @ labels / len(labels)
    whole = _percentile(raw, draws, len(labels), level, method)
    if min((longer > 0).sum(), (longer < 0).sum()) < FEWEST:
        return whole, None, None
    x = np.stack([_length_term(longer), np.ones_like(longer)], axis=1)
    even = float(expit(l1_logistic(x, np.ones_like(labels), x.T @ labels, PENALTY)[1]))
    evens = np.array([expit(l1_logistic(x, count, x.T @ (count * labels), PENALTY)[1]) for count in counts])
    return (
        whole,
        _percentile(even, evens, len(labels), level, method),
        _percentile(raw - even, draws - evens, len(labels), level, method),
    )


def _percentile(estimate: float, draws: Floats, n: int, level: float, method: str) -> Effect:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, float(low), float(high), n, level, method)


def _length_term(difference: Floats) -> Floats:
    """The tanh of a difference in characters (n,), beside its own standard deviation."""
    spread = float(difference.std(ddof=1))
    if spread == 0:
        raise ValueError("Every pair differs by the same number of characters: there is no length to control for.")
    found: Floats = np.tanh(difference / spread)
    return found


def _columns(*values: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    first, second, third = (np.asarray(one, dtype=np.float64) for one in values)
    if first.ndim != 1 or not first.shape == second.shape == third.shape or len(first) < 2:
        raise ValueError("Preferences and characters must be columns of one length, of two rows or more.")
    return first, second, third
