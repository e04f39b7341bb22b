"""Files of texts and pairs to judge: columns, labels, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.components.sources.files.judgments import read_pairs, read_rated
from assay.core.completions import Message
from assay.core.errors import SourceError
from assay.judging.judgments import pair_of, rated_of
from error_fields import raises

PAIR = {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair."}


def lines(folder: Path, *rows: object, name: str = "pairs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("label", "expected"),
    [("a", "a"), ("A", "a"), (1, "a"), ("output_1", "a"), (2, "b"), ("model_b", "b"), (0, "tie"), ("Tie", "tie")],
)
def test_label_spellings(tmp_path: Path, label: object, expected: str) -> None:
    (pair,) = read_pairs(lines(tmp_path, {**PAIR, "label": label}))
    assert pair.fields == {**PAIR, "label": expected, "origin": "pairs.jsonl:1"}


def test_labels_of_only_0_and_1_raise(tmp_path: Path) -> None:
    rows = [{**PAIR, "label": label} for label in (1, 0, 1, None)]
    for limit in (None, 1):
        with pytest.raises(SourceError, match="0 or 1"):
            read_pairs(lines(tmp_path, *rows), limit=limit)
    pairs = read_pairs(lines(tmp_path, *rows, {**PAIR, "label": 2}))
    assert [pair.fields.get("label") for pair in pairs] == ["a", "tie", "a", None, "b"]


def test_column_names_are_configurable(tmp_path: Path) -> None:
    row = {"input": "Name a fruit.", "output_1": "A pear.", "output_2": "A chair.", "label": 1, "other": [1]}
    names = {"instruction": "input", "output_a": "output_1", "output_b": "output_2"}
    (pair,) = read_pairs(lines(tmp_path, row), names)
    assert pair.fields == {**PAIR, "label": "a", "origin": "pairs.jsonl:1"}


def test_csv_and_limit(tmp_path: Path) -> None:
    path = tmp_path / "rated.csv"
    path.write_text('instruction,input,output,human\n"Sum, up",x,"y\nz",3.5\nMore,,w,\n', encoding="utf-8")
    first, second = read_rated(path)
    assert first.fields == {
        "instruction": "Sum, up",
        "input": "x",
        "output": "y\nz",
        "human": "3.5",
        "origin": "rated.csv:2",
    }
    assert second.fields == {"instruction": "More", "input": "", "output": "w", "origin": "rated.csv:4"}
    assert read_rated(path, limit=1) == [first]


def test_empty_answer_is_read(tmp_path: Path) -> None:
    (pair,) = read_pairs(lines(tmp_path, {**PAIR, "output_b": ""}))
    assert pair.text("output_b") == ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction": "x", "output_a": "y"}, "'output_b'"),
        ({**PAIR, "output_a": ["y"]}, r"output_a .*\btext\b.*\['y'\]"),
        ({**PAIR, "output_a": None}, r"output_a .*\btext\b.*\bNone\b"),
        ({**PAIR, "label": "left"}, r"label .*\ba, b\b.*\btie\b.*'left'"),
        ({**PAIR, "label": True}, r"label .*\btext\b.*\bTrue\b"),
        ({**PAIR, "instruction": " "}, r"instruction .*\bblank"),
        (["x"], r"\bobject\b.*\['x'\]"),
    ],
)
def test_invalid_line_raises_with_its_number(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(SourceError, match=rf"pairs\.jsonl, line 2: .*{message}"):
        read_pairs(lines(tmp_path, PAIR, row))


def test_invalid_file_or_column_raises(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path / "pairs.txt", lines(tmp_path, name="empty.jsonl")):
        with raises(SourceError, path=str(path)):
            read_pairs(path)
    with raises(SourceError, name="human", value="good"):
        read_rated(lines(tmp_path, {"output": "x", "human": "good"}))
    with raises(SourceError, name="outputs"):
        read_rated(lines(tmp_path, {"output": "x"}), {"outputs": "y"})
    with raises(SourceError, name="y"):
        read_rated(lines(tmp_path, {"output": "x"}), {"human": "y"})


def test_history_is_read_from_jsonl_and_csv(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    history = json.dumps(messages)
    (pair,) = read_pairs(lines(tmp_path, {**PAIR, "history": messages}))
    assert pair.fields == {**PAIR, "history": history, "origin": "pairs.jsonl:1"}
    assert pair_of(pair).before == (Message("user", "Hi."), Message("assistant", "Hello."))
    table = tmp_path / "rated.csv"
    cell = history.replace('"', '""')
    table.write_text(f'history,instruction,output\n"{cell}",More,x\n,Less,y\n', encoding="utf-8")
    first, second = read_rated(table)
    assert rated_of(first).before == pair_of(pair).before
    assert "history" not in second.fields
    with pytest.raises(SourceError, match=r"pairs.jsonl, line 1"):
        read_pairs(lines(tmp_path, {**PAIR, "history": messages[:1]}))
