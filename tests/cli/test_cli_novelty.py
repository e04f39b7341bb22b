"""assay novelty: every kind of file, streamed standard input, and errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assay.core.errors import UserError
from assay.evaluation.novelty.command import command
from command_line import environment, user_error

TASKS = ("Write a poem about the sea.", "Write a short poem about the sea.", "Name three fruits.", "Name three fruits!")


def novelty(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=stdin)


def run_json(*words: object) -> dict[str, Any]:
    result = novelty(*words, "--json")
    assert result.exit_code == 0, result.exception
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def lines(folder: Path, *tasks: str) -> Path:
    path = folder / "tasks.txt"
    path.write_text("\n\n".join(tasks or TASKS) + "\n", encoding="utf-8")
    return path


def test_every_file_format_has_the_same_decisions(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        "\n\n".join(json.dumps({"instruction": task, "n": 1.10}) for task in TASKS), encoding="utf-8"
    )
    (tmp_path / "t.csv").write_text(
        "n,instruction\n\n" + "\n\n".join(f'1,"{task}"' for task in TASKS), encoding="utf-8"
    )
    for path, where in ((lines(tmp_path), 1), (tmp_path / "t.jsonl", 1), (tmp_path / "t.csv", 3)):
        data = run_json(path)
        assert (data["texts"], data["kept"], data["same"]) == (4, 2, 1)
        assert data["rule"] == {"score": "ROUGE-L F", "limit": 0.7, "strict": False, "words": "any"}
        assert [row["line"] for row in data["dropped"]] == [where + 2, where + 6]
        assert [row["nearest"]["line"] for row in data["dropped"]] == [where, where + 4]
        assert [row["f"] for row in data["dropped"]] == [pytest.approx(12 / 13), 1.0]


def test_kept_rows_are_written_unchanged(tmp_path: Path) -> None:
    rows = [json.dumps({"task": task, "n": 1}).replace("1", "1.10") for task in TASKS]
    (tmp_path / "t.jsonl").write_text("\n".join(rows), encoding="utf-8")
    result = novelty(tmp_path / "t.jsonl", "--field", "task", "--out", tmp_path / "kept.jsonl")
    assert f"Kept: {tmp_path / 'kept.jsonl'}" in result.stdout
    assert (tmp_path / "kept.jsonl").read_text(encoding="utf-8") == f"{rows[0]}\n{rows[2]}\n"
    novelty(lines(tmp_path), "--out", tmp_path / "kept.jsonl")
    rewritten = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rewritten == [{"text": TASKS[0]}, {"text": TASKS[2]}]
    (tmp_path / "t.csv").write_text('n,instruction\n"1,5",a b\n', encoding="utf-8")
    novelty(tmp_path / "t.csv", "--out", tmp_path / "kept.jsonl")
    assert json.loads((tmp_path / "kept.jsonl").read_text(encoding="utf-8")) == {"n": "1,5", "instruction": "a b"}


def test_both_rules_differ_at_the_limit(tmp_path: Path) -> None:
    path = lines(tmp_path, "a b c d e f g x y z", "a b c d e f g u v w")
    for words, strict, kept_texts, rule in ((), False, 2, "at most 0.7"), (("--below", 0.7), True, 1, "below 0.7"):
        data = run_json(path, *words)
        assert (data["rule"]["limit"], data["rule"]["strict"], data["kept"]) == (0.7, strict, kept_texts)
        assert rule in novelty(path, *words).stdout
    assert run_json(path, "--at-most", 0.6)["kept"] == 1


def test_texts_of_another_file_count_as_kept_before(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"instruction": "Name three fruits"}), encoding="utf-8")
    data = run_json(lines(tmp_path), "--against", seeds)
    assert (data["kept"], data["against"]) == (1, 1)
    assert data["dropped"][-1]["nearest"] == {"in": "against", "line": 1, "text": "Name three fruits"}
    printed = novelty(lines(tmp_path), "--against", seeds).stdout
    assert "1 given text " in printed
    assert "given line 1: Name three fruits" in printed


def test_the_most_repeated_texts_are_listed_first(tmp_path: Path) -> None:
    printed = novelty(lines(tmp_path, *TASKS, "name THREE fruits")).stdout
    assert re.findall(r"[\d.]+", printed.splitlines()[0])[:5] == ["2", "5", "40.0", "2", "1"]
    table = printed.partition("Most repeated:")[2].splitlines()
    assert table[2].split()[:3] == ["2", "line", "5:"]
    assert table[3].split()[0] == "1"


def test_short_texts_and_texts_compared_by_character_are_reported(tmp_path: Path) -> None:
    path = lines(tmp_path, "영어로 번역하세요", "프랑스어로 번역하세요", "go", "Name three fruits.")
    data, printed = run_json(path), novelty(path).stdout
    assert (data["few_words"], data["by_character"]) == (1, 2)
    _, _, few, caution = data["summary"]
    assert "1 text (25.0%)" in few
    assert "2 texts (50.0%)" in caution
    assert printed.startswith("\n".join(data["summary"]))
    ascii_caution = run_json(path, "--tokens", "ascii")["summary"][-1]
    assert "2 texts (50.0%)" in ascii_caution
    assert "--tokens any" in ascii_caution
    assert len(run_json(lines(tmp_path))["summary"]) == 2


def test_standard_input_is_filtered_line_by_line() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "assay.cli.main", "novelty", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONUNBUFFERED=""),
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        for task in TASKS[::2]:
            running.stdin.write(f"{task}\n{task}\r\n\n".encode())
            running.stdin.flush()
            assert running.stdout.readline().decode() == f"{task}\n"  # before the next one is given
        running.stdin.close()
        assert running.stdout.read() == b""
        assert running.stderr.read().decode().startswith("Kept 2 of 4 texts (50.0%)")


def test_standard_input_may_be_json_and_a_file_may_be_streamed(tmp_path: Path) -> None:
    rows = [json.dumps({"instruction": task}) for task in TASKS]
    result = novelty("-", "--field", "instruction", stdin="\n".join(rows).encode())
    assert result.stdout.splitlines() == [rows[0], rows[2]]
    result = novelty(lines(tmp_path), "--stream")
    assert result.stdout.splitlines() == [TASKS[0], TASKS[2]]
    assert "Kept 2 of 4" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "words", "code", "fields", "value"),
    [
        ("t.txt", None, [], "source", {"near": []}, "t.txt"),
        ("t.txt", b"good\n\xff\xfe\n", [], "source", {"line": 2}, "0xff"),
        ("t.txt", b" \n\n", [], "source", {}, "t.txt"),
        ("t.txt", b"a\n", ["--at-most", "70"], "user", {}, "70.0"),
        ("t.txt", b"a\n", ["--at-most", "0.7", "--below", "0.7"], "user", {}, "--at-most and --below"),
        ("t.txt", b"a\n", ["--stream", "--json"], "user", {}, "--json"),
        ("t.txt", b"a\n", ["--out", "nowhere/kept.jsonl"], "user", {}, "nowhere/kept.jsonl"),
        ("t.txt", b"a\n", ["--against", "seeds.txt"], "source", {"path": "seeds.txt"}, ""),
        ("t.jsonl", b'{"instruction": "a"}\n{"instruction": \n', [], "source", {}, "t.jsonl, line 2: "),
        ("t.jsonl", b'{"instruction": "a"}\n{"instuction": "a"}\n', [], "source", {"name": "instruction"}, "line 2: "),
        ("t.jsonl", b'{"instruction": [7]}\n', [], "source", {}, "line 1: instruction"),
        ("t.jsonl", b'{"instruction": "\\ud800"}\n', [], "source", {"name": "instruction"}, "line 1: "),
        ("t.jsonl", b"[1]\n", [], "source", {"value": ["1"]}, "line 1: "),
        ("t.jsonl", b'{"task": "a"}\n', ["--field", "tsk"], "source", {"name": "tsk"}, "'task'"),
        ("t.csv", b"a,b\n1,2\n", [], "source", {"line": 1, "name": "instruction"}, "['a', 'b']"),
        ("t.csv", b"instruction,b\n1\n", [], "source", {"line": 2, "cells": 1}, "instruction, b"),
        ("t.csv", b'instruction\n"open\n', [], "source", {"line": 2}, "CSV"),
        ("t.parquet", b"PAR1", [], "source", {}, "t.parquet"),
    ],
)
def test_mistakes_are_user_errors(
    tmp_path: Path,
    name: str,
    content: bytes | None,
    words: list[str],
    code: str,
    fields: dict[str, object],
    value: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    error = user_error(["novelty", tmp_path / name, *words])
    assert error.code == code
    assert error.fields.items() >= fields.items()
    assert value in str(error)


@pytest.mark.parametrize(
    ("stdin", "words", "code", "value"),
    [
        (b"good\n\xff\n", [], "source", "standard input, line 2: "),
        (b"", [], "user", ""),
        (b'{"task": "a"}\n{"t', ["--field", "task"], "source", "standard input, line 2"),
    ],
)
def test_mistakes_on_standard_input_are_user_errors(stdin: bytes, words: list[str], code: str, value: str) -> None:
    error = novelty("-", *words, stdin=stdin).exception
    assert isinstance(error, UserError)
    assert error.code == code
    assert value in error.message
