from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from assay.components.sources.files.judgments import read_votes
from assay.core.errors import FieldError, SourceError, UserError
from error_fields import raises


def write_votes(folder: Path, text: str, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_is_read_in_order(tmp_path: Path) -> None:
    text = "model_a,model_b,winner\nx,y,model_a\ny,x,tie\nz,x,model_b\nz,y,Tie (bothbad)\nx,z,z\n"
    cast = read_votes(write_votes(tmp_path, text))
    assert cast.models == ("x", "y", "z")
    assert cast.first.tolist() == [0, 1, 2, 2, 0]
    assert cast.outcome.tolist() == [1, 0.5, 0, 0.5, 0]


def test_jsonl_equals_csv(tmp_path: Path) -> None:
    rows = [("x", "y", "left"), ("y", "x", "tie"), ("x", "z", "right")]
    lines = "\n\n".join(json.dumps({"left": a, "right": b, "winner": w}) for a, b, w in rows)
    csv = "id,left,right,winner\n" + "\n".join(f"{nth},{a},{b},{w}" for nth, (a, b, w) in enumerate(rows))
    ours, theirs = read_votes(write_votes(tmp_path, lines, "a.jsonl")), read_votes(write_votes(tmp_path, csv))
    assert ours.models == theirs.models
    assert ours.outcome.tolist() == theirs.outcome.tolist() == [1, 0.5, 0]


def test_weights_and_both_forms_of_a_control(tmp_path: Path) -> None:
    text = "model_a,model_b,winner,n,longer,words_a,words_b\nx,y,a,2,5,30,10\ny,x,b,0.5,-5,0,0\n"
    cast = read_votes(write_votes(tmp_path, text), weight="n", controls=["longer", "words"])
    assert cast.weight.tolist() == [2, 0.5]
    assert cast.names == ("longer", "words")
    assert cast.covariates[:, 0].tolist() == [1, -1]
    assert cast.covariates[:, 1] == pytest.approx(np.array([0.5, 0]) / np.sqrt(0.125))


def test_a_model_may_be_called_as_a_word_for_a_winner_where_both_mean_the_same(tmp_path: Path) -> None:
    cast = read_votes(write_votes(tmp_path, "model_a,model_b,winner\na,b,a\na,c,c\nb,a,tie\n"))
    assert cast.models == ("a", "b", "c")
    assert cast.outcome.tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("row", ["b,a,a", "model_b,model_a,model_a", "right,left,left", "tie,x,tie", "x,draw,draw"])
def test_ambiguous_winner_raises(tmp_path: Path, row: str) -> None:
    """The winner is both the name of a model and the word for another outcome."""
    with pytest.raises(UserError, match=r"line 2"):
        read_votes(write_votes(tmp_path, f"model_a,model_b,winner\n{row}\n"))


def test_spaces_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    """Spaces around names, a byte order mark, a suffix in capitals, Windows line ends."""
    cast = read_votes(write_votes(tmp_path, "\ufeffmodel_a, model_b, winner\r\nx , y,y\r\n", "VOTES.CSV"))
    assert cast.models == ("x", "y")
    assert cast.outcome.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_a": "x", "model_a": "z", "model_b": "y", "winner": "tie"}', r"'model_a' .*\bduplicate"),
        ('{"model_a": "x\\ud800", "model_b": "y", "winner": "tie"}', r"model_a .*\bsurrogate"),
        ('{"model_a": ["x"], "model_b": "y", "winner": "x"}', r"model_a .*\btext\b.*\['x'\]"),
        ('{"model_a": null, "model_b": "y", "winner": "x"}', r"model_a .*\btext\b.*\bNone\b"),
        ("[" * 100_000, r"\bJSON\b.*\bnested\b"),
        ("[1]", r"\bobject\b.*\['1'\]"),
        ("x", r"\bJSON\b"),
    ],
)
def test_invalid_jsonl_line_raises(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=rf"votes\.jsonl, line 1: .*{message}"):
        read_votes(write_votes(tmp_path, text, "votes.jsonl"))


def test_duplicate_column_raises(tmp_path: Path) -> None:
    with raises(SourceError, name="winner"):
        read_votes(write_votes(tmp_path, "model_a,model_b,winner,winner\nx,y,x,y\n"))


def test_control_name_without_its_suffix_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(FieldError) as caught:
        read_votes(write_votes(tmp_path, "model_a,model_b,winner,length_a,length_b\nx,y,x,1,2\n"), controls=["lenght"])
    assert re.search(r"'length'.*\blength, length_a", caught.value.hint)


HEAD = "model_a,model_b,winner,w,len_a,len_b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\bvotes\b"),
        (HEAD, r"\bvotes\b"),
        ("modelA,model_b,winner\nx,y,tie\n", r"\bmodel_a\b.*\bmodel_b\b.*\bleft\b.*\bright\b"),
        ("model_a,model_b,wins\nx,y,tie\n", "line 2: .*'winner'"),
        (
            HEAD + "x,y,model_a,1,1,1\nx,y,modela,1,1,1\n",
            r"line 3: .*'modela'.*\bmodel_a, model_b\b",
        ),
        (HEAD + "x,y,,1,1,1\n", r"line 2: winner .*\bblank"),
        (HEAD + "x,,tie,1,1,1\n", r"line 2: model_b .*\bblank"),
        (HEAD + "x,x,tie,1,1,1\n", "line 2: 'x'"),
        (HEAD + "x,y,tie,0,1,1\n", r"line 2: w .*\bzero\b.*\b0\b"),
        (HEAD + "x,y,tie,many,1,1\n", r"line 2: w .*\bnumber\b.*'many'"),
        (HEAD + "x,y,tie,inf,1,1\n", r"line 2: w .*\bnumber\b.*'inf'"),
        (HEAD + "x,y,tie,1,-1,1\n", r"line 2: len_a .*\blen_b .*\b0\b.*-1\b"),
        (HEAD + "x,y,tie,1,3,3\n", r"'len' .*\b0\b"),
        (HEAD + "x,y,tie,1,3\n", r"line 2: .*\b6\b.*\b5\b"),
        (HEAD + "x,y,tie,1,3,3,3\n", r"line 2: .*\b6\b.*\b7\b"),
    ],
)
def test_invalid_line_raises_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"votes\.csv\b.*{message}"):
        read_votes(write_votes(tmp_path, text), weight="w", controls=["len"])


def test_missing_control_raises_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"'leng'.*'leng_a'.*'leng_b'") as caught:
        read_votes(write_votes(tmp_path, HEAD + "x,y,tie,1,1,1\n"), controls=["leng"])
    assert "'len'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "{}\n{", r"line 2: .*\bJSON\b"),
        ("a.jsonl", "[1]\n", r"line 1: .*\bobject\b"),
        ("a.txt", "x", r"\.csv, \.jsonl, \.ndjson\b.*'a\.txt'"),
    ],
)
def test_other_files_raise(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_votes(write_votes(tmp_path, text, name))


def test_missing_or_binary_file_raises(tmp_path: Path) -> None:
    with raises(SourceError, path=str(tmp_path / "none.csv")):
        read_votes(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with raises(SourceError, path=str(tmp_path / "bytes.csv"), line=1):
        read_votes(tmp_path / "bytes.csv")
    (tmp_path / "folder.csv").mkdir()
    with raises(SourceError, path=str(tmp_path / "folder.csv")):
        read_votes(tmp_path / "folder.csv")
