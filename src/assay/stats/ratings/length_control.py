"""Length-controlled win rates and length bias of judges, by L1-regularized logistic regression with soft labels."""

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
"""Convergence tolerance of the coefficients, relative to the largest of them or 1."""
NO_MINIMUM = "The regression has no minimum: no labels between 0 and 1 have these moments."


def l1_logistic(x: npt.ArrayLike, weights: npt.ArrayLike, moments: npt.ArrayLike, penalty: float) -> Floats:
    """Coefficients b (p,) that minimize sum_i w_i log(1 + exp(x_i b)) - moments b + penalty sum_j |b_j|.

    x is (n, p) without an intercept, weights (n,). Labels y_i between 0 and 1 enter the likelihood only through
    moments = sum_i w_i y_i x_i, so the labels of single rows are not needed. The penalty is 1 / C of liblinear and
    scikit-learn, added to a sum and not to a mean.

    Proximal Newton: a quadratic model of the smooth part, solved by coordinate descent, and a line search. AlpacaEval
    uses scikit-learn's liblinear with a tolerance of 1e-4 and so differs slightly. scikit-learn needs a label per row,
    but only the moments of AlpacaEval's two gamed baselines are known.

    Raises:
        ValueError: Shapes do not match, a weight is negative, the penalty is not positive, or no minimum exists: no
            labels between 0 and 1 have these moments.

    Source: Lee, Sun and Saunders 2014, "Proximal Newton-type methods", algorithm 1; Friedman, Hastie and Tibshirani
    2010 for the coordinate steps.
    """
    rows, w, m = (np.asarray(values, dtype=np.float64) for values in (x, weights, moments))
    if rows.ndim != 2 or w.shape != rows.shape[:1] or m.shape != rows.shape[1:]:
        raise ValueError(f"Expected x (n, p), weights (n,) and moments (p,), had {rows.shape}, {w.shape}, {m.shape}.")
    if not penalty > 0 or not (w >= 0).all():
        raise ValueError("penalty must be positive, and weights must not be negative.")

    def loss(b: Floats) -> float:
        return float(w @ np.logaddexp(0, rows @ b) - m @ b + penalty * np.abs(b).sum())

    b = np.zeros(len(m))
    for _ in range(STEPS):
        probability = expit(rows @ b)
        gradient = rows.T @ (w * probability) - m
        curvature = rows.T @ (rows * (w * probability * (1 - probability))[:, None])
        step = _proximal_step(b, gradient, curvature, penalty)
        expected = float(gradient @ step + penalty * (np.abs(b + step) - np.abs(b)).sum())
        current, size = loss(b), 1.0
        while loss(b + size * step) > current + size * expected / 4 + 1e-14 * abs(current) and size > 1e-10:
            size /= 2
        b = b + size * step
        if np.abs(size * step).max(initial=0.0) <= TOLERANCE * max(1.0, float(np.abs(b).max(initial=0.0))):
            return b
    raise ValueError(NO_MINIMUM)


def _proximal_step(b: Floats, gradient: Floats, curvature: Floats, penalty: float) -> Floats:
    """Step that minimizes gradient step + step curvature step / 2 + penalty |b + step|, by coordinate descent."""
    step = np.zeros_like(b)
    slope = gradient.copy()  # of the quadratic model at `step`
    for _ in range(SWEEPS):
        largest = 0.0
        for j in range(len(b)):
            second = curvature[j, j]
            if second <= 0:  # a column of zeros, or saturated probabilities
                if abs(gradient[j]) > penalty * (1 + 1e-9):
                    raise ValueError(NO_MINIMUM)
                continue
            target = b[j] + step[j] - slope[j] / second
            change = np.sign(target) * max(abs(target) - penalty / second, 0.0) - b[j] - step[j]
            step[j] += change
            slope += curvature[:, j] * change
            largest = max(largest, abs(change))
        if largest <= TOLERANCE / 10:
            break
    return step


PENALTY = 10 ** (-4 / 3)
"""1 / C with C = 21.54, the grid value that AlpacaEval's cross-validation selects."""
GAMED_WEIGHT = 0.1
"""Weight per row of the two gamed baselines, prompted to be verbose and concise: 0.2 together."""
GAMED_MOMENTS = (-18.26991, 41.29286)
"""GAMED_WEIGHT times the sum of label times (length term, difficulty) over those rows. The labels are not published
separately."""
RESAMPLES = 1000
MIN_PAIRS = 10
"""Minimum number of pairs with a longer, and with a shorter, model answer for a length-controlled win rate."""


@dataclass(frozen=True)
class LengthControlled:
    """AlpacaEval 2 results of one model against the baseline. Rates are from 0 to 1; published ones are percent."""

    win_rate: float
    standard_error: float | None
    """Standard error of `win_rate`; None with fewer than two items."""
    length_controlled: float
    length: float
    """Coefficient of the length term; below 0 if the judge prefers longer answers."""
    difficulty: float
    model: float
    """Log-odds of winning an item of difficulty 0 at equal length."""


@dataclass(frozen=True)
class Benchmark:
    """AlpacaEval's items (n,): difficulty, and answer lengths of the baseline and its verbose and concise variants."""

    difficulty: Floats
    baseline_characters: Floats
    verbose_characters: Floats
    concise_characters: Floats
    gamed_moments: tuple[float, float] = GAMED_MOMENTS
    """Valid only for the 805 items of AlpacaEval 2."""

    def rows(self) -> Floats:
        """Design matrix (2 n, 3) of the verbose and concise baselines; the third term is 0."""
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

    Shapes: (n,) each; `items` are indices of the model's items in the benchmark. Preferences are from 1 (the baseline
    wins) to 2 (the model wins); exactly 0 is a draw (1.5). NaN is an item without a judgment: it is excluded from the
    fit and the win rate, but not from the prediction.

    The log-odds of winning are length * tanh((baseline - model characters) / standard deviation) + difficulty * item
    difficulty + model, fitted with soft labels and an L1 penalty of 1 / 21.54 on all three. The fit includes the
    verbose and concise baselines against the baseline, with weight 0.1 and without the third term; this regularizes
    the length term. The win rate at equal length is the mean prediction without the length term. The baseline itself
    has 0.5 by definition and cannot be passed to this function.

    We converge fully with C fixed; the official code selects C by five-fold cross-validation for each model and stops
    liblinear at a tolerance of 1e-4.

    Raises:
        ValueError: Shapes differ, there are fewer than two items or no judgment, a preference is out of range, or every
            answer differs from the baseline's by the same number of characters.

    Source: Dubois et al. 2024, "Length-controlled AlpacaEval", section 3; official code: tatsu-lab/alpaca_eval,
    metrics/glm_winrate.py, "length_controlled_v1".
    """
    raw, mine, base = _columns(preferences, model_characters, baseline_characters)
    hard = benchmark.difficulty[np.asarray(items, dtype=np.int64)]
    labels = np.where(raw == 0, 0.5, raw - 1)
    judged = ~np.isnan(labels)
    if not judged.any() or not ((labels[judged] >= 0) & (labels[judged] <= 1)).all():
        raise ValueError("preferences must be between 1 and 2, or 0 for a draw, and at least one must not be NaN.")
    terms = np.stack([_length_term(base - mine), hard, np.ones_like(hard)], axis=1)[judged]
    gamed = benchmark.rows()
    weights = np.concatenate([np.ones(len(terms)), np.full(len(gamed), GAMED_WEIGHT)])
    moments = terms.T @ labels[judged] + np.array([*benchmark.gamed_moments, 0.0])
    length, by_difficulty, model = l1_logistic(np.concatenate([terms, gamed]), weights, moments, PENALTY)
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
    """Length bias of a judge. Rates are from 0 to 1."""

    win_rate: Effect
    length_controlled: Effect | None
    """Win rate at equal length; None if fewer than MIN_PAIRS answers are longer, or shorter."""
    shift: Effect | None
    """`win_rate` minus `length_controlled`: the effect of length."""
    correlation: Effect | None
    """Spearman's rho of length difference and preference; None if either is constant."""
    longer_preferred: Effect | None
    """Win rate of the longer text over pairs of unequal length without ties, with Wilson's interval; None without such
    pairs. 1 for a judge that always prefers the longer text."""

    @property
    def follows_length(self) -> bool:
        """Whether the longer text wins significantly more often than the shorter one.

        Either the judge has a length bias, or longer answers are better. Texts of equal quality and unequal length,
        such as padded answers, distinguish the two.
        """
        rate = self.longer_preferred
        return rate is not None and rate.low is not None and rate.low > 0.5


def length_audit(
    preferences: npt.ArrayLike,
    model_characters: npt.ArrayLike,
    other_characters: npt.ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> LengthAudit:
    """Win rate, length-controlled win rate and length bias, for any judge and any pairs.

    Shapes: (n,) each. Preferences are from 0 (the other wins) to 1 (the model wins). The regression is AlpacaEval's
    without difficulties and gamed baselines (its "length_controlled_minimal"), with the same small L1 penalty, so that
    the fit is finite if length determines every preference. Every resample uses the standard deviation of length
    differences over all pairs. Intervals are percentiles of a bootstrap over pairs.

    Raises:
        ValueError: Shapes differ, there are fewer than two pairs, or a preference is out of range.

    Source: Dubois et al. 2024, "Length-controlled AlpacaEval", section 3.
    """
    check_level(level)
    labels, mine, theirs = _columns(preferences, model_characters, other_characters)
    if not ((labels >= 0) & (labels <= 1)).all():
        raise ValueError("preferences must be between 0 and 1.")
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
    """Win rate, length-controlled win rate and their difference over the resamples `counts` (r, n)."""
    raw, draws = float(labels.mean()), counts @ labels / len(labels)
    win_rate = _percentile(raw, draws, len(labels), level, method)
    if min((longer > 0).sum(), (longer < 0).sum()) < MIN_PAIRS:
        return win_rate, None, None
    x = np.stack([_length_term(longer), np.ones_like(longer)], axis=1)
    controlled = float(expit(l1_logistic(x, np.ones_like(labels), x.T @ labels, PENALTY)[1]))
    controlled_draws = np.array([expit(l1_logistic(x, count, x.T @ (count * labels), PENALTY)[1]) for count in counts])
    return (
        win_rate,
        _percentile(controlled, controlled_draws, len(labels), level, method),
        _percentile(raw - controlled, draws - controlled_draws, len(labels), level, method),
    )


def _percentile(estimate: float, draws: Floats, n: int, level: float, method: str) -> Effect:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Effect(estimate, float(low), float(high), n, level, method)


def _length_term(difference: Floats) -> Floats:
    """Hyperbolic tangent of a difference in characters (n,) over its standard deviation."""
    spread = float(difference.std(ddof=1))
    if spread == 0:
        raise ValueError("Every pair differs by the same number of characters; length control needs different lengths.")
    term: Floats = np.tanh(difference / spread)
    return term


def _columns(*values: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    first, second, third = (np.asarray(column, dtype=np.float64) for column in values)
    if first.ndim != 1 or not first.shape == second.shape == third.shape or len(first) < 2:
        raise ValueError(f"Expected three columns (n,) with n >= 2, had {first.shape}, {second.shape}, {third.shape}.")
    return first, second, third
