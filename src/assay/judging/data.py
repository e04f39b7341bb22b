"""JSON output of a judge run: results.json and the rows of judged.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.judging.judgments import JudgedPairs, JudgedTexts
from assay.judging.results import PairsResult, RateResult
from assay.stats.ratings.agreement import SelfPreference
from assay.store.answers import StoredAnswer


def pairs_data(results: Sequence[PairsResult], self_preferences: Sequence[SelfPreference | None]) -> dict[str, Any]:
    """Results of all judges as JSON."""
    rows = []
    for result, self_preference in zip(results, self_preferences, strict=True):
        row = asdict(result)
        row["wins"] = [{"name": name, **asdict(effect)} for name, effect in result.wins]
        rows.append({**row, "self_preference": asdict(self_preference) if self_preference is not None else None})
    return {"pairs": rows}


def rate_data(result: RateResult, judged: JudgedTexts) -> dict[str, Any]:
    """Results and rubric as JSON."""
    grades = [{"grade": grade, "texts": texts} for grade, texts in result.grades]
    return {"rubric": asdict(judged.rubric), **asdict(result), "grades": grades}


def pair_rows(judged: Sequence[JudgedPairs]) -> list[dict[str, Any]]:
    """One row per judge and pair; values are scores of output_a."""
    return [
        {
            **_origin(item),
            "judge": pairs.judge.reference,
            "as_given": _outcome(verdict.as_given, pairs.rows[2 * nth]),
            "swapped": _outcome(verdict.swapped, pairs.rows[2 * nth + 1]),
            "preference": verdict.preference,
            "inconsistent": verdict.inconsistent,
        }
        for pairs in judged
        for nth, (item, verdict) in enumerate(zip(pairs.items, pairs.verdicts, strict=True))
    ]


def rate_rows(judged: JudgedTexts) -> list[dict[str, Any]]:
    """One row per text."""
    rows = zip(judged.items, judged.outcomes, judged.rows, strict=True)
    return [{**_origin(item), **_outcome(outcome, row)} for item, outcome, row in rows]


def _origin(item: Sample) -> dict[str, Any]:
    return {name: str(item.fields[name]) for name in ("origin", "model_a", "model_b") if name in item.fields}


def _outcome(outcome: Outcome, row: StoredAnswer) -> dict[str, Any]:
    """An outcome as JSON, with the judge's texts if it is unscored."""
    if isinstance(outcome, Score):
        return {"value": outcome.value, "answer": outcome.answer, **outcome.evidence}
    assert isinstance(outcome, Unscored), "a judge gives a score or is unscored"
    return {"value": None, "unscored": outcome.cause, "reason": outcome.reason, "texts": list(row.texts)}
