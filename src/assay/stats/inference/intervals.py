"""Intervals of one proportion, and of the mean of several."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtri

from assay.core.effect import Effect


def wilson(successes: float, n: int, level: float = 0.95) -> Effect:
    """The share `successes / n` with Wilson's score interval, which stays inside [0, 1] and works at 0 and at n.

    `successes` may be fractional: the mean over training seeds of the items answered rightly. `n` counts items,
    never items times seeds, because the seeds answer the same items.

    Raises:
        ValueError: `n` is below 1, `successes` lies outside [0, n], or `level` outside (0, 1).

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, section 3.1.1, formula 4. No continuity correction.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"A share needs 0 <= successes <= n and n >= 1, had {successes} of {n}.")
    check_level(level)
    share = successes / n
    if n < 2:
        return Effect(share, None, None, n, level, "wilson")
    z = float(ndtri(0.5 + level / 2))
    shrink = 1 + z * z / n
    center = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    # Exact at the ends: there the formula gives 0 or 1 only up to rounding.
    low = 0.0 if successes == 0 else max(0.0, center - half)
    high = 1.0 if successes == n else min(1.0, center + half)
    return Effect(share, low, high, n, level, "wilson")


def mean_of_proportions(successes: Sequence[float], counts: Sequence[int], level: float = 0.95) -> Effect:
    """The plain mean of shares `successes[k] / counts[k]`, each share weighing the same, with an interval.

    So the subjects of an examination are averaged whatever their sizes ("macro average"). The strata are fixed, only
    the items in them are a sample: the interval is not about other subjects. `n` counts all items. It puts the Wilson
    limits of the shares together (MOVER), and is one share's Wilson interval where there is one.

    Raises:
        ValueError: There is no share, the numbers of both differ, or as `wilson`.

    Source: Zou, Huang and Zhang 2009, "A note on confidence interval estimation for a linear function of binomial
    proportions", Computational Statistics & Data Analysis 53, section 2, with weights 1 / k.
    """
    if not counts or len(successes) != len(counts):
        raise ValueError(f"Needed as many successes as counts and one or more, had {len(successes)} and {len(counts)}.")
    parts = [wilson(right, n, level) for right, n in zip(successes, counts, strict=True)]
    mean, total = math.fsum(part.estimate for part in parts) / len(parts), sum(counts)
    below = [part.estimate - part.low for part in parts if part.low is not None]
    above = [part.high - part.estimate for part in parts if part.high is not None]
    if len(below) < len(parts):  # a share of one item has no interval
        return Effect(mean, None, None, total, level, "mean of shares, wilson")
    low, high = mean - math.hypot(*below) / len(parts), mean + math.hypot(*above) / len(parts)
    return Effect(mean, max(0.0, low), min(1.0, high), total, level, "mean of shares, wilson")


def check_level(level: float) -> None:
    """Refuses a confidence level that is not strictly between 0 and 1, such as 95 for 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"A confidence level lies between 0 and 1, was {level}.")
