"""Number formats of reports and messages: percentages, percentage points, intervals, p-values, durations, prices.

Minus is the minus sign U+2212. A no-break space joins a number to its unit, except before %.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.effect import Effect

NBSP = "\u00a0"
UNKNOWN = "unknown"
NO_INTERVAL = "no interval: n = 1"


def percent(fraction: float, digits: int = 1) -> str:
    """Format a fraction: 0.874 as "87.4%"."""
    return f"{100 * fraction:.{digits}f}%"


def count(n: int) -> str:
    """Format an integer: 10000 as "10,000"."""
    return f"{n:,}"


def number(value: float) -> str:
    """Format with three significant digits, or all integer digits: 0.803, 0.5, 23.1, 1,234."""
    text = f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", "\u2212")


def signed(difference: float, digits: int = 1) -> str:
    """Format a difference of fractions in percentage points, without unit: 0.019 as "+1.9"."""
    return f"{100 * difference:+.{digits}f}".replace("-", "\u2212")


def signed_number(value: float) -> str:
    """Format a difference of numbers that are not fractions: 0.019 as "+0.019"."""
    return number(value) if value < 0 else f"+{number(value)}"


def number_between(effect: Effect, *, sign: bool = False) -> str:
    """Format the interval of a number: "0.31-0.42", or "no interval"; with "to" between signed ends."""
    if effect.low is None or effect.high is None:
        return NO_INTERVAL
    if sign or effect.low < 0:
        formatted = signed_number if sign else number
        return f"{formatted(effect.low)} to {formatted(effect.high)}"
    return f"{number(effect.low)}\u2013{number(effect.high)}"


def points(effect: Effect) -> str:
    """Format a difference of fractions in percentage points: "+1.9 pp"."""
    return f"{signed(effect.estimate, digits_of(effect))}{NBSP}pp"


def points_between(effect: Effect) -> str:
    """Format the interval of a difference: "+1.2 to +2.6", or "no interval"."""
    if effect.low is None or effect.high is None:
        return NO_INTERVAL
    digits = digits_of(effect)
    return f"{signed(effect.low, digits)} to {signed(effect.high, digits)}"


def percent_between(effect: Effect) -> str:
    """Format the interval of a fraction: "86.7-88.0", or "no interval"."""
    if effect.low is None or effect.high is None:
        return NO_INTERVAL
    return f"{100 * effect.low:.1f}\u2013{100 * effect.high:.1f}"


def digits_of(effect: Effect) -> int:
    """Return the decimals of a difference: one, or more if a nonzero bound would be rounded to 0.0."""
    bounds = [abs(100 * bound) for bound in (effect.low, effect.high) if bound]
    return next((digits for digits in (1, 2) if all(bound >= 0.5 * 10**-digits for bound in bounds)), 3)


def level(effect: Effect) -> str:
    """Format the confidence level: 0.95 as "95%"."""
    return f"{100 * effect.level:.4g}%"


def ci(effect: Effect, interval: str) -> str:
    """Name a formatted interval: "95% CI 80.9-83.0", or "no interval: n = 1"."""
    return interval if effect.low is None or effect.high is None else f"{level(effect)} CI {interval}"


def percent_ci(effect: Effect, *, n: bool = True) -> str:
    """Format a proportion with its interval: "82.0% (95% CI 80.9-83.0, n = 5,000)"."""
    size = f", n = {count(effect.n)}" if n and effect.low is not None else ""
    return f"{percent(effect.estimate)} ({ci(effect, percent_between(effect))}{size})"


def number_ci(effect: Effect, *, sign: bool = False) -> str:
    """Format a number or a signed difference with its interval: "0.49 (95% CI 0.31-0.62)"."""
    estimate = signed_number(effect.estimate) if sign else number(effect.estimate)
    return f"{estimate} ({ci(effect, number_between(effect, sign=sign))})"


def p_value(p: float | None) -> str:
    """Format a p-value with three decimals, or as "< 0.001"."""
    if p is None:
        return "not tested"
    return "<\u00a00.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """Format a duration: "3.2 s", "4 min 11 s", "2 h 2 min"."""
    if value is None:
        return UNKNOWN
    if value < 60:
        return f"{value:.1f}{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"


def dollars(value: float | None) -> str:
    """Format US dollars; an unknown price is "unknown", never 0."""
    if value is None:
        return UNKNOWN
    # Below one cent, two significant digits: "$0.00" would read as free.
    return f"${value:.2f}" if value >= 0.01 or value == 0 else f"${value:.2g}"


def tokens(value: int | None) -> str:
    """Format a number of tokens, or "unknown"."""
    return UNKNOWN if value is None else count(value)


def plural(n: int, singular: str) -> str:
    """Format a count with its noun: 2, "seed" as "2 seeds"."""
    return f"{count(n)} {singular}{'' if n == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Join names: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
