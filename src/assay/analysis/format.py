"""Numbers as people read them. "%" is a share; "points" are the difference of two shares in percent.

A no-break space joins a number to its unit, and minus is a minus sign.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.effect import Effect

NBSP = "\u00a0"
UNKNOWN = "unknown"


def percent(share: float, digits: int = 1) -> str:
    """0.874 as "87.4 %"."""
    return f"{100 * share:.{digits}f}{NBSP}%"


def count(n: int) -> str:
    """10000 as "10,000"."""
    return f"{n:,}"


def number(value: float) -> str:
    """Three significant digits, and all those before the point: 0.803, 0.5, 23.1, 1,234."""
    text = f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def signed(share: float, digits: int = 1) -> str:
    """0.019 as "+1.9", in percentage points without the unit."""
    return f"{100 * share:+.{digits}f}".replace("-", "\u2212")


def signed_number(value: float) -> str:
    """0.019 as "+0.019": a difference of numbers that are no shares."""
    return number(value) if value < 0 else f"+{number(value)}"


def number_between(effect: Effect, *, sign: bool = False) -> str:
    """The interval of a number: "0.31 to 0.42", or that there is none."""
    if effect.low is None or effect.high is None:
        return "no interval below n = 2"
    shown = signed_number if sign else number
    return f"{shown(effect.low)} to {shown(effect.high)}"


def points(effect: Effect) -> str:
    """A difference: "+1.9 points"."""
    return f"{signed(effect.estimate, digits_of(effect))}{NBSP}points"


def points_between(effect: Effect) -> str:
    """The interval of a difference: "+1.2 to +2.6", or that there is none."""
    if effect.low is None or effect.high is None:
        return "no interval below n = 2"
    digits = digits_of(effect)
    return f"{signed(effect.low, digits)} to {signed(effect.high, digits)}"


def percent_between(effect: Effect) -> str:
    """The interval of a share: "86.7 to 88.0", or that there is none."""
    if effect.low is None or effect.high is None:
        return "no interval below n = 2"
    return f"{100 * effect.low:.1f} to {100 * effect.high:.1f}"


def digits_of(effect: Effect) -> int:
    """One decimal, or more where a bound that is not zero would read as 0.0 and seem to touch zero."""
    shown = [abs(100 * x) for x in (effect.low, effect.high) if x]
    return next((digits for digits in (1, 2) if all(x >= 0.5 * 10**-digits for x in shown)), 3)


def level(effect: Effect) -> str:
    """0.95 as "95 %"."""
    return f"{100 * effect.level:.4g}{NBSP}%"


def p_value(p: float | None) -> str:
    """Three decimals; "< 0.001" below."""
    if p is None:
        return "not tested"
    return "<\u00a00.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """A span of time, to the unit that matters."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return f"{value:.1f}{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"


def dollars(value: float | None) -> str:
    """US dollars; what is not known is "unknown", never 0."""
    if value is None:
        return UNKNOWN
    # What is less than a cent is not nothing.
    return f"${value:.2f}" if value >= 0.01 or value == 0 else f"${value:.2g}"


def tokens(value: int | None) -> str:
    """A count, or "unknown"."""
    return UNKNOWN if value is None else count(value)


def plural(n: int, singular: str) -> str:
    """2, "seed" as "2 seeds"."""
    return f"{count(n)} {singular}{'' if n == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
