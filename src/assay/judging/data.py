"""A judging for programs: results.json, and one line for everything that was judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.judging.pairs import JudgedPairs
from assay.judging.rate import JudgedTexts
from assay.judging.results import PairsResult, RateResult
from assay.stats.ratings.agreement import SelfPreference
from assay.store.answers import StoredAnswer


def pairs_data(results: Sequence[PairsResult], favors: Sequence[SelfPreference | None]) -> dict[str, Any]:
    """Every number of every judge."""
    rows = []
    for one, favor in zip(results, favors, strict=True):
        row = asdict(one)
        row["wins"] = [{"name": name, **asdict(effect)} for name, effect in one.wins]
        rows.append({**row, "self_preference": asdict(favor) if favor is not None else None})
    return {"pairs": rows}


def rate_data(result: RateResult, judged: JudgedTexts) -> dict[str, Any]:
    """Every number, with the rubric as it was held fixed."""
    grades = [{"grade": grade, "texts": texts} for grade, texts in result.grades]
    return {"rubric": asdict(judged.rubric), **asdict(result), "grades": grades}


def pair_rows(judged: Sequence[JudgedPairs]) -> list[dict[str, Any]]:
    """One a judge and pair; values are what is given to output_a."""
    return [
        {
            **_origin(item),
            "judge": each.judge.reference,
            "as_given": _outcome(verdict.as_given, each.rows[2 * nth]),
            "swapped": _outcome(verdict.swapped, each.rows[2 * nth + 1]),
            "worth": verdict.worth,
            "conflict": verdict.conflict,
        }
        for each in judged
        for nth, (item, verdict) in enumerate(zip(each.items, each.verdicts, strict=True))
    ]


def rate_rows(judged: JudgedTexts) -> list[dict[str, Any]]:
    """One a text."""
    rows = zip(judged.items, judged.outcomes, judged.rows, strict=True)
    return [{**_origin(item), **_outcome(outcome, row)} for item, outcome, row in rows]


def _origin(item: Sample) -> dict[str, Any]:
    return {name: str(item.fields[name]) for name in ("origin", "model_a", "model_b") if name in item.fields}


def _outcome(outcome: Outcome, row: StoredAnswer) -> dict[str, Any]:
    """With all that the judge wrote where it could not be read."""
    if isinstance(outcome, Score):
        return {"value": outcome.value, "said": outcome.answer, **outcome.evidence}
    assert isinstance(outcome, Unscored), "judges give scores or say why not"
    return {"value": None, "unscored": outcome.cause, "why": outcome.reason, "texts": list(row.texts)}
