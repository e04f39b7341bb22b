"""Charts as inline SVG. Positions are in percent and text is in pixels, so that a chart fits any width.

Colors are classes of `style.css`. `aria-label` describes each chart; its numbers are in a table of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from assay.analysis.models.exchange_rate import ExchangeRate
from assay.analysis.models.training import TrainingCurve
from assay.analysis.proof import Arm, readable
from assay.analysis.samples.scores import Histogram, ScoreThreshold
from assay.core.effect import Effect
from assay.report.axis import Axis, axis_between, axis_over
from assay.stats.confidence.calibration import Calibration

_ARMS = (
    "real",
    "filtered",
    "unfiltered",
    "random-subset",
    "permuted-labels",
    "real+synthetic",
    "real-few-shot",
    "nearest-real",
)


MAX_DOTS = 12
"""A line with more measurements has no dots."""
_SAME_COLOR = {
    "human": "real",
    "human+synthetic": "real+synthetic",
    "base": "permuted-labels",
    "sft": "random-subset",
    "ppo": "unfiltered",
    "dpo": "filtered",
    "grpo": "filtered",
    "imitation": "unfiltered",
}
"""Arms of task recipes, with the arm of labeled data whose color they have; no shipped recipe has both."""


def arm_class(name: str) -> str:
    """Return the CSS class of an arm's color; arms of unknown names share one."""
    kind = name.partition("@")[0]
    name = _SAME_COLOR.get(kind, kind)
    return f"arm-{name.replace('+', '-')}" if name in _ARMS else "arm-other"


@dataclass(frozen=True)
class Strip:
    """One row of an interval plot: a fraction or a difference of fractions; the axis is in percent."""

    label: str
    """Text for screen readers."""
    effect: Effect
    css: str
    dots: tuple[float, ...] = ()
    """Results of single seeds."""


def strip(row: Strip, axis: Axis, zero: float | None = None) -> Markup:
    """Draw an estimate with its interval, or an arrow outside the axis. `zero`: position of a reference line."""
    grid = Markup("").join(_vertical(axis.at(tick), "grid") for tick in axis.ticks)
    mark = _vertical(axis.at(zero), "zero") if zero is not None else Markup("")
    body = _interval(row, axis) if axis.holds(100 * row.effect.estimate) else _arrow(row, axis)
    return Markup('<svg class="strip {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        row.css, row.label, grid, mark, body
    )


def _interval(row: Strip, axis: Axis) -> Markup:
    effect = row.effect
    parts = [
        Markup('<circle class="seed" cx="{:.2f}%" cy="50%" r="3"/>').format(axis.at(100 * dot)) for dot in row.dots
    ]
    if effect.low is not None and effect.high is not None:
        parts.append(
            Markup('<line class="span" x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(
                axis.at(100 * effect.low), axis.at(100 * effect.high)
            )
        )
    parts.append(Markup('<circle class="dot" cx="{:.2f}%" cy="50%" r="6"/>').format(axis.at(100 * effect.estimate)))
    return Markup("").join(parts)


def _arrow(row: Strip, axis: Axis) -> Markup:
    below = 100 * row.effect.estimate < axis.low
    return Markup('<text class="beyond" x="{}%" y="50%" dy="4" text-anchor="{}">{}</text>').format(
        0 if below else 100, "start" if below else "end", "◀ off the scale" if below else "off the scale ▶"
    )


def ruler(axis: Axis, unit: str) -> Markup:
    """Draw the tick labels below a column of strips."""
    ticks = Markup("").join(
        Markup('<text class="tick" x="{:.2f}%" y="12" text-anchor="{}">{}{}</text>').format(
            axis.at(tick), _anchor(axis.at(tick)), axis.text(tick), unit
        )
        for tick in axis.ticks
    )
    return Markup('<svg class="ruler" aria-hidden="true">{}</svg>').format(ticks)


def strip_axis(effects: Sequence[Effect], *, signed: bool = False) -> Axis:
    """Return an axis in percent over the effects within 15 percentage points of the first one.

    A chance baseline far below the others, such as permuted labels, would otherwise compress them to one dot.
    """
    near = [effect for effect in effects if abs(effect.estimate - effects[0].estimate) <= 0.15]
    values = [
        100 * value for effect in near for value in (effect.low, effect.estimate, effect.high) if value is not None
    ]
    return axis_over([*values, *(-value for value in values)] if signed else values)


def histogram_plot(histogram: Histogram, thresholds: Sequence[ScoreThreshold], label: str) -> Markup:
    """Draw a stacked histogram of kept and dropped samples with the filters' thresholds."""
    axis = axis_between(histogram.edges[0], histogram.edges[-1])
    top = axis_over([0, *(k + d for k, d in zip(histogram.kept, histogram.dropped, strict=True))], ticks=3)
    bars = []
    for nth, (kept, dropped) in enumerate(zip(histogram.kept, histogram.dropped, strict=True)):
        left, right = axis.at(histogram.edges[nth]), axis.at(histogram.edges[nth + 1])
        bars.append(_bar("kept", (left, right), (0, top.at(kept))))
        bars.append(_bar("dropped", (left, right), (top.at(kept), top.at(kept + dropped))))
    marks = [
        _vertical(axis.at(threshold.value), "threshold")
        + Markup('<text class="note" x="{:.2f}%" y="-6" text-anchor="{}">{}</text>').format(
            axis.at(threshold.value), _anchor(axis.at(threshold.value)), threshold.text
        )
        for threshold in thresholds
    ]
    return _frame(Markup("").join([*bars, *marks]), (axis, top), label)


def _bar(css: str, x: tuple[float, float], y: tuple[float, float]) -> Markup:
    if y[0] == y[1]:
        return Markup("")
    return Markup('<rect class="{}" x="{:.2f}%" y="{:.2f}%" width="{:.2f}%" height="{:.2f}%"/>').format(
        css, x[0] + 0.15, 100 - y[1], max(0.1, x[1] - x[0] - 0.3), y[1] - y[0]
    )


def loss_plot(arm: Arm, axes: tuple[Axis, Axis]) -> Markup:
    """Draw training loss by optimizer step, one line per seed; `axes` are shared by all arms."""
    lines = []
    for curve in arm.history:
        points = " ".join(
            f"{axes[0].at(step):.2f},{100 - axes[1].at(loss):.2f}" for step, loss in curve.points if isfinite(loss)
        )
        lines.append(Markup('<polyline points="{}"/>').format(points))
    # Polyline points cannot be in percent, so they are drawn in a 100 x 100 box that is stretched over the plot.
    box = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none" class="lines {}">{}</svg>').format(
        arm_class(arm.name), Markup("").join(lines)
    )
    return _frame(box, axes, f"Training loss of {readable(arm.name)} by optimizer step, {len(arm.history)} seeds")


def loss_axes(arms: Sequence[Arm]) -> tuple[Axis, Axis] | None:
    """Return the axes of steps and loss over all arms; None if no loss is finite."""
    points = [p for arm in arms for curve in arm.history for p in curve.points if isfinite(p[1])]
    if not points:
        return None
    x_axis = axis_between(0, max(1, *(step for step, _ in points)), ticks=3)
    return x_axis, axis_over([0.0, *(loss for _, loss in points)], ticks=4)


def training_curve_plot(curve: TrainingCurve, css: str) -> Markup:
    """Draw one quantity by step, one line per seed; with a dot at each step if it has few measurements."""
    points = [point for line in curve.lines for point in line.points]
    x_axis = axis_between(0, max([1, *(step for step, _ in points)]), ticks=3)
    y_axis = axis_over([value for _, value in points] or [0.0, 1.0], ticks=4)
    label = f"{curve.name} by step, {len(curve.lines)} lines"
    lines = Markup("").join(
        Markup('<polyline points="{}"/>').format(
            " ".join(f"{x_axis.at(step):.2f},{100 - y_axis.at(value):.2f}" for step, value in line.points)
        )
        for line in curve.lines
    )
    box = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none" class="lines {}">{}</svg>').format(css, lines)
    dots = Markup("").join(
        Markup('<circle class="bin {}" cx="{:.2f}%" cy="{:.2f}%" r="3.5"><title>{}</title></circle>').format(
            css, x_axis.at(step), 100 - y_axis.at(value), f"step {step}: {value:.3g}"
        )
        for line in curve.lines
        if len(line.points) <= MAX_DOTS
        for step, value in line.points
    )
    return _frame(box + dots, (x_axis, y_axis), label)


def reliability_diagram(calibration: Calibration) -> Markup:
    """Draw a reliability diagram: accuracy by confidence over bins of equal size, with the diagonal."""
    low = math.floor(10 * min(min(bin_.confidence, bin_.accuracy) for bin_ in calibration.bins)) * 10
    axis = axis_between(float(low), 100.0, ticks=5)
    ends = axis.at(axis.low), axis.at(axis.high)
    diagonal = Markup('<line class="zero" x1="{:.2f}%" y1="{:.2f}%" x2="{:.2f}%" y2="{:.2f}%"/>').format(
        ends[0], 100 - ends[0], ends[1], 100 - ends[1]
    )
    dots = Markup("").join(
        Markup('<circle class="bin" cx="{:.2f}%" cy="{:.2f}%" r="4"><title>{}</title></circle>').format(
            axis.at(100 * bin_.confidence),
            100 - axis.at(100 * bin_.accuracy),
            f"{bin_.n} items: confidence {100 * bin_.confidence:.1f}%, accuracy {100 * bin_.accuracy:.1f}%",
        )
        for bin_ in calibration.bins
    )
    return _frame(
        diagonal + dots,
        (axis, axis),
        f"Reliability diagram: accuracy by confidence, {len(calibration.bins)} bins of equal size",
    )


def risk_line(points: Sequence[tuple[float, float]], axes: tuple[Axis, Axis], level: float, label: str) -> Markup:
    """Draw a risk-coverage curve in percent; `level`: risk at full coverage, drawn as a horizontal line."""
    x_axis, y_axis = axes
    line = Markup('<polyline points="{}"/>').format(
        " ".join(f"{x_axis.at(x):.2f},{100 - y_axis.at(y):.2f}" for x, y in points)
    )
    box = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none" class="lines arm-filtered">{}</svg>').format(
        line
    )
    flat = Markup('<line class="zero" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>').format(100 - y_axis.at(level))
    return _frame(flat + box, axes, label)


def exchange_rate_plot(rate: ExchangeRate) -> Markup:
    """Draw accuracy by number of real samples with its fit, and the equivalent number of an arm's samples."""
    sizes = [size for size, _ in rate.curve]
    equivalent = rate.equivalent.estimate if rate.equivalent.estimate is not None else max(sizes)
    x_axis = axis_between(0, 1.08 * max(*sizes, min(equivalent, 2 * max(sizes))), ticks=4)
    fitted = [
        (size, 1 - (rate.floor + rate.scale * size**-rate.exponent))
        for size in (min(sizes) + (x_axis.high - min(sizes)) * nth / 60 for nth in range(61))
    ]
    heights = [100 * accuracy for _, accuracy in (*rate.curve, *fitted, (0, rate.accuracy))]
    y_axis = axis_over(heights, ticks=4)
    points = " ".join(f"{x_axis.at(size):.2f},{100 - y_axis.at(100 * accuracy):.2f}" for size, accuracy in fitted)
    line = Markup(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" class="lines arm-real"><polyline points="{}"/></svg>'
    ).format(points)
    dots = [
        Markup('<circle class="bin arm-real" cx="{:.2f}%" cy="{:.2f}%" r="4"><title>{}</title></circle>').format(
            x_axis.at(size), 100 - y_axis.at(100 * accuracy), f"{size} real samples: {100 * accuracy:.1f}%"
        )
        for size, accuracy in rate.curve
    ]
    height = 100 - y_axis.at(100 * rate.accuracy)
    level = Markup('<line class="threshold" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>').format(height)
    if rate.equivalent.estimate is not None and x_axis.holds(rate.equivalent.estimate):
        level += Markup('<line class="threshold" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.2f}%" y2="100%"/>').format(
            x_axis.at(rate.equivalent.estimate), height
        )
    label = f"Accuracy by number of real samples, {len(rate.curve)} trainings, and the accuracy of {readable(rate.arm)}"
    return _frame(Markup("").join([line, *dots, level]), (x_axis, y_axis), label)


def _frame(inner: Markup, axes: tuple[Axis, Axis], label: str) -> Markup:
    """Draw a plot with its two axes."""
    x_axis, y_axis = axes
    grid = [
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>'
            '<text class="tick" x="-8" y="{0:.2f}%" dy="4" text-anchor="end">{1}</text>'
        ).format(100 - y_axis.at(tick), y_axis.text(tick))
        for tick in y_axis.ticks
    ]
    below = [
        Markup('<text class="tick" x="{:.2f}%" y="100%" dy="17" text-anchor="{}">{}</text>').format(
            x_axis.at(tick), _anchor(x_axis.at(tick)), x_axis.text(tick)
        )
        for tick in x_axis.ticks
    ]
    return Markup('<div class="plot"><svg role="img" aria-label="{}">{}{}{}</svg></div>').format(
        label, Markup("").join(grid), inner, Markup("").join(below)
    )


def parts(counts: Sequence[tuple[str, str, int]], label: str) -> Markup:
    """Draw one stacked bar of (CSS class, name, count); names are tooltips."""
    total = sum(n for _, _, n in counts) or 1
    start, bars = 0.0, []
    for css, name, n in counts:
        bars.append(
            Markup('<rect class="{}" x="{:.3f}%" y="0" width="{:.3f}%" height="100%"><title>{}</title></rect>').format(
                css, start, 100 * n / total, name
            )
        )
        start += 100 * n / total
    return Markup('<svg class="parts" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(bars))


def _vertical(position: float, css: str) -> Markup:
    return Markup('<line class="{0}" x1="{1:.2f}%" x2="{1:.2f}%" y1="0" y2="100%"/>').format(css, position)


def _anchor(position: float) -> str:
    """Return the text anchor that keeps a label inside the plot."""
    return "start" if position < 4 else "end" if position > 96 else "middle"
