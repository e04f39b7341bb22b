"""From a finished run's folder to what became of every sample asked for."""

from __future__ import annotations

from collections import Counter

from assay.analysis.finished_run import Finished
from assay.analysis.report_data import Funnel, LabelFunnel
from assay.core.sample import Failure


def funnel(run: Finished) -> Funnel:
    """What became of every sample asked for."""
    label_of = {seed.id: seed.text("label") for seed in run.recipe.generate.seeds() if "label" in seed.fields}
    kept = {row.id for row in run.decisions if row.keep}
    dropped = Counter(row.filter for row in run.decisions if not row.keep)
    failed = Counter(row.reason for row in run.made if isinstance(row, Failure))
    by_label: dict[str, Counter[str]] = {label: Counter() for label in label_of.values()}
    for row in run.made:
        if isinstance(row, Failure):
            by_label.setdefault(label_of.get(row.seed, ""), Counter())["failed"] += 1
        elif "label" in row.fields:
            by_label.setdefault(row.text("label"), Counter())["kept" if row.id in kept else "dropped"] += 1
    rows = tuple(
        LabelFunnel(label, sum(found.values()), found["kept"], found["dropped"], found["failed"])
        for label, found in by_label.items()
    )
    whole = sum(row.requested for row in rows) == len(run.made)
    return Funnel(len(run.made), len(kept), dropped, failed, rows if whole else (), _rules(run))


def _rules(run: Finished) -> dict[str, dict[str, int]]:
    """Of the filters that dropped by more than one rule."""
    found: dict[str, Counter[str]] = {}
    for row in run.decisions:
        if not row.keep:
            found.setdefault(row.filter, Counter())[row.rule] += 1
    return {name: dict(rules.most_common()) for name, rules in found.items() if len(rules) > 1}
