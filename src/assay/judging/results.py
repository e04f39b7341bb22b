"""Results of a judge run: win rates or grades, and measures of the judge's reliability and validity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.core.effect import Effect
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.judging.engine import JudgeConfig
from assay.judging.judgments import JudgedPairs, JudgedTexts
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.intervals import wilson
from assay.stats.ratings.agreement import (
    JudgePositionConsistency,
    SelfPreference,
    accuracy,
    cohen_kappa,
    correlation,
    position_consistency,
    self_preference,
)
from assay.stats.ratings.length_control import LengthAudit, length_audit
from assay.store.answers import StoredAnswer
from assay.text.answers.judgments import PairJudgment
from assay.text.similarity.rouge import rouge

GOLD = {"a": 1.0, "b": 0.0, "tie": 0.5}
"""Score of the first answer by human label."""
SIDES = {1.0: 1, 0.0: 2, 0.5: 0}
"""Winner code of `positions` by score of the first answer."""


@dataclass(frozen=True)
class JudgmentCounts:
    """Counts of scored, unparsed and failed items, with time and cost."""

    n: int
    scored: int
    unparsed: int
    failed: int
    why: str
    """Reason of the first unscored item; empty if all are scored."""
    seconds: float
    tokens: int | None
    dollars: float | None


@dataclass(frozen=True)
class HumanAgreement:
    """Agreement with human labels or grades of the same items."""

    n: int
    judge: Effect | None
    """Agreement rate with labels over both orders; or Spearman correlation with human grades, None if undefined."""
    beyond_chance: Effect | None
    """Cohen's kappa of verdicts, or Kendall's tau-b; None if undefined."""
    rouge: Effect | None
    """The same as `judge` for ROUGE-L against the reference; None if a reference is missing or it is undefined."""
    unreferenced: int
    """Labeled or graded items without a reference."""
    balanced: Effect | None = None
    """Agreement rate of the mean probability over both orders; None without likelihoods."""


@dataclass(frozen=True)
class PairsResult:
    """Result of one pairwise judge."""

    judge: JudgeConfig
    counts: JudgmentCounts
    """Counts of pairs; a pair is scored if both orders could be parsed."""
    wins: tuple[tuple[str, Effect], ...]
    """Win rate of each model, or of output_a; conflicts and ties count half."""
    same: int
    """Pairs of identical answers; they count as ties and are excluded from `position`."""
    position: JudgePositionConsistency | None
    length: LengthAudit | None
    length_of: str
    """Model of the length-controlled win rate: the first of two in `wins`, else output_a."""
    humans: HumanAgreement | None
    mass: float | None
    """Mean probability mass of the letters, if likelihoods are compared."""


@dataclass(frozen=True)
class RateResult:
    """Result of one grading judge."""

    judge: JudgeConfig
    counts: JudgmentCounts
    mean: Effect | None
    grades: tuple[tuple[float, int], ...]
    """Frequency of each grade; averaged and expected grades are rounded to the nearest."""
    length: Effect | None
    """Spearman correlation of grade and number of characters; None if undefined."""
    humans: HumanAgreement | None
    mass: float | None


def pairs_result(judged: JudgedPairs) -> PairsResult:
    """Compute the result of one pairwise judge."""
    scored = [
        (item, verdict)
        for item, verdict in zip(judged.items, judged.verdicts, strict=True)
        if verdict.orders is not None
    ]
    outcomes = [_worst(verdict) for verdict in judged.verdicts]
    names, sides = _sides([item for item, _ in scored])
    orders = [verdict.orders for item, verdict in scored if verdict.orders is not None and not _same(item)]
    return PairsResult(
        judge=judged.judge,
        counts=_counts(outcomes, judged.rows),
        wins=_wins(names, sides, [_worth(verdict) for _, verdict in scored]),
        same=sum(map(_same, judged.items)),
        position=position_consistency([SIDES[a] for a, _ in orders], [SIDES[b] for _, b in orders]) if orders else None,
        length=_length(scored, sides),
        length_of=names[0] if len(names) == 2 else "output_a",
        humans=_human_pairs(scored),
        mass=_mass([outcome for _, verdict in scored for outcome in (verdict.as_given, verdict.swapped)]),
    )


def rate_result(judged: JudgedTexts) -> RateResult:
    """Compute the result of one grading judge."""
    scored = [
        (item, outcome)
        for item, outcome in zip(judged.items, judged.outcomes, strict=True)
        if isinstance(outcome, Score)
    ]
    values = [score.value for _, score in scored]
    steps = judged.rubric.grades.values
    nearest = [min(steps, key=lambda grade: abs(grade - value)) for value in values]
    return RateResult(
        judge=judged.judge,
        counts=_counts(judged.outcomes, judged.rows),
        mean=_mean(values) if values else None,
        grades=tuple((grade, nearest.count(grade)) for grade in steps),
        length=_related([float(len(item.text("output"))) for item, _ in scored], values),
        humans=_human_grades(scored),
        mass=_mass([score for _, score in scored]),
    )


def self_preferences(judged: Sequence[JudgedPairs]) -> list[SelfPreference | None]:
    """Self-preference of each judge; None if it cannot be estimated."""
    items = judged[0].items
    families = [(str(item.fields.get("model_a", "")), str(item.fields.get("model_b", ""))) for item in items]
    preference = [
        [np.nan if verdict.preference is None else verdict.preference for verdict in pairs.verdicts] for pairs in judged
    ]
    return self_preference(preference, [pairs.judge.family_name for pairs in judged], families)


def _same(item: Sample) -> bool:
    return item.text("output_a") == item.text("output_b")


def _worth(verdict: PairJudgment) -> float:
    assert verdict.preference is not None, "only pairs scored in both orders have a score"
    return verdict.preference


def _worst(verdict: PairJudgment) -> Outcome:
    """The unscored order of a pair if there is one, "failed" before "unparsed"."""
    both = (verdict.as_given, verdict.swapped)
    unscored = [outcome for outcome in both if isinstance(outcome, Unscored)]
    return min(unscored, key=lambda outcome: outcome.cause) if unscored else both[0]


def _counts(outcomes: Sequence[Outcome], rows: Sequence[StoredAnswer]) -> JudgmentCounts:
    unscored = [outcome for outcome in outcomes if isinstance(outcome, Unscored)]
    causes = [outcome.cause for outcome in unscored]
    # Identical texts share one question.
    answers = list({row.id: row for row in rows}.values())
    tokens = [row.tokens for row in answers if row.tokens is not None]
    costs = [row.dollars for row in answers if row.dollars is not None]
    return JudgmentCounts(
        n=len(outcomes),
        scored=len(outcomes) - len(causes),
        unparsed=causes.count("unparsed"),
        failed=causes.count("failed"),
        why=unscored[0].reason if unscored else "",
        seconds=sum(row.seconds for row in answers),
        tokens=sum(tokens) if len(tokens) == len(answers) else None,
        dollars=sum(costs) if len(costs) == len(answers) else None,
    )


def _sides(items: Sequence[Sample]) -> tuple[list[str], list[tuple[str, str]]]:
    """Names with win rates, and both names of each pair."""
    if not items or not all("model_a" in item.fields and "model_b" in item.fields for item in items):
        return ["output_a"], [("output_a", "output_b")] * len(items)
    sides = [(item.text("model_a"), item.text("model_b")) for item in items]
    return list(dict.fromkeys(name for pair in sides for name in pair)), sides


def _wins(
    names: Sequence[str], sides: Sequence[tuple[str, str]], preference: Sequence[float]
) -> tuple[tuple[str, Effect], ...]:
    wins = []
    for name in names:
        preferences = [
            value if a == name else 1 - value for (a, b), value in zip(sides, preference, strict=True) if name in (a, b)
        ]
        if preferences:
            wins.append((name, wilson(sum(preferences), len(preferences))))
    return tuple(wins)


def _length(scored: Sequence[tuple[Sample, PairJudgment]], sides: Sequence[tuple[str, str]]) -> LengthAudit | None:
    """Length audit from the view of the first of two models, else of output_a."""
    if len(scored) < 2:
        return None
    flipped = len({name for pair in sides for name in pair}) == 2
    rows = []
    for (item, verdict), pair in zip(scored, sides, strict=True):
        row = (_worth(verdict), len(item.text("output_a")), len(item.text("output_b")))
        rows.append((1 - row[0], row[2], row[1]) if flipped and pair[0] != sides[0][0] else row)
    preference, first, second = zip(*rows, strict=True)
    return length_audit(preference, first, second)


def _human_pairs(scored: Sequence[tuple[Sample, PairJudgment]]) -> HumanAgreement | None:
    labeled = [(item, verdict, GOLD[item.text("label")]) for item, verdict in scored if "label" in item.fields]
    if not labeled:
        return None
    hits = sum((verdict.orders.count(gold) if verdict.orders else 0) / 2 for _, verdict, gold in labeled)
    golds = [gold for _, _, gold in labeled]
    soft = [(verdict.balanced, gold) for _, verdict, gold in labeled if verdict.balanced is not None and gold != 0.5]
    return HumanAgreement(
        n=len(labeled),
        judge=wilson(hits, len(labeled)),
        beyond_chance=_defined(lambda: cohen_kappa([_worth(verdict) for _, verdict, _ in labeled], golds)),
        rouge=_rouge_pairs([item for item, _, _ in labeled], golds),
        unreferenced=sum("reference" not in item.fields for item, _, _ in labeled),
        balanced=accuracy([float(probability > 0.5) for probability, _ in soft], [gold for _, gold in soft])
        if soft
        else None,
    )


def _rouge_pairs(items: Sequence[Sample], golds: Sequence[float]) -> Effect | None:
    """Agreement rate of ROUGE-L with the labels; equal scores count one half."""
    if not all("reference" in item.fields for item in items):
        return None
    hits = 0.0
    for item, gold in zip(items, golds, strict=True):
        a, b = (_rouge(item, side) for side in ("output_a", "output_b"))
        hits += 0.5 if a == b and gold != 0.5 else float(gold == (a > b) + (a == b) / 2)
    return wilson(hits, len(items))


def _human_grades(scored: Sequence[tuple[Sample, Score]]) -> HumanAgreement | None:
    graded = [(item, score.value, float(item.text("human"))) for item, score in scored if "human" in item.fields]
    values, humans = [value for _, value, _ in graded], [human for _, _, human in graded]
    if not graded:
        return None
    items = [item for item, _, _ in graded]
    unreferenced = sum("reference" not in item.fields for item in items)
    return HumanAgreement(
        n=len(graded),
        judge=_related(values, humans),
        beyond_chance=_defined(lambda: correlation(values, humans, "kendall")),
        rouge=None if unreferenced else _related([_rouge(item, "output") for item in items], humans),
        unreferenced=unreferenced,
    )


def _rouge(item: Sample, field: str) -> float:
    return rouge(item.text(field), [item.text("reference")], ("rougeL",))["rougeL"].f


def _related(x: Sequence[float], y: Sequence[float]) -> Effect | None:
    return _defined(lambda: correlation(x, y)) if len(x) > 1 else None


def _defined(find: Callable[[], Effect]) -> Effect | None:
    """None if the statistic is undefined because a column is constant."""
    try:
        return find()
    except ValueError:
        return None


def _mean(values: Sequence[float]) -> Effect:
    effect = paired_bootstrap(values, np.zeros(len(values)), seed=0).effect
    return replace(effect, method=f"bootstrap over {len(values)} texts")


def _mass(outcomes: Sequence[Outcome]) -> float | None:
    masses = [
        outcome.evidence["mass"] for outcome in outcomes if isinstance(outcome, Score) and "mass" in outcome.evidence
    ]
    return sum(masses) / len(masses) if masses else None
