"""How large a difference must be before so many test items can show it."""

from __future__ import annotations

import math

from scipy.special import ndtri

from assay.stats.inference.intervals import check_level


def minimum_detectable_difference(n: int, differing: float, level: float = 0.95, power: float = 0.8) -> float:
    """The true difference of two accuracies that `n` paired items show with probability `power`, as a fraction.

    `differing` is the share of items that exactly one of the two models gets right, 0 to 1: ten thousand items on
    which two models differ in one of ten show 0.9 points; five hundred, 4.0. Training luck comes on top of it.
    The answer never exceeds `differing`, because no difference can; where it reaches it, n items may show nothing.

    Raises:
        ValueError: `n` is below 2, or a share lies outside its range.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design",
    equation 3, solved for the difference; its normal approximation.
    """
    check_level(level)
    check_level(power)
    if n < 2 or not 0 <= differing <= 1:
        raise ValueError(f"Needed: n >= 2 and a share of differing items in [0, 1], had {n} and {differing}.")
    alpha, beta = float(ndtri(0.5 + level / 2)), float(ndtri(power))
    # n d^2 = (alpha sqrt(differing) + beta sqrt(differing - d^2))^2: quadratic in d^2 once the roots are gone; a few
    # rounds of putting d back are simpler and converge, because d^2 is small beside `differing`.
    difference = 0.0
    for _ in range(100):
        left = max(0.0, differing - difference**2)
        difference = min(differing, (alpha * math.sqrt(differing) + beta * math.sqrt(left)) / math.sqrt(n))
    return difference
