"""The verdict: what an interval of a difference allows us to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from assay.core.effect import Effect

Verdict: TypeAlias = Literal["helped", "hurt", "no significant difference"]


def verdict(effect: Effect, p: float | None = None) -> Verdict:
    """Says "helped" where the whole interval lies above zero, "hurt" where below, else "no significant difference".

    `effect` is a difference where more is better. Without an interval nothing is shown. Where `p` is given, such as
    one that Holm adjusted for a family of comparisons, it must be at most 1 - level too.
    """
    if p is not None and p > 1 - effect.level + 1e-12:
        return "no significant difference"
    if effect.low is not None and effect.low > 0:
        return "helped"
    if effect.high is not None and effect.high < 0:
        return "hurt"
    return "no significant difference"


def negated(effect: Effect) -> Effect:
    """A difference the other way round."""
    low, high = (None if end is None else -end for end in (effect.high, effect.low))
    return replace(effect, estimate=-effect.estimate, low=low, high=high)
