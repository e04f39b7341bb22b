"""What is counted of single cells beside their share: subjects one by one, and answers that were cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assay.core.effect import Effect
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.page.text import measure, names
from assay.evaluation.run import Filled
from assay.report.document import Finding
from assay.stats.inference.intervals import wilson


@dataclass(frozen=True)
class Subject:
    """One subject in one cell."""

    name: str
    accuracy: Effect
    """Counted as in the whole cell."""


def by_subject(filled: Filled) -> tuple[Subject, ...]:
    """Subjects from the best to the worst; none where there are fewer than two."""
    groups: dict[str, list[float]] = {}
    for item, outcome in zip(filled.items, filled.outcomes, strict=True):
        if (value := worth(outcome)) is not None:
            groups.setdefault(str(item.fields.get("subject", "")), []).append(value)
    if len(groups) < 2:
        return ()
    found = [Subject(name or "no subject", wilson(sum(own), len(own))) for name, own in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.accuracy.estimate, one.name)))


def worth(outcome: Outcome) -> float | None:
    """What a question counts: what cannot be read nothing, what has no answer is left out."""
    if isinstance(outcome, Score):
        return outcome.value
    return 0.0 if isinstance(outcome, Unscored) and outcome.cause == "unparsed" else None


def cut_off(filled: Filled) -> int | None:
    """Answers that ended at the limit of tokens, of two calls the second; None where nothing was written."""
    return sum("length" in row.ends for row in filled.rows) if any(row.ends for row in filled.rows) else None


def more_data(filled: Sequence[Filled], found: Finding) -> dict[str, Any]:
    """What the page has beside `to_data`, as JSON for `results.json`: the finding, subjects and answers cut off."""
    lines = [({**names(one.cell), "measure": measure(one.cell)}, one) for one in filled]
    return {
        "finding": asdict(found),
        "cut_off": [{**named, "answers": cut_off(one), "n": len(one.rows)} for named, one in lines],
        "subjects": [
            {**named, "subjects": [{"name": own.name, **asdict(own.accuracy)} for own in subjects]}
            for named, one in lines
            if (subjects := by_subject(one))
        ],
    }
