"""Example pairs and texts with everything the judge was given and answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.analysis.excerpts import conversation_before, cut, turns
from assay.analysis.format import percent
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.judging.engine import question_key
from assay.judging.judgments import JudgedPairs, JudgedTexts, pair_of, rated_of
from assay.store.answers import StoredAnswer
from assay.text.answers.judgments import PairJudgment, word_probabilities
from assay.text.prompting.judge_prompts import JudgeQuestion, pair_questions, rating_question

SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
EXAMPLES_PER_KIND = {"consistent": 2, "inconsistent": 2, "unscored": 2, "highest": 2, "lowest": 2, "far from human": 2}
"""Maximum number of examples per kind."""
TEXTS = 5
"""Maximum number of samples shown per judgment."""


@dataclass(frozen=True)
class ShownJudgment:
    """One judgment as shown on the page."""

    order: str
    """Order of presentation such as "A first"; empty for grades."""
    texts: tuple[str, ...]
    """Written answers, or the compared probabilities."""
    parsed: str
    """Parsed verdict or grade, or the reason why it is unscored."""
    prompt: tuple[tuple[str, str], ...]
    """Roles and texts; empty if the stored answer is to a different prompt."""


@dataclass(frozen=True)
class JudgedExample:
    """One example pair or text with its judgments."""

    kind: str
    origin: str
    parts: tuple[tuple[str, str], ...]
    """Named texts: instruction, answers or text."""
    judgments: tuple[ShownJudgment, ...]
    verdict: str
    human: str
    """Human label or grade; empty if there is none."""


def pair_examples(judged: JudgedPairs, *, ties: bool, seed: int) -> list[JudgedExample]:
    """Example pairs: position-consistent, position-inconsistent and unscored."""
    kinds = [
        "unscored" if verdict.orders is None else "inconsistent" if verdict.inconsistent else "consistent"
        for verdict in judged.verdicts
    ]
    return [_pair(judged, nth, kinds[nth], ties, seed) for nth in _picked(kinds, judged.items)]


def text_examples(judged: JudgedTexts, seed: int) -> list[JudgedExample]:
    """Example texts: highest and lowest grades, largest disagreement with humans, and unscored."""
    return [_text(judged, nth, kind, seed) for nth, kind in _graded(judged)]


def _picked(kinds: Sequence[str], items: Sequence[Sample]) -> list[int]:
    """Select examples of each kind in the order of item digests, a pseudo-random order."""
    order = sorted(range(len(items)), key=lambda nth: items[nth].id)
    return [
        nth for kind, most in EXAMPLES_PER_KIND.items() for nth in [nth for nth in order if kinds[nth] == kind][:most]
    ]


def _graded(judged: JudgedTexts) -> list[tuple[int, str]]:
    scored = [(outcome.value, nth) for nth, outcome in enumerate(judged.outcomes) if isinstance(outcome, Score)]
    limits = EXAMPLES_PER_KIND
    far = [(nth, "far from human") for nth in _far(judged, [nth for _, nth in scored])[: limits["far from human"]]]
    best = [(nth, "highest") for _, nth in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[: limits["highest"]]]
    worst = [(nth, "lowest") for _, nth in sorted(scored)[: EXAMPLES_PER_KIND["lowest"]]]
    none = [(nth, "unscored") for nth, outcome in enumerate(judged.outcomes) if isinstance(outcome, Unscored)]
    kinds: dict[int, str] = {}
    for nth, kind in (*far, *best, *worst, *none[: EXAMPLES_PER_KIND["unscored"]]):
        kinds.setdefault(nth, kind)
    order = list(EXAMPLES_PER_KIND)
    return sorted(kinds.items(), key=lambda entry: order.index(entry[1]))


def _far(judged: JudgedTexts, scored: Sequence[int]) -> list[int]:
    """Texts by decreasing difference between the ranks of the judge's and the human grades."""
    both = [nth for nth in scored if "human" in judged.items[nth].fields]
    if len(both) < 2:
        return []
    ours = [outcome.value for outcome in (judged.outcomes[nth] for nth in both) if isinstance(outcome, Score)]
    theirs = [float(judged.items[nth].text("human")) for nth in both]
    apart = np.abs(_ranks(ours) - _ranks(theirs))
    return [both[at] for at in np.argsort(-apart, kind="stable") if apart[at] > 0]


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Mid-ranks of the values."""
    ordered = np.sort(values)
    ends = [np.searchsorted(ordered, values, side) for side in SIDES]
    ranks: npt.NDArray[np.float64] = (ends[0] + ends[1]) / 2
    return ranks


def _pair(judged: JudgedPairs, nth: int, kind: str, ties: bool, seed: int) -> JudgedExample:
    item, verdict, by = judged.items[nth], judged.verdicts[nth], judged.judge.by
    questions = pair_questions(pair_of(item), by, ties=ties, seed=seed)
    orders = zip(("A first", "B first"), questions, (verdict.as_given, verdict.swapped), (0, 1), strict=True)
    judgments = [
        _judgment(order, judged.rows[2 * nth + at], outcome, question, _pair_text)
        for order, question, outcome, at in orders
    ]
    outputs = [(f"Answer {side}{_model(item, side)}", item.text(f"output_{side.lower()}")) for side in "AB"]
    return JudgedExample(kind, _origin(item), _parts(item, outputs), tuple(judgments), _verdict(verdict), _label(item))


def _text(judged: JudgedTexts, nth: int, kind: str, seed: int) -> JudgedExample:
    item, outcome = judged.items[nth], judged.outcomes[nth]
    question = rating_question(judged.rubric, rated_of(item), judged.judge.by, seed)
    judgment = _judgment("", judged.rows[nth], outcome, question, lambda value: f"{value:.3g}")
    grade = f"{outcome.value:.2f}" if isinstance(outcome, Score) else "none"
    parts = _parts(item, [("Text", item.text("output"))])
    return JudgedExample(kind, _origin(item), parts, (judgment,), grade, str(item.fields.get("human", "")))


def _judgment(
    order: str, row: StoredAnswer, outcome: Outcome, question: JudgeQuestion, text_of: Callable[[float], str]
) -> ShownJudgment:
    texts = tuple(cut(text) or "(empty)" for text in row.texts[:TEXTS])
    if row.likelihoods:
        weights = word_probabilities(row.likelihoods)
        pairs = zip(question.words, weights.probabilities, strict=True) if weights is not None else ()
        texts = (", ".join(f"{word} {percent(value)}" for word, value in pairs) or "(no probabilities)",)
    parsed = text_of(outcome.value) if isinstance(outcome, Score) else ""
    if isinstance(outcome, Unscored):
        parsed = f"not scored: {cut(outcome.reason)}"
    # A stored answer to a different prompt is shown without prompt.
    prompt = turns(question.prompt) if question_key(question) == row.id else ()
    return ShownJudgment(order, texts, parsed, prompt)


def _pair_text(score: float) -> str:
    return {1.0: "A is better", 0.0: "B is better"}.get(score, "tie")


def _parts(item: Sample, outputs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    named = [("Instruction", "instruction"), ("Input", "input")]
    before = [("Conversation", text)] if (text := conversation_before(item)) else []
    before += [(name, item.text(field)) for name, field in named if str(item.fields.get(field, "")).strip()]
    after = [("Reference", item.text("reference"))] if "reference" in item.fields else []
    return tuple((name, cut(text) or "(empty)") for name, text in (*before, *outputs, *after))


def _model(item: Sample, side: str) -> str:
    name = str(item.fields.get(f"model_{side.lower()}", ""))
    return f", by {name}" if name else ""


def _verdict(verdict: PairJudgment) -> str:
    if verdict.preference is None:
        return "none: both orders are needed"
    if verdict.inconsistent:
        return "tie (inconsistent orders)"
    return _pair_text(verdict.preference)


def _label(item: Sample) -> str:
    return {"a": "A", "b": "B", "tie": "tie"}.get(str(item.fields.get("label", "")), "")


def _origin(item: Sample) -> str:
    return str(item.fields.get("origin", ""))
