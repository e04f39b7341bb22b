"""Files of what is to be judged: columns of any name, labels of any spelling, and one sentence for what is wrong."""

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
    ("label", "read"),
    [("a", "a"), ("A", "a"), (1, "a"), ("output_1", "a"), (2, "b"), ("model_b", "b"), (0, "tie"), ("Tie", "tie")],
)
def test_labels_are_read_as_people_write_them(tmp_path: Path, label: object, read: str) -> None:
    (found,) = read_pairs(lines(tmp_path, {**PAIR, "label": label}))
    assert found.fields == {**PAIR, "label": read, "origin": "pairs.jsonl:1"}


def test_labels_of_0_and_1_alone_may_mean_either_and_are_refused(tmp_path: Path) -> None:
    rows = [{**PAIR, "label": label} for label in (1, 0, 1, None)]
    for limit in (None, 1):
        with pytest.raises(SourceError, match="0 or 1"):
            read_pairs(lines(tmp_path, *rows), limit=limit)
    found = read_pairs(lines(tmp_path, *rows, {**PAIR, "label": 2}))
    assert [one.fields.get("label") for one in found] == ["a", "tie", "a", None, "b"]


def test_columns_have_any_names_and_one_is_never_read_as_two_things(tmp_path: Path) -> None:
    row = {"input": "Name a fruit.", "output_1": "A pear.", "output_2": "A chair.", "label": 1, "other": [1]}
    names = {"instruction": "input", "output_a": "output_1", "output_b": "output_2"}
    (found,) = read_pairs(lines(tmp_path, row), names)
    assert found.fields == {**PAIR, "label": "a", "origin": "pairs.jsonl:1"}


def test_a_table_is_read_as_lines_are_and_only_so_far_as_wanted(tmp_path: Path) -> None:
    path = tmp_path / "rated.csv"
    path.write_text('instruction,input,output,human\n"Sum, up",x,"y\nz",3.5\nMore,,w,\n', encoding="utf-8")
    one, two = read_rated(path)
    assert one.fields == {
        "instruction": "Sum, up",
        "input": "x",
        "output": "y\nz",
        "human": "3.5",
        "origin": "rated.csv:2",
    }
    assert two.fields == {"instruction": "More", "input": "", "output": "w", "origin": "rated.csv:4"}
    assert read_rated(path, limit=1) == [one]


def test_a_model_that_said_nothing_is_judged_too(tmp_path: Path) -> None:
    (found,) = read_pairs(lines(tmp_path, {**PAIR, "output_b": ""}))
    assert found.text("output_b") == ""


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"instruction": "x", "output_a": "y"}, "line 2: there is no 'output_b'"),
        ({**PAIR, "output_a": ["y"]}, "line 2: output_a must be text, was ['y']"),
        ({**PAIR, "output_a": None}, "line 2: output_a must be text, was None"),
        ({**PAIR, "label": "left"}, "line 2: label must be a, b or tie, was 'left'"),
        ({**PAIR, "label": True}, "line 2: label must be text, was True"),
        ({**PAIR, "instruction": " "}, "line 2: instruction is blank"),
        (["x"], "line 2: must be an object"),
    ],
)
def test_a_bad_line_is_told_by_its_number_with_what_was_expected_and_seen(
    tmp_path: Path, row: object, told: str
) -> None:
    with pytest.raises(SourceError) as problem:
        read_pairs(lines(tmp_path, PAIR, row))
    assert told in str(problem.value)


def test_a_bad_file_is_told_too(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path / "pairs.txt", lines(tmp_path, name="empty.jsonl")):
        with raises(SourceError, path=str(path)):
            read_pairs(path)
    with raises(SourceError, name="human", value="good"):
        read_rated(lines(tmp_path, {"output": "x", "human": "good"}))
    with raises(SourceError, name="outputs"):
        read_rated(lines(tmp_path, {"output": "x"}), {"outputs": "y"})
    with raises(SourceError, name="y"):
        read_rated(lines(tmp_path, {"output": "x"}), {"human": "y"})


def test_what_was_said_before_is_read_from_lines_and_from_tables(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    history = json.dumps(said)
    (found,) = read_pairs(lines(tmp_path, {**PAIR, "history": said}))
    assert found.fields == {**PAIR, "history": history, "origin": "pairs.jsonl:1"}
    assert pair_of(found).before == (Message("user", "Hi."), Message("assistant", "Hello."))
    table = tmp_path / "rated.csv"
    cell = history.replace('"', '""')
    table.write_text(f'history,instruction,output\n"{cell}",More,x\n,Less,y\n', encoding="utf-8")
    one, two = read_rated(table)
    assert rated_of(one).before == pair_of(found).before
    assert "history" not in two.fields
    with pytest.raises(SourceError, match=r"pairs.jsonl, line 1"):
        read_pairs(lines(tmp_path, {**PAIR, "history": said[:1]}))
