"""The verdict: what an interval of a difference allows us to say."""

from __future__ import annotations

from typing import Literal, TypeAlias

from assay.core.effect import Effect

Verdict: TypeAlias = Literal["helped", "hurt", "no difference shown"]


def verdict(effect: Effect) -> Verdict:
    """Says "helped" where the whole interval lies above zero, "hurt" where below, else "no difference shown".

    `effect` is a difference where more is better. Without an interval nothing is shown.
    """
    if effect.low is not None and effect.low > 0:
        return "helped"
    if effect.high is not None and effect.high < 0:
        return "hurt"
    return "no difference shown"
