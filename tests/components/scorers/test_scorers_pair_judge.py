"""PairJudge: wins, ties, position inconsistency, and missing verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.text.instructions.dialogues import write_history
from assay.text.prompting.delimiters import delimited_texts
from error_fields import raises
from judges import CodeJudge, Judges, first, knows, longer
from labs import MemoryImages, tiny_lab

PAIRS = [("a long answer", "short"), ("short", "a long answer"), ("the same", " the same\n"), ("", " ")]


def pairs(rows: Sequence[tuple[str, str]] = tuple(PAIRS)) -> list[Sample]:
    return [
        Sample({"instruction": "Say it.", "output_a": output_a, "output_b": output_b}, nth=nth)
        for nth, (output_a, output_b) in enumerate(rows)
    ]


def score_pairs(judge: CodeJudge, samples: Sequence[Sample], scorer: PairJudge | None = None) -> list[Outcome]:
    lab = Lab(7, Judges({"code": judge}), MemoryImages())  # type: ignore[arg-type]
    return list((scorer or PairJudge("code")).score(samples, lab))


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_wins_and_ties_in_both_orders(by: Any) -> None:
    judge = CodeJudge(longer)
    outcomes = score_pairs(judge, pairs(), PairJudge("code", by))
    assert [outcome.value for outcome in outcomes[:3] if isinstance(outcome, Score)] == [1.0, 0.0, 0.5]
    assert isinstance(outcomes[2], Score)
    assert outcomes[2].evidence == {"same": 1.0}
    assert isinstance(outcomes[3], Unscored)
    assert outcomes[3].cause == "not_applicable"
    assert len(judge.asked) == 4
    assert isinstance(outcomes[0], Score)
    evidence = outcomes[0].evidence
    assert (evidence["as given"], evidence["swapped"], evidence["conflict"]) == (1, 1, 0)
    assert ("balanced" in evidence) == (by == "likelihood")


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_position_bias_is_a_conflict(by: Any) -> None:
    outcomes = score_pairs(CodeJudge(first), pairs()[:2], PairJudge("code", by))
    for outcome in outcomes:
        assert isinstance(outcome, Score)
        assert (outcome.value, bool(outcome.reason), outcome.evidence["conflict"]) == (0.5, True, 1.0)
        assert (outcome.evidence["as given"], outcome.evidence["swapped"]) == (1.0, 0.0)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_ties_argument(by: Any) -> None:
    outcomes = score_pairs(CodeJudge(knows("long")), pairs([("long a", "long b")]), PairJudge("code", by, ties=True))
    assert [(outcome.value, outcome.reason) for outcome in outcomes if isinstance(outcome, Score)] == [(0.5, "")]


@pytest.mark.parametrize(
    ("judge", "cause", "reason"),
    [
        (CodeJudge(longer, say="Both are good."), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say="ID 12: {said}"), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say="ID {own}: X"), "unparsed", "no line 'ID"),
        (CodeJudge(longer, say=""), "unparsed", "no line 'ID"),
        (CodeJudge(longer, end="refusal"), "failed", "the judge gave no answer: refusal"),
        (CodeJudge(longer, missing=lambda parts: True), "failed", "gone: the server is down"),
        (CodeJudge(longer, missing=lambda parts: parts["ANSWER A"] == "short"), "failed", "gone"),
    ],
)
def test_missing_verdict_is_unscored(judge: CodeJudge, cause: str, reason: str) -> None:
    (outcome,) = score_pairs(judge, pairs()[:1])
    assert isinstance(outcome, Unscored)
    assert outcome.cause == cause
    assert reason in outcome.reason


class Spent(CodeJudge):
    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [NotCompleted("budget", "the budget of $1 is spent") for _ in requests]


def test_exhausted_budget_raises() -> None:
    with pytest.raises(ModelError, match=r"budget of \$1 is spent"):
        score_pairs(Spent(longer), pairs()[:1])


def test_prompt_has_the_task_and_no_other_fields() -> None:
    judge = CodeJudge(longer)
    task = {"instruction": "Sum up.", "input": "A long day.", "output_a": "Day.", "output_b": "It was long."}
    score_pairs(judge, [Sample({**task, "output": "the reference"}, made_by="filtered")])
    assert all("A long day." in prompt and "Sum up." in prompt for prompt in judge.asked)
    assert not any("filtered" in prompt or "the reference" in prompt for prompt in judge.asked)


def test_missing_answer_raises() -> None:
    with pytest.raises(FieldError, match="output_b"):
        PairJudge("tiny:judge").score([Sample({"instruction": "Say it.", "output_a": "x"})], tiny_lab())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"by": "letters"}, r"PairJudge.by .*\banswers, likelihood.*'letters'"),
        ({"decoding": Decoding("sample", answers=2)}, r"PairJudge.decoding .*\b2\b"),
    ],
)
def test_invalid_arguments_raise(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairJudge("tiny:judge", **wrong)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_history_is_in_the_prompt(by: Any) -> None:
    history = (Message("user", "Name a fruit."), Message("assistant", "A pear."))
    fields = {"instruction": "And a sour one?", "output_a": "A lemon.", "output_b": "A chair."}
    dialogue = Sample({**fields, "before": write_history(history)})
    judge = CodeJudge(longer)
    score_pairs(judge, [dialogue, Sample(fields)], PairJudge("code", by, history="before"))
    conversations = [delimited_texts(text)[1].get("CONVERSATION") for text in judge.asked]
    assert conversations == ["User: Name a fruit.\n\nAssistant: A pear."] * 2 + [None] * 2
    broken = Sample({**fields, "history": "Hi."})
    with raises(FieldError, name="history", sample=broken.id):
        score_pairs(judge, [broken], PairJudge("code", by))
