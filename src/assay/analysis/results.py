"""The numbers of the page, for programs: what `results.json` holds."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from assay.analysis import derived
from assay.analysis.learning import Learning
from assay.analysis.measures import Measure
from assay.analysis.proof import Arm, Comparison, OtherMeasure
from assay.analysis.report_data import Confusion, ReportFacts, ScoreColumn, Specimen
from assay.analysis.robustness import OodScores, SideBySide
from assay.analysis.verdict import answer_sentence, comparison_sentence, limits

FORMAT = 2
"""Goes up when a key changes its meaning or goes away."""


def to_results(facts: ReportFacts) -> dict[str, Any]:
    """Every number on the page, as plain JSON values; shares are fractions, unknown is null, there is no NaN."""
    return {
        "format": FORMAT,
        "name": facts.name,
        "question": facts.question,
        "verdict": facts.verdict,
        "answer": answer_sentence(facts),
        "origin": {**asdict(facts.origin), "versions": dict(facts.origin.versions)},
        "equal": facts.equal,
        "measure": asdict(facts.measure),
        "arms": [_arm(arm) for arm in facts.arms],
        "effects": [_effect(pair, facts.measure) for pair in facts.comparisons],
        "measures": [_other(one) for one in facts.others],
        "also": [_other(one) for one in facts.also],
        "duels": [{**asdict(one), "verdict": one.verdict} for one in facts.duels],
        "learning": [_learning(one) for one in facts.learned],
        "answers": [{**asdict(one), "answers": dict(one.answers)} for one in facts.answered],
        "limits": list(limits(facts)),
        "funnel": _funnel(facts),
        "scores": [_score(column) for column in facts.scores],
        "variety": None if facts.variety is None else asdict(facts.variety),
        "preferences": None if facts.preferences is None else asdict(facts.preferences),
        "choices": None if facts.choices is None else asdict(facts.choices),
        "texts" if facts.of_texts else "images": [_specimen(one) for one in facts.specimens],
        "expert": _expert(facts),
        "pupil": None if facts.pupil is None else {"arm": facts.pupil.arm, **_confusion(facts.pupil.confusion)},
        "ood_scores": [_unknowns(model) for model in facts.unknowns],
        "calibration": [asdict(one) for one in facts.calibration],
        "beside": None if facts.beside is None else _beside(facts.beside),
        "drift": [asdict(row) for row in facts.drift],
        "leakage": [asdict(row) for row in facts.leakage],
        "sets": [asdict(row) for row in facts.sets],
        "exchange_rate": None if facts.exchange is None else asdict(facts.exchange),
        "cost": _cost(facts),
        "data": [asdict(source) for source in facts.data],
        "models": [asdict(model) for model in facts.models],
        "synthetic": [asdict(share) for share in facts.shares],
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        **asdict(arm),
        "per_class": {label: asdict(effect) for label, effect in arm.per_class},
        "history": [
            {"seed": curve.seed, "points": [[step, loss if isfinite(loss) else None] for step, loss in curve.points]}
            for curve in arm.history
        ],
    }


def _effect(pair: Comparison, measure: Measure) -> dict[str, Any]:
    return {**asdict(pair), "verdict": pair.verdict, "sentence": comparison_sentence(pair, measure)}


def _learning(one: Learning) -> dict[str, Any]:
    told = asdict(one)
    if one.hacking is not None:
        told["hacking"] |= {"rose": one.hacking.rose, "fell": list(one.hacking.fell), "flagged": one.hacking.flagged}
    return told


def _other(one: OtherMeasure) -> dict[str, Any]:
    return {
        **asdict(one),
        "arms": {arm: asdict(effect) for arm, effect in one.arms},
        "comparisons": [_effect(pair, one.measure) for pair in one.comparisons],
    }


def _funnel(facts: ReportFacts) -> dict[str, Any]:
    funnel = facts.funnel
    return {
        "requested": funnel.requested,
        "kept": funnel.kept,
        "kept_share": derived.kept_share(facts),
        "dropped": dict(funnel.dropped),
        "dropped_by_rule": {name: dict(rules) for name, rules in funnel.rules.items()},
        "dropped_total": sum(funnel.dropped.values()),
        "failed": dict(funnel.failed),
        "failed_total": sum(funnel.failed.values()),
        "by_label": [asdict(row) for row in funnel.by_label],
    }


def _score(column: ScoreColumn) -> dict[str, Any]:
    bins, out = derived.histogram(column), derived.beyond(column)
    return {
        "name": column.name,
        "unit": column.unit,
        "low": column.low,
        "high": column.high,
        "better": column.better,
        "kept": len(column.kept),
        "dropped": len(column.dropped),
        "unscored": dict(column.unscored),
        "thresholds": [asdict(line) for line in column.thresholds],
        "beyond": None if out is None else asdict(out),
        "histogram": None if bins is None else asdict(bins),
    }


def _specimen(one: Specimen) -> dict[str, Any]:
    shown = {
        "id": one.id,
        "label": one.label,
        "prompt": one.prompt,
        "kept": one.kept,
        "scores": dict(one.scores),
        "rule": one.rule,
        "reason": one.reason,
    }
    return shown if one.png else {**shown, "text": one.text}


def _confusion(confusion: Confusion) -> dict[str, Any]:
    overall = derived.overall_agreement(confusion)
    return {
        **asdict(confusion),
        "agreement": {
            label: None if effect is None else asdict(effect) for label, effect in derived.agreement(confusion)
        },
        "overall": None if overall is None else asdict(overall),
    }


def _expert(facts: ReportFacts) -> dict[str, Any] | None:
    expert = facts.expert
    if expert is None:
        return None
    own = None if expert.accuracy is None else asdict(expert.accuracy)
    return {"model": expert.model, "accuracy": own, **_confusion(expert.confusion)}


def _beside(found: SideBySide) -> dict[str, Any]:
    answers = Confusion(found.labels, found.labels, found.answers)
    rates = {name: 1e6 / microseconds for name, microseconds in found.microseconds.items()}
    return {**asdict(found), "answers": _confusion(answers), "per_second": rates}


def _unknowns(model: OodScores) -> dict[str, Any]:
    shown = [{key: value for key, value in asdict(one).items() if key != "png"} for one in model.shown]
    return {**asdict(model), "shown": shown}


def _cost(facts: ReportFacts) -> dict[str, Any]:
    return {
        "stages": [{**asdict(stage), "per_second": derived.rate(stage)} for stage in facts.stages],
        "seconds": derived.total_seconds(facts),
        "tokens": derived.total_tokens(facts),
        "dollars": derived.total_dollars(facts),
    }
