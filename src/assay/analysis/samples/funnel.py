"""Counts of requested, kept, dropped and failed samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.analysis.finished_run import FinishedRun
from assay.core.sample import Failure

MAX_RULES = 8
"""Rules of one filter that are listed; a filter with one rule per label may have many more."""


@dataclass(frozen=True)
class LabelFunnel:
    """Counts of one label's samples."""

    label: str
    requested: int
    kept: int
    dropped: int
    failed: int


@dataclass(frozen=True)
class Funnel:
    """Counts of all samples: requested = kept + dropped + failed, in total and for each label.

    Raises:
        ValueError: The counts do not add up, or one is negative.
    """

    requested: int
    kept: int
    dropped: Mapping[str, int]
    """Counts by filter; a sample counts for the first filter that dropped it."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Counts by reason."""
    by_label: tuple[LabelFunnel, ...] = ()
    dropped_by_rule: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Counts by filter and rule, for filters with several rules; the most frequent rule first."""

    def __post_init__(self) -> None:
        _check_sum("all samples", self.requested, (self.kept, self.dropped_total, self.failed_total))
        for row in self.by_label:
            _check_sum(f"label {row.label!r}", row.requested, (row.kept, row.dropped, row.failed))
        if min((0, *self.dropped.values(), *self.failed.values())) < 0:
            raise ValueError("The funnel holds a negative count.")
        for name, rules in self.dropped_by_rule.items():
            if sum(rules.values()) != self.dropped.get(name, 0):
                raise ValueError(
                    f"The rules of filter {name!r} add up to {sum(rules.values())} dropped samples, "
                    f"but the filter dropped {self.dropped.get(name, 0)}."
                )
        if self.by_label:
            sums = [sum(getattr(row, part) for row in self.by_label) for part in ("kept", "dropped", "failed")]
            totals = [self.kept, self.dropped_total, self.failed_total]
            if sums != totals:
                raise ValueError(f"The labels' kept, dropped and failed add up to {sums}, not to {totals}.")

    @property
    def kept_fraction(self) -> float | None:
        """Kept samples as a fraction of the requested ones; None if nothing was requested."""
        return self.kept / self.requested if self.requested else None

    @property
    def dropped_total(self) -> int:
        """Samples dropped by any filter."""
        return sum(self.dropped.values())

    @property
    def failed_total(self) -> int:
        """Samples that failed for any reason."""
        return sum(self.failed.values())


def funnel(run: FinishedRun) -> Funnel:
    """Count kept, dropped and failed samples in total, by rule and by label."""
    label_of_seed = {seed.id: seed.text("label") for seed in run.recipe.generate.seeds() if "label" in seed.fields}
    kept_ids = {row.id for row in run.decisions if row.keep}
    dropped = Counter(row.filter for row in run.decisions if not row.keep)
    failed = Counter(row.reason for row in run.generated_rows if isinstance(row, Failure))
    by_label: dict[str, Counter[str]] = {label: Counter() for label in label_of_seed.values()}
    for row in run.generated_rows:
        if isinstance(row, Failure):
            by_label.setdefault(label_of_seed.get(row.seed, ""), Counter())["failed"] += 1
        elif "label" in row.fields:
            by_label.setdefault(row.text("label"), Counter())["kept" if row.id in kept_ids else "dropped"] += 1
    rows = tuple(
        LabelFunnel(label, sum(counts.values()), counts["kept"], counts["dropped"], counts["failed"])
        for label, counts in by_label.items()
    )
    complete = sum(row.requested for row in rows) == len(run.generated_rows)
    return Funnel(
        len(run.generated_rows), len(kept_ids), dropped, failed, rows if complete else (), _dropped_by_rule(run)
    )


def _dropped_by_rule(run: FinishedRun) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in run.decisions:
        if not row.keep:
            counts.setdefault(row.filter, Counter())[row.rule] += 1
    return {name: dict(rules.most_common()) for name, rules in counts.items() if len(rules) > 1}


def few_rules(rules: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the first `MAX_RULES` rules of a filter, the last of them a sum of all others."""
    rows = list(rules.items())
    if len(rows) <= MAX_RULES:
        return rows
    others = rows[MAX_RULES - 1 :]
    return [*rows[: MAX_RULES - 1], (f"{len(others)} other rules", sum(number for _, number in others))]


def _check_sum(name: str, requested: int, parts: tuple[int, int, int]) -> None:
    """Check that requested = kept + dropped + failed, and that no count is negative.

    Raises:
        ValueError: The counts do not add up.
    """
    if min(parts) < 0 or sum(parts) != requested:
        raise ValueError(
            f"The funnel of {name} does not add up: requested {requested}, "
            f"but kept {parts[0]} + dropped {parts[1]} + failed {parts[2]} = {sum(parts)}."
        )
