from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.truthful_qa import TruthfulQa
from assay.core.errors import SourceError
from assay.core.sample import Sample
from error_fields import raises
from labs import tiny_lab
from question_files import CSV, question_files, write

FOLDERS = [parent / "shared" / "data" for parent in Path(__file__).parents]
SHARED = next(filter(Path.is_dir, FOLDERS), Path("shared/data"))
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data with the public data is not here")
MMLU_COLUMNS = "question,choice0,choice1,choice2,choice3,answer\n"
SOURCES: list[Any] = [
    Mmlu("mmlu"),
    Gsm8k("gsm8k.jsonl"),
    TruthfulQa("truthfulqa.json", "mc2"),
    Questions("own.csv"),
    Questions("own.jsonl", answers="number"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    question_files(tmp_path)
    return tmp_path


def read(source: Any) -> list[Sample]:
    return list(source.read(tiny_lab()))


def problem_of(source: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(source)
    return str(caught.value)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_samples_are_reproducible(folder: Path, source: Any) -> None:
    located = replace(source, path=str(folder / source.path))
    samples = read(located)
    assert samples == read(located)
    assert len({sample.id for sample in samples}) == len(samples)
    assert {sample.made_by for sample in samples} == {"collected"}
    for sample in samples:
        assert {"question", "answer", "origin"} <= set(sample.fields)
        assert str(folder) not in sample.text("origin")


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_changed_file_changes_the_listing(folder: Path, source: Any) -> None:
    located = replace(source, path=str(folder / source.path))
    before = located.listing()
    assert located.listing() == before
    place = folder / source.path
    file = place if place.is_file() else next((place / "test").iterdir())
    write(file, file.read_text(encoding="utf-8") + "\n")
    assert located.listing() != before
    assert replace(located, path=str(folder / "nowhere.csv")).listing() != before


def test_limits_per_file_and_subject(folder: Path) -> None:
    mmlu = Mmlu(str(folder / "mmlu"), per_subject=1)
    assert [sample.text("subject") for sample in read(mmlu)] == ["anatomy", "world_religions"]
    assert read(mmlu)[0] == read(replace(mmlu, per_subject=None))[0]
    assert [sample.text("subject") for sample in read(replace(mmlu, subjects=("world_religions",)))] == [
        "world_religions"
    ]
    assert len(read(Gsm8k(str(folder / "gsm8k.jsonl"), limit=2))) == 2
    assert len(read(TruthfulQa(str(folder / "truthfulqa.json"), limit=1))) == 1
    assert len(read(Questions(str(folder / "own.csv"), limit=2))) == 2
    many = write(folder / "many.csv", "question,answer,subject\na,1,x\nb,1,y\nc,1,x\nd,1,\ne,1,\n")
    assert [sample.text("question") for sample in read(Questions(str(many), per_subject=1))] == ["a", "b", "d"]


def test_equal_lines_have_different_ids(tmp_path: Path) -> None:
    file = write(tmp_path / "twice.csv", "question,answer\nWhy?,So.\nWhy?,So.\n")
    first, second = read(Questions(str(file)))
    assert first.text("question") == second.text("question")
    assert first.id != second.id


def test_byte_order_mark_and_windows_line_ends(folder: Path) -> None:
    plain = Questions(str(folder / "own.csv"))
    samples = read(plain)
    write(folder / "own.csv", "\ufeff" + CSV.replace("\n", "\r\n"))
    assert read(plain) == samples


def test_column_names_are_configurable(tmp_path: Path) -> None:
    row = {"ask": "Which?", "key": "b", "ways": ["x", "y"], "field": "letters", "why": "It is.", "A": "unused"}
    file = write(tmp_path / "own.jsonl", json.dumps(row))
    (sample,) = read(Questions(str(file), "ask", "key", "ways", "field", "why"))
    assert dict(sample.fields) == {
        "question": "Which?", "answer": "B", "choice0": "x", "choice1": "y", "subject": "letters",
        "reasoning": "It is.", "origin": "own.jsonl:1",
    }  # fmt: skip


def test_answer_column_may_be_named_like_a_choice(tmp_path: Path) -> None:
    file = write(tmp_path / "qa.csv", "Q,A\nTwo and two?,4\n")
    (sample,) = read(Questions(str(file), "Q", "A"))
    assert dict(sample.fields) == {"question": "Two and two?", "answer": "4", "origin": "qa.csv:2"}


@pytest.mark.parametrize(
    ("answer", "choices", "letters"),
    [
        ("b", ["x", "y", "z"], "B"),
        ("c, A", ["x", "y", "z"], "A,C"),
        (["A", "2"], ["x", "y", "z"], "A,C"),
        (1, ["x", "y", "z"], "B"),
        ("0,2", ["x", "y", "z"], "A,C"),
        ("z", ["x", "y", " z "], "C"),
        ("in, part", ["yes", "in, part"], "B"),
        ("1", ["0", "1"], "B"),
    ],
)
def test_answer_by_letter_number_or_text(tmp_path: Path, answer: object, choices: list[str], letters: str) -> None:
    file = write(tmp_path / "q.jsonl", json.dumps({"question": "?", "answer": answer, "choices": choices}))
    assert [sample.text("answer") for sample in read(Questions(str(file)))] == [letters]


@pytest.mark.parametrize(
    ("answer", "choices", "meanings"),
    [("1", ["1", "2"], "A or B"), ("B", ["B", "A"], "A or B"), ("A,B", ["x", "y", "A,B"], "A,B or C")],
)
def test_ambiguous_answer_raises_unless_its_kind_is_set(
    tmp_path: Path, answer: str, choices: list[str], meanings: str
) -> None:
    file = write(tmp_path / "q.jsonl", json.dumps({"question": "?", "answer": answer, "choices": choices}))
    assert f"ambiguous: {meanings}" in problem_of(Questions(str(file)))
    (sample,) = read(Questions(str(file), answers="text"))
    assert sample.text(f"choice{'ABC'.index(sample.text('answer'))}") == answer


def test_several_texts_of_an_answer(tmp_path: Path) -> None:
    rows = [{"question": "Who?", "answer": ["Ada", "Ada Lovelace"]}, {"question": "When?", "answer": "1843"}]
    file = write(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows)))
    several, single = read(Questions(str(file)))
    assert (several.text("answer"), several.text("answer1")) == ("Ada", "Ada Lovelace")
    assert "answer1" not in single.fields


MISTAKES: list[tuple[str, str, str, str]] = [
    ("q.csv", "question,answr\nWhy?,So.\n", "line 1", "'answr'"),
    ("q.csv", "", "line 1", r"\bquestion, answer\b"),
    ("q.csv", "question,answer\n", "q.csv", r"\bquestions\b"),
    ("q.csv", "question,answer,question\na,b,c\n", "line 1", "'question'"),
    ("q.csv", "question,answer\nWhy, though?,So.\n", "line 2", r"\b2\b.*\(question, answer\).*\b3\b"),
    ("q.csv", 'question,answer\n"Why?\n\n,So.\n', "line 2", r"\bCSV\b"),
    ("q.csv", 'question,answer\n"a\nb",c\n"Why"y?,So.\n', "line 4", r"\bCSV\b"),
    ("q.csv", "question,answer\n ,So.\n", "line 2", r"\bquestion .*\bblank"),
    ("q.csv", "question,answer\nWhy?,\n", "line 2", r"\banswer .*\bblank"),
    ("q.csv", "question,answer,A,B\nWhy?,C,x,y\n", "line 2", r"\banswer .*\bA to B\b.*'C'"),
    ("q.csv", "question,answer,A,B,C\nWhy?,A,x,,z\n", "line 2", r"\bB .*\bblank"),
    ("q.csv", "question,answer,A\nWhy?,A,x\n", "line 2", r"\b2\b.*\b26\b.*\b1\b"),
    ("q.csv", "question,answer,choices\nWhy?,A,x|y\n", "line 2", r"\bchoices .*\bJSON\b.*'x\|y'"),
    ("q.jsonl", '{"question": "Why?", "answer": []}\n', "line 1", r"\banswer .*\[\]"),
    ("q.jsonl", '{"question": "Why?", "answer": ["a", " "]}\n', "line 1", r"\banswer .*\['a', ' '\]"),
    ("q.csv", 'question,answer,choices\nWhy?,A,"[[1],2]"\n', "line 2", r"\bchoices .*\[\['1'\], '2'\]"),
    ("q.jsonl", '{"question": "Why?", "answer": "So."}\n{"question": "Why?"}\n', "line 2", "'answer'"),
    ("q.jsonl", '\n{"question": "Why?",\n', "line 2", r"\bJSON\b"),
    ("q.jsonl", "[1]\n", "line 1", r"\bobject\b.*\bquestion, answer\b.*\['1'\]"),
    ("q.jsonl", '{"question": null, "answer": "x"}', "line 1", r"\bquestion .*\btext\b.*\bNone\b"),
    ("q.jsonl", '{"question": "\\ud800", "answer": "x"}', "line 1", r"\bquestion .*\bsurrogate"),
    ("q.jsonl", '{"question": "Why?", "answer": "a", "answer": "b"}', "line 1", r"'answer' .*\bduplicate"),
    ("q.jsonl", '{"question": "Why?", "answer": [], "choices": ["a", "b"]}', "line 1", r"\banswer .*\bchoices\b.*\[\]"),
    ("q.jsonl", '{"question": "Why?", "answer": "A", "choices": ["a", " "]}', "line 1", r"\bchoice 1 .*\bblank"),
    (
        "q.jsonl",
        '{"question": "Why?", "answer": "A", "choices": ["a", "\\udc00"]}',
        "line 1",
        r"\bchoice 1 .*\bsurrogate",
    ),
    ("q.jsonl", "[" * 100_000, "line 1", r"\bJSON\b.*\bnested\b"),
    ("q.txt", "Why?", "q.txt", r"Questions .*\.csv, \.jsonl, \.ndjson\b"),
]


@pytest.mark.parametrize(("name", "content", "place", "words"), MISTAKES, ids=[words for *_, words in MISTAKES])
def test_invalid_file_raises_with_the_place(tmp_path: Path, name: str, content: str, place: str, words: str) -> None:
    message = problem_of(Questions(str(write(tmp_path / name, content))))
    assert place in message
    assert re.search(words, message)
    assert name in message
    assert len(message) < 500


def test_wrong_encoding_raises_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_bytes("question,answer\nWhy?,So.\nCafé?,Oui.\n".encode("latin-1"))
    with raises(SourceError, path=str(file), line=3) as caught:
        read(Questions(str(file)))
    assert "0xe9" in caught.value.message


def test_missing_path_raises_with_the_nearest_name(folder: Path) -> None:
    mmlu = folder / "mmlu"
    (mmlu / "empty").mkdir()
    cases: list[tuple[Any, str, str]] = [
        (Questions(str(folder / "owns.csv")), str(folder / "owns.csv"), "'own.csv'"),
        (Gsm8k(str(folder / "none" / "gsm8k.jsonl")), str(folder / "none" / "gsm8k.jsonl"), ""),
        (Mmlu(str(mmlu), "tests"), str(mmlu / "tests"), "'test'"),
        (Mmlu(str(folder / "none")), str(folder / "none" / "test"), ""),
        (Mmlu(str(mmlu), subjects=("anatomie",)), str(mmlu / "test"), "'anatomy'"),
        (Mmlu(str(mmlu), "empty"), str(mmlu / "empty"), ""),
    ]
    for source, path, near in cases:
        with raises(SourceError, path=path) as caught:
            read(source)
        assert near in caught.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{MMLU_COLUMNS}Why?,a,b,c,d,4\n", r"line 2: answer .*'4'"),
        (f"{MMLU_COLUMNS}Why?,a,b,c,d\n", r"line 2: .*\b6\b.*\b5\b"),
        (f"{MMLU_COLUMNS}Why?,a,,c,d,1\n", r"line 2: choice1 .*\bblank"),
        (MMLU_COLUMNS.replace("choice3", "choice4") + "Why?,a,b,c,d,1\n", r"line 1: .*'choice3'"),
        (MMLU_COLUMNS, r"anatomy\.csv .*\bquestions\b"),
    ],
)
def test_invalid_mmlu_file_raises(tmp_path: Path, content: str, words: str) -> None:
    write(tmp_path / "test" / "anatomy.csv", content)
    assert re.search(words, problem_of(Mmlu(str(tmp_path))))


@pytest.mark.parametrize("answer", ["7", "It is #### seven", "#### ", "#### 7 or 8", "#### 1.2.3", "", 7])
def test_gsm8k_solution_without_a_number_raises(tmp_path: Path, answer: object) -> None:
    file = write(tmp_path / "g.jsonl", json.dumps({"question": "Why?", "answer": answer}))
    assert re.search(
        r"g\.jsonl, line 1: answer (must end with '#### ' and a number|is blank)", problem_of(Gsm8k(str(file)))
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "Why?"}, "'mc1_targets'"),
        ({"question": "Why?", "mc1_targets": {"a": 1, "b": 2}}, r"\bmc1_targets .*\b0 or 1\b"),
        ({"question": "Why?", "mc1_targets": ["a", "b"]}, r"\bmc1_targets .*\b0 or 1\b"),
        ({"question": "Why?", "mc1_targets": {"a": [1], "b": 0}}, r"\bmc1_targets .*\b0 or 1\b"),
        ({"question": "Why?", "mc1_targets": {"a": 0, "b": 0}}, r"\bmc1_targets .*\bone true\b.*\b0\b"),
        ({"question": "Why?", "mc1_targets": {"a": 1, "b": 1}}, r"\bmc1_targets .*\bone true\b.*\b2\b"),
        ({"question": "Why?", "mc1_targets": {"a": 1}}, r"\b2\b.*\b26\b.*\b1\b"),
    ],
)
def test_invalid_truthfulqa_item_raises(tmp_path: Path, row: object, words: str) -> None:
    file = write(tmp_path / "t.json", json.dumps([{"question": "?", "mc1_targets": {"a": 1, "b": 0}}, row]))
    message = problem_of(TruthfulQa(str(file)))
    assert re.search(rf"t\.json, item 2: .*{words}", message)


def test_json_without_a_list_raises(tmp_path: Path) -> None:
    file = str(tmp_path / "t.json")
    write(tmp_path / "t.json", "{}")
    with raises(SourceError, path=file, value={}):
        read(TruthfulQa(file))
    write(tmp_path / "t.json", "[{]")
    with raises(SourceError, place=file) as caught:
        read(TruthfulQa(file))
    assert "column 3" in str(caught.value.fields["cause"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mmlu(""), lambda: Mmlu("x", per_subject=0), lambda: Mmlu("x", "../y"), lambda: Mmlu("x", ""),
        lambda: Gsm8k(""), lambda: Gsm8k("x", 0), lambda: TruthfulQa("x", "mc3"),  # type: ignore[arg-type]
        lambda: TruthfulQa("x", limit=0), lambda: Questions("x", answers="word"),  # type: ignore[arg-type]
        lambda: Questions("x", limit=-1),
    ],
)  # fmt: skip
def test_invalid_arguments_raise(make: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        make()


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(str.strip)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_csv_is_read(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(["question", "A", "B", "subject", "answer"])
    writer.writerows([*row, "B"] for row in rows)
    samples = read(Questions(str(write(tmp_path / "any.csv", buffer.getvalue()))))
    for row, sample in zip(rows, samples, strict=True):
        expected = [text.replace("\r\n", "\n") for text in row]
        assert [sample.text(name) for name in ("question", "choice0", "choice1", "subject")] == expected
        assert sample.text("answer") == "B"


@given(content=st.one_of(st.binary(), st.text().map(lambda text: f"question,answer,A,B\n{text}".encode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["q.csv", "q.jsonl", "mmlu", "gsm8k.jsonl", "t.json"])
def test_any_bytes_are_read_or_raise(tmp_path: Path, kind: str, content: bytes) -> None:
    makes: dict[str, Any] = {"mmlu": Mmlu, "gsm8k.jsonl": Gsm8k, "t.json": TruthfulQa}
    file = tmp_path / ("mmlu/test/any.csv" if kind == "mmlu" else kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    source = makes.get(kind, Questions)(str(tmp_path / kind))
    try:
        samples = read(source)
    except SourceError as problem:
        message = str(problem)
    else:
        message = file.name
        assert all(sample.id for sample in samples)
    assert file.name in message


def test_ten_megabytes_are_read(tmp_path: Path) -> None:
    row = f'"{"Which, of these? " * 30}",a,b,c,d,2\n'
    write(tmp_path / "test" / "long.csv", MMLU_COLUMNS + row * (10_000_000 // len(row)))
    assert len(read(Mmlu(str(tmp_path)))) == 10_000_000 // len(row)


def count_calls(run: Callable[[], object]) -> int:
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def test_reading_takes_linear_work(tmp_path: Path) -> None:
    file = tmp_path / "test" / "anatomy.csv"
    counts = []
    for rows in (500, 1000):
        write(file, MMLU_COLUMNS + '"Which, of these?",a,b,c,d,2\n' * rows)
        counts.append(count_calls(lambda: read(Mmlu(str(tmp_path)))))
    assert 500 < counts[1] < 2.1 * counts[0]


@shared
def test_mmlu_is_complete() -> None:
    samples = read(Mmlu(str(SHARED / "mmlu")))
    counts = Counter(sample.text("subject") for sample in samples)
    assert (len(samples), len(counts), counts["professional_law"]) == (14_042, 57, 1_534)
    assert Counter(sample.text("answer") for sample in samples) == {"A": 3_222, "B": 3_462, "C": 3_582, "D": 3_776}
    assert len({sample.id for sample in samples}) == 14_042
    examples = read(Mmlu(str(SHARED / "mmlu"), "dev"))
    assert set(Counter(sample.text("subject") for sample in examples).values()) == {5}
    assert {sample.text("subject") for sample in examples} == set(counts)


@shared
def test_gsm8k_is_complete() -> None:
    samples = read(Gsm8k(str(SHARED / "gsm8k-test.jsonl")))
    assert len(samples) == 1_319
    assert samples[0].text("answer") == "18"
    assert not any("<<" in sample.text("reasoning") or "####" in sample.text("reasoning") for sample in samples)
    assert all(re.fullmatch(r"-?\d+", sample.text("answer")) for sample in samples)


@shared
def test_truthfulqa_is_complete() -> None:
    single, several = (read(TruthfulQa(str(SHARED / "truthfulqa-mc.json"), targets)) for targets in ("mc1", "mc2"))
    assert (len(single), len(several)) == (790, 790)
    assert {sample.text("answer") for sample in single} == {"A"}
    assert max(len(sample.text("answer")) for sample in several) > 1
