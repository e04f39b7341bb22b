"""A few pairs or texts with all that a judge was given and said, so that a reader can judge the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.analysis.excerpts import conversation_before, cut, turns
from assay.analysis.format import percent
from assay.core.completions import Message
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.judging.engine import Question
from assay.judging.pairs import JudgedPairs, pair_of
from assay.judging.rate import JudgedTexts, rated_of
from assay.store.answers import StoredAnswer
from assay.text.answers.grades import word_probabilities
from assay.text.answers.verdicts import PairJudgment
from assay.text.prompting.judge_prompts import LETTERS, pair_prompt, rating_prompt

SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
EACH = {"agreed": 2, "turned": 2, "unscored": 2, "highest": 2, "lowest": 2, "far from people": 2}
"""How many of a kind are shown."""
TEXTS = 5
"""At most so many samples of one judgment are shown."""


@dataclass(frozen=True)
class Said:
    """One judgment, as it came."""

    order: str
    """"A first", or empty where there is one order."""
    texts: tuple[str, ...]
    """What was written; else the probabilities that were compared."""
    means: str
    """What was read from it, or why nothing was."""
    prompt: tuple[tuple[str, str], ...]
    """Who says what; empty where it is not known any more."""


@dataclass(frozen=True)
class Shown:
    """One pair or text."""

    kind: str
    origin: str
    parts: tuple[tuple[str, str], ...]
    """Instruction, answers or text, each with its name."""
    said: tuple[Said, ...]
    verdict: str
    wanted: str
    """People's label or grade; empty where there is none."""


def shown_pairs(judged: JudgedPairs, *, ties: bool, seed: int) -> list[Shown]:
    """Some pairs of each kind: verdicts that both orders agree on, those that the order turned, and none."""
    kinds = ["unscored" if one.orders is None else "turned" if one.conflict else "agreed" for one in judged.verdicts]
    return [_pair(judged, nth, kinds[nth], ties, seed) for nth in _picked(kinds, judged.items)]


def shown_texts(judged: JudgedTexts, seed: int) -> list[Shown]:
    """The best and worst grades, those farthest from people's, and texts without a grade."""
    return [_text(judged, nth, kind, seed) for nth, kind in _graded(judged)]


def _picked(kinds: Sequence[str], items: Sequence[Sample]) -> list[int]:
    """Some of each kind, in the order of the items' digests: as good as by lot."""
    order = sorted(range(len(items)), key=lambda nth: items[nth].id)
    return [nth for kind, most in EACH.items() for nth in [nth for nth in order if kinds[nth] == kind][:most]]


def _graded(judged: JudgedTexts) -> list[tuple[int, str]]:
    scored = [(one.value, nth) for nth, one in enumerate(judged.outcomes) if isinstance(one, Score)]
    far = [(nth, "far from people") for nth in _far(judged, [nth for _, nth in scored])[: EACH["far from people"]]]
    best = [(nth, "highest") for _, nth in sorted(scored, key=lambda one: (-one[0], one[1]))[: EACH["highest"]]]
    worst = [(nth, "lowest") for _, nth in sorted(scored)[: EACH["lowest"]]]
    none = [(nth, "unscored") for nth, one in enumerate(judged.outcomes) if isinstance(one, Unscored)]
    found: dict[int, str] = {}
    for nth, kind in (*far, *best, *worst, *none[: EACH["unscored"]]):
        found.setdefault(nth, kind)
    order = list(EACH)
    return sorted(found.items(), key=lambda one: order.index(one[1]))


def _far(judged: JudgedTexts, scored: Sequence[int]) -> list[int]:
    """Texts whose place among all by the judge is farthest from that by people; scales may differ."""
    both = [nth for nth in scored if "human" in judged.items[nth].fields]
    if len(both) < 2:
        return []
    ours = [one.value for one in (judged.outcomes[nth] for nth in both) if isinstance(one, Score)]
    theirs = [float(judged.items[nth].text("human")) for nth in both]
    apart = np.abs(_ranks(ours) - _ranks(theirs))
    return [both[at] for at in np.argsort(-apart, kind="stable") if apart[at] > 0]


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The mean rank of each among all; equals share theirs."""
    ordered = np.sort(values)
    ends = [np.searchsorted(ordered, values, side) for side in SIDES]
    found: npt.NDArray[np.float64] = (ends[0] + ends[1]) / 2
    return found


def _pair(judged: JudgedPairs, nth: int, kind: str, ties: bool, seed: int) -> Shown:
    item, verdict, pair = judged.items[nth], judged.verdicts[nth], pair_of(judged.items[nth])
    words = (LETTERS if ties else LETTERS[:2]) if judged.judge.by == "likelihood" else ()
    orders = (("A first", pair, verdict.as_given, 0), ("B first", pair.swapped, verdict.swapped, 1))
    said = [
        _said(
            name, judged.rows[2 * nth + at], outcome, words, pair_prompt(own, judged.judge.by, ties=ties, seed=seed),
            lambda value: {1.0: "A is better", 0.0: "B is better"}.get(value, "a tie"),
        )
        for name, own, outcome, at in orders
    ]  # fmt: skip
    outputs = [(f"Answer {side}{_model(item, side)}", item.text(f"output_{side.lower()}")) for side in "AB"]
    return Shown(kind, _origin(item), _parts(item, outputs), tuple(said), _verdict(verdict), _label(item))


def _text(judged: JudgedTexts, nth: int, kind: str, seed: int) -> Shown:
    item, outcome, judge = judged.items[nth], judged.outcomes[nth], judged.judge
    words = judged.rubric.grades.words if judge.by == "likelihood" else ()
    prompt = rating_prompt(judged.rubric, rated_of(item), judge.by, seed)
    said = _said("", judged.rows[nth], outcome, words, prompt, lambda value: f"{value:.3g}")
    grade = f"{outcome.value:.2f}" if isinstance(outcome, Score) else "none"
    parts = _parts(item, [("Text", item.text("output"))])
    return Shown(kind, _origin(item), parts, (said,), grade, str(item.fields.get("human", "")))


def _said(
    order: str, row: StoredAnswer, outcome: Outcome, words: Sequence[str], prompt: tuple[Message, ...],
    means: Callable[[float], str],
) -> Said:  # fmt: skip
    texts = tuple(cut(text) or "(nothing)" for text in row.texts[:TEXTS])
    if row.likelihoods:
        found = word_probabilities(row.likelihoods)
        shares = zip(words, found.shares if found is not None else (), strict=found is not None)
        texts = (", ".join(f"{word} {percent(share)}" for word, share in shares) or "(no probabilities)",)
    read = means(outcome.value) if isinstance(outcome, Score) else ""
    if isinstance(outcome, Unscored):
        read = f"not scored: {cut(outcome.reason)}"
    # An answer that was kept from other words does not show these.
    asked = turns(prompt) if Question(prompt, tuple(words)).key == row.id else ()
    return Said(order, texts, read, asked)


def _parts(item: Sample, outputs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    named = [("Instruction", "instruction"), ("Input", "input")]
    before = [("Conversation", said)] if (said := conversation_before(item)) else []
    before += [(name, item.text(field)) for name, field in named if str(item.fields.get(field, "")).strip()]
    after = [("Reference", item.text("reference"))] if "reference" in item.fields else []
    return tuple((name, cut(text) or "(nothing)") for name, text in (*before, *outputs, *after))


def _model(item: Sample, side: str) -> str:
    name = str(item.fields.get(f"model_{side.lower()}", ""))
    return f", by {name}" if name else ""


def _verdict(verdict: PairJudgment) -> str:
    if verdict.worth is None:
        return "none: it needs both orders"
    if verdict.conflict:
        return "a tie: the orders disagree"
    return {1.0: "A is better", 0.0: "B is better"}.get(verdict.worth, "a tie")


def _label(item: Sample) -> str:
    return {"a": "A", "b": "B", "tie": "a tie"}.get(str(item.fields.get("label", "")), "")


def _origin(item: Sample) -> str:
    return str(item.fields.get("origin", ""))
