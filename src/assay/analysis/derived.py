"""What follows from the facts: histograms, agreement, rates. The page and `results.json` both read it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assay.analysis.report_data import FROM, NOT_AMONG, Confusion, ReportFacts, ScoreColumn, StageCost
from assay.core.effect import Effect
from assay.stats.inference.intervals import wilson

BINS = 30
RULES = 8
"""Of one filter that are listed; one that has a rule a label may have many more."""


@dataclass(frozen=True)
class Histogram:
    """Counts of kept and dropped samples in bins of equal width; bin i runs from edges[i] to edges[i + 1]."""

    edges: tuple[float, ...]
    kept: tuple[int, ...]
    dropped: tuple[int, ...]


def few_rules(rules: Mapping[str, int]) -> list[tuple[str, int]]:
    """The first `RULES` of a filter, and how many all others dropped."""
    rows = list(rules.items())
    if len(rows) <= RULES:
        return rows
    others = rows[RULES - 1 :]
    return [*rows[: RULES - 1], (f"{len(others)} other rules", sum(number for _, number in others))]


def histogram(column: ScoreColumn) -> Histogram | None:
    """`BINS` bins over all values and thresholds of a column; None where it holds no number."""
    values = [*column.kept, *column.dropped]
    if not values:
        return None
    marks = [*values, *(line.value for line in column.thresholds)]
    low, high = min(marks), max(marks)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    kept, dropped = (np.histogram(part, edges)[0].tolist() for part in (column.kept, column.dropped))
    return Histogram(tuple(edges.tolist()), tuple(kept), tuple(dropped))


def agreement(confusion: Confusion) -> tuple[tuple[str, Effect | None], ...]:
    """For each intended label, the share that the answer agrees with; None where the label could not be answered."""
    rows = (_agreeing(confusion, label) for label in confusion.rows)
    return tuple((label, wilson(same, n) if n else None) for label, (same, n) in zip(confusion.rows, rows, strict=True))


def overall_agreement(confusion: Confusion) -> Effect | None:
    """The share of all samples that the answer agrees with, of those it could agree with."""
    pairs = [_agreeing(confusion, label) for label in confusion.rows]
    same, n = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return wilson(same, n) if n else None


def _agreeing(confusion: Confusion, label: str) -> tuple[int, int]:
    """(answers equal to `label`, all answers) of one row, without those that had no chance."""
    row = dict(zip(confusion.columns, confusion.counts[confusion.rows.index(label)], strict=True))
    n = sum(row.values()) - row.get(NOT_AMONG, 0)
    return row.get(label, 0), n


def kept_share(facts: ReportFacts) -> float | None:
    """Kept of requested."""
    return facts.funnel.kept / facts.funnel.requested if facts.funnel.requested else None


def rate(stage: StageCost) -> float | None:
    """Items a second."""
    return stage.items / stage.seconds if stage.items is not None and stage.seconds else None


def total_seconds(facts: ReportFacts) -> float | None:
    """Of all stages; None where one of them is not known."""
    return _total([stage.seconds for stage in facts.stages])


def total_dollars(facts: ReportFacts) -> float | None:
    """Of all stages; None where one price is not known."""
    return _total([stage.dollars for stage in facts.stages])


def total_tokens(facts: ReportFacts) -> int | None:
    """Of all stages; None where one of them is not known."""
    total = _total([stage.tokens for stage in facts.stages])
    return None if total is None else int(total)


def _total(values: list[float | None] | list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if values and len(known) == len(values) else None


def beyond(column: ScoreColumn) -> Effect | None:
    """The share of all samples with a number that lie beyond a line of the filters; None where there is no line.

    Wilson's interval: as if others were made and judged like these.
    """
    values = (*column.kept, *column.dropped)
    if not column.thresholds or not values:
        return None
    out = sum(
        any(value < line.value if line.text == FROM else value > line.value for line in column.thresholds)
        for value in values
    )
    return wilson(out, len(values))
