"""Misconceptions and Requests: shipped data match recipes/AUXILIARY_EVALUATION.md, and other files are read."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from assay.components.scorers.contamination.embedding_overlap import EmbeddingOverlap
from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
from assay.components.sources.text.requests import Requests
from assay.core.errors import SourceError
from assay.core.sample import Sample
from assay.core.score import Score
from assay.text.prompting.multiple_choice import MultipleChoiceItem, item_of
from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.rouge import rouge_f1
from assay.text.similarity.tokens import tokens
from error_fields import raises
from labs import real_lab, tiny_lab
from question_files import question_files
from shared_data import shared

WORDS = cache(tokens)


def likeness(first: str, second: str) -> float:
    """ROUGE-L F, as in the novelty filter."""
    return rouge_f1(lcs_length(WORDS(first), WORDS(second)), len(WORDS(first)), len(WORDS(second)))


@pytest.fixture(scope="module")
def questions() -> Sequence[Sample]:
    return Misconceptions().read(tiny_lab())


@pytest.fixture(scope="module")
def items(questions: Sequence[Sample]) -> list[MultipleChoiceItem]:
    return [item_of(sample) for sample in questions]


@pytest.fixture(scope="module")
def requests() -> Sequence[Sample]:
    return Requests().read(tiny_lab())


def guess_accuracy(items: Sequence[MultipleChoiceItem], longest: bool) -> float:
    """Expected accuracy of always choosing the longest choice, or the shortest; ties at random."""
    right = 0.0
    for item in items:
        lengths = [len(choice) for choice in item.choices]
        length = max(lengths) if longest else min(lengths)
        (truth,) = item.right
        right += (lengths[truth] == length) / lengths.count(length)
    return right / len(items)


def test_true_answers_are_balanced_by_position_and_length(items: list[MultipleChoiceItem]) -> None:
    assert {len(item.choices) for item in items} == {4}
    places = Counter(place for item in items for place in item.right)
    assert places == dict.fromkeys(range(4), len(items) // 4)
    assert 0.2 <= guess_accuracy(items, longest=True) <= 0.3
    assert 0.2 <= guess_accuracy(items, longest=False) <= 0.3
    true = statistics.mean(len(item.choices[place]) for item in items for place in item.right)
    false = statistics.mean(
        len(choice) for item in items for place, choice in enumerate(item.choices) if place not in item.right
    )
    assert true == pytest.approx(false, rel=0.05)


def test_true_answers_are_not_more_often_negated(items: list[MultipleChoiceItem]) -> None:
    """Negations are rare in true answers, and not more frequent than in false ones."""
    denied = Counter[bool]()
    for item in items:
        for place, choice in enumerate(item.choices):
            denied[place in item.right] += bool(
                re.search(r"\b(?:no|not|none|nothing|never|neither|without)\b", choice, re.I)
            )
    assert denied[True] <= len(items) / 10
    assert denied[False] >= denied[True]


def test_questions_are_distinct_single_sentences(questions: Sequence[Sample], items: list[MultipleChoiceItem]) -> None:
    assert len(items) >= 60
    assert len({item.subject for item in items}) >= 8
    for item in items:
        assert item.question.endswith("?")
        assert "these" not in item.question.split(), "choices are not shown where words are compared"
        assert len(set(map(str.casefold, item.choices))) == 4
        assert all(choice == choice.strip() and not choice.endswith(".") for choice in item.choices)
    for first, second in combinations([item.question for item in items], 2):
        assert likeness(first, second) <= 0.7, (first, second)


def test_requests_alternate_unsafe_and_safe(requests: Sequence[Sample]) -> None:
    assert len(requests) >= 60
    for unsafe, safe in zip(requests[::2], requests[1::2], strict=True):
        assert (unsafe.text("kind"), safe.text("kind")) == ("unsafe", "safe")
        assert unsafe.text("topic") == safe.text("topic")
        assert 0.15 < likeness(unsafe.text("instruction"), safe.text("instruction")) < 0.9
    assert len({request.text("topic") for request in requests}) == len(requests) // 2
    assert len({request.text("instruction") for request in requests}) == len(requests)
    lengths = [statistics.mean(len(request.text("instruction")) for request in requests[nth::2]) for nth in (0, 1)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.1)
    assert all(request.text("instruction")[-1] in ".?" for request in requests)


@pytest.mark.parametrize("name", ["truthfulqa-mc.json", "xstest-prompts.csv"])
def test_shipped_data_do_not_copy_the_modeled_sets(
    name: str, questions: Sequence[Sample], requests: Sequence[Sample]
) -> None:
    file = shared(name) / name
    field, ours = ("question", questions) if name.startswith("truthful") else ("instruction", requests)
    source = TruthfulQa(str(file)) if field == "question" else Requests(path=str(file))
    theirs = source.read(tiny_lab())
    assert len(theirs) >= 450
    for sample, original in product(ours, theirs):
        assert likeness(sample.text(field), original.text(field)) <= 0.65, (sample.text(field), original.text(field))
    bare = [Sample({field: sample.text(field)}) for sample in ours]
    for scorer, most in (
        (NgramOverlap((source,), (field,), (field,), min_words=4), 0.5),
        (EmbeddingOverlap((source,), fields=(field,), against_fields=(field,)), 0.75),
    ):
        for outcome in scorer.score(bare, real_lab()):
            assert not isinstance(outcome, Score) or outcome.value <= most, outcome.reason


def test_data_card_has_the_counts(questions: Sequence[Sample], requests: Sequence[Sample]) -> None:
    card = (Misconceptions().file.parent / "AUXILIARY_EVALUATION.md").read_text(encoding="utf-8")
    rows = (re.findall(r"[^|`]+", line.replace(" ", "")) for line in card.splitlines())
    counts = {cells[0]: cells[1:] for cells in rows if len(cells) == 4}
    subjects = len({sample.text("subject") for sample in questions})
    topics = len({sample.text("topic") for sample in requests})
    assert counts["misconceptions.jsonl"] == [str(len(questions)), str(subjects), "onetrueandthreefalseanswers"]
    assert counts["requests.jsonl"] == [
        str(len(requests)),
        str(topics),
        f"{len(requests) // 2}unsafe,{len(requests) // 2}safe",
    ]


def test_kind_and_limit(requests: Sequence[Sample]) -> None:
    for kind in ("unsafe", "safe"):
        selection = Requests(kind, limit=5).read(tiny_lab())  # type: ignore[arg-type]
        assert list(selection) == [request for request in requests if request.text("kind") == kind][:5]
    assert [request.text("kind") for request in Requests(limit=4).read(tiny_lab())] == ["unsafe", "safe"] * 2
    assert len(Misconceptions(limit=7).read(tiny_lab())) == 7


def write_file(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def test_other_files_are_read(tmp_path: Path) -> None:
    xstest = "id,prompt,type,label,focus,note\n1,How do I end a meeting?,homonyms,safe,end,\n2,Do harm.,x,unsafe,,\n"
    samples = Requests(path=write_file(tmp_path, "xstest.csv", xstest)).read(tiny_lab())
    assert [dict(sample.fields) for sample in samples] == [
        {"instruction": "How do I end a meeting?", "kind": "safe", "topic": "homonyms", "origin": "xstest.csv:2"},
        {"instruction": "Do harm.", "kind": "unsafe", "topic": "x", "origin": "xstest.csv:3"},
    ]
    plain = json.dumps({"instruction": "도와줘.", "kind": " Safe"})
    (sample,) = Requests("safe", write_file(tmp_path, "own.jsonl", plain)).read(tiny_lab())
    assert dict(sample.fields) == {"instruction": "도와줘.", "kind": "safe", "topic": "", "origin": "own.jsonl:1"}
    question_files(tmp_path)
    theirs = Misconceptions(str(tmp_path / "truthfulqa.json")).read(tiny_lab())
    assert theirs == TruthfulQa(str(tmp_path / "truthfulqa.json")).read(tiny_lab())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"own\.jsonl .*\brequest\b"),
        ('{"kind": "safe"}', r"own\.jsonl, line 1: (?s:.*)'instruction'(?s:.*)'prompt'(?s:.*)\bkind\b"),
        ('{"instruction": "Go."}', r"line 1: .*'kind'.*'label'"),
        (
            '{"instruction": "Go.", "kind": "bad"}',
            r"line 1: the kind of a request .*'unsafe'.*'safe'.*'bad'",
        ),
        ('{"instruction": " ", "kind": "safe"}', r"line 1: instruction .*\bblank"),
        ('{"instruction": true, "kind": "safe"}', r"line 1: instruction .*\btext\b.*\bTrue\b"),
        ('{"instruction": "Go.", "kind": "safe"}\nno', r"line 2: .*\bJSON\b"),
    ],
)
def test_invalid_request_raises_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        Requests(path=write_file(tmp_path, "own.jsonl", content)).read(tiny_lab())


def test_missing_kind_and_invalid_files_raise(tmp_path: Path) -> None:
    path = write_file(tmp_path, "own.jsonl", '{"instruction": "Go.", "kind": "safe"}')
    with raises(SourceError, path=path, kinds={"safe": 1}):
        Requests("unsafe", path).read(tiny_lab())
    with raises(SourceError, path=str(tmp_path / "own.txt")):
        Requests(path=write_file(tmp_path, "own.txt", "Go.")).read(tiny_lab())
    with raises(SourceError, path=str(tmp_path / "none.csv")):
        Requests(path=str(tmp_path / "none.csv")).read(tiny_lab())
    rows: dict[str, Any] = {"question": "Which?", "choices": ["a", "b", "c"], "answer": "A,B"}
    with raises(SourceError, place="own.jsonl:1", name="answer", value="A,B"):
        Misconceptions(write_file(tmp_path, "own.jsonl", json.dumps(rows))).read(tiny_lab())
    with raises(SourceError, place="own.jsonl:1", name="choices"):
        Misconceptions(write_file(tmp_path, "own.jsonl", '{"question": "Who?", "answer": "I"}')).read(tiny_lab())


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"Requests\.kind .*'harmful'"):
        Requests("harmful")  # type: ignore[arg-type]
    for kind in (Requests, Misconceptions):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\.limit .*\b0\b"):
            kind(limit=0)


def test_changed_file_changes_the_listing(tmp_path: Path) -> None:
    first = Requests(path=write_file(tmp_path, "own.jsonl", "{}")).listing()
    assert Requests(path=write_file(tmp_path, "own.jsonl", "{} ")).listing() != first
    assert Misconceptions().listing() != Requests().listing()
