"""Reference metrics and Perplexity: values, and unscored samples."""

from __future__ import annotations

import re
from typing import Any

import pytest

from assay.components.scorers.language_model.perplexity import Perplexity
from assay.components.scorers.reference.metrics import Bleu, ChrF, EmbeddingCosine, Rouge
from assay.core.errors import FieldError, ModelError
from assay.core.sample import Image, Sample
from assay.core.score import Outcome, Score, Unscored
from error_fields import raises
from labs import passages, real_lab, tiny_lab

COMPARING = (Rouge(), Bleu(), ChrF(), EmbeddingCosine("tiny:letters"))


def text(content: str, *references: str) -> Sample:
    names = ("reference", "second", "third")
    return Sample({"text": content, **dict(zip(names, references, strict=False))})


def values(outcomes: object) -> list[float]:
    assert isinstance(outcomes, list)
    assert all(isinstance(outcome, Score) for outcome in outcomes), outcomes
    return [outcome.value for outcome in outcomes]


@pytest.mark.parametrize("scorer", COMPARING, ids=repr)
@pytest.mark.parametrize("reference", ["", " \n", None])
def test_missing_reference_is_unscored(scorer: object, reference: str | None) -> None:
    lacking = text("words") if reference is None else text("words", reference)
    outcomes = scorer.score([text("words", "words"), lacking], tiny_lab())  # type: ignore[attr-defined]
    assert isinstance(outcomes[0], Score)
    assert isinstance(outcomes[1], Unscored)
    assert outcomes[1].cause == "not_applicable"


@pytest.mark.parametrize("scorer", COMPARING, ids=repr)
def test_missing_fields_raise(scorer: object) -> None:
    with pytest.raises(FieldError, match="'text'"):
        scorer.score([Sample({"txt": "a", "reference": "b"})], tiny_lab())  # type: ignore[attr-defined]
    image = Image("0" * 64, 1, 1)
    with raises(FieldError, name="reference", value=image):
        scorer.score([Sample({"text": "a", "reference": image})], tiny_lab())  # type: ignore[attr-defined]
    for names in ((), ("reference", "reference")):
        with pytest.raises(ValueError, match=rf"\.references .*{re.escape(repr(names))}"):
            type(scorer)(references=names)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rouge(kind="rouge3"), r"Rouge\.kind .*\brouge1, rouge2, rougeL, rougeLsum.*'rouge3'"),
        (lambda: Rouge(words="korean"), r"Rouge\.words .*\bany, ascii.*'korean'"),
        (lambda: Bleu(tokenize="ko"), r"Bleu\.tokenize .*\b13a, intl, char, zh, none.*'ko'"),
        (lambda: ChrF(word_order=1), r"ChrF\.word_order .*\b0, 2.*\b1"),
        (lambda: Perplexity("m", per="line"), r"Perplexity\.per .*\btoken, word, byte.*'line'"),
    ],
)
def test_invalid_arguments_raise(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_best_of_several_references_counts() -> None:
    sample = text("a dog ran", "the cat sat", "a dog ran away")
    for make in (Rouge, ChrF, lambda references: EmbeddingCosine("tiny:letters", references)):
        single, both = make(references=("reference",)), make(references=("reference", "second"))  # type: ignore[operator]
        (low,) = values(list(single.score([sample], tiny_lab())))
        (high,) = values(list(both.score([sample], tiny_lab())))
        assert high > low


def test_rouge_of_korean() -> None:
    sample = text("서울의 인구를 알려 주세요", "서울의 인구는 얼마인가요")
    (outcome,) = Rouge().score([sample], tiny_lab())
    assert outcome == Score(12 / 22, evidence={"precision": 6 / 11, "recall": 6 / 11})
    (lost,) = Rouge(words="ascii").score([sample], tiny_lab())
    assert isinstance(lost, Unscored)
    assert lost.cause == "not_applicable"


def test_text_without_words_scores_zero() -> None:
    for scorer in (Rouge(), Bleu(), ChrF()):
        assert values(list(scorer.score([text("", "words"), text("…", "words")], tiny_lab()))) == [0.0, 0.0]
    (empty,) = EmbeddingCosine("tiny:letters").score([text(" ", "words")], tiny_lab())
    assert isinstance(empty, Unscored)
    assert empty.cause == "not_applicable"


def test_embedding_cosine_of_paraphrases() -> None:
    samples = [
        text("A dog runs in the park.", "A puppy is running outside."),
        text("A dog runs in the park.", "The stock market fell today."),
        text("A dog runs in the park.", "The stock market fell today.", "A dog runs in the park."),
    ]
    near, far, same = values(list(EmbeddingCosine(references=("reference", "second")).score(samples, real_lab())))
    assert far < 0.3 < 0.5 < near < 1
    assert same == pytest.approx(1)


def score_text(scorer: Perplexity, content: str) -> Outcome:
    (outcome,) = scorer.score([text(content)], tiny_lab())
    return outcome


def test_perplexity_evidence_has_the_windows() -> None:
    short, long = score_text(Perplexity("tiny:author"), "abcabcabc"), score_text(Perplexity("tiny:author"), "abc" * 20)
    assert isinstance(short, Score)
    assert isinstance(long, Score)
    assert short.evidence["windows"] == 1
    assert {"window", "stride"} & set(short.evidence) == set()
    assert (long.evidence["windows"], long.evidence["window"], long.evidence["stride"]) == (7, 16, 8)
    assert long.evidence["tokens"] == 59
    near = score_text(Perplexity("tiny:author", stride=1), "abc" * 20)
    assert isinstance(near, Score)
    assert near.value < long.value  # more to follow


def test_perplexity_by_token_word_and_byte() -> None:
    for per in ("token", "word", "byte"):
        outcome = score_text(Perplexity("tiny:author", per=per), "one two")  # type: ignore[arg-type]
        assert isinstance(outcome, Score)
        assert outcome.value == outcome.evidence[per]


def test_infinite_perplexity_by_word_is_omitted() -> None:
    wild = "az" * 400
    outcome = score_text(Perplexity("tiny:author"), wild)
    assert isinstance(outcome, Score)
    assert "word" not in outcome.evidence
    infinite = score_text(Perplexity("tiny:author", per="word"), wild)
    assert isinstance(infinite, Unscored)
    assert infinite.cause == "failed"


def test_perplexity_of_short_texts_and_invalid_windows() -> None:
    for content in ("", "x"):
        short = score_text(Perplexity("tiny:author"), content)
        assert isinstance(short, Unscored)
        assert short.cause == "not_applicable"
    with pytest.raises(ModelError, match="17 tokens"):
        Perplexity("tiny:author", window=17).score(passages(), tiny_lab())
    with pytest.raises(ModelError, match="stride of 8"):
        Perplexity("tiny:author", window=8, stride=8).score(passages(), tiny_lab())
    with pytest.raises(ValueError, match=r"Perplexity.stride"):
        Perplexity("tiny:author", stride=0)


TASK = {"instruction": "name a sea", "input": "", "output": "the red sea"}


def test_empty_fields_of_a_task_are_unscored() -> None:
    """`Perplexity` of an answer, and `EmbeddingCosine` of an answer and its instruction."""
    tasks = [Sample(TASK), Sample({**TASK, "output": " "}), Sample({**TASK, "instruction": ""})]
    surprise = list(Perplexity("tiny:author", text="output").score(tasks, tiny_lab()))
    assert [type(outcome) for outcome in surprise] == [Score, Unscored, Score]
    nearness = EmbeddingCosine("tiny:letters", ("instruction",), "output").score(tasks, tiny_lab())
    assert [type(outcome) for outcome in nearness] == [Score, Unscored, Unscored]
    (alike,) = EmbeddingCosine("tiny:letters", ("output",), "output").score(tasks[:1], tiny_lab())
    assert isinstance(alike, Score)
    assert alike.value == pytest.approx(1.0)
    assert isinstance(nearness[0], Score)
    assert nearness[0].value < 1.0
