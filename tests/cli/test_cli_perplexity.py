"""assay perplexity, on the embedded language model."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

import checkpoints
from command_line import called, usage_error, user_error

LINES = "The capital of France is Paris.\n\nColorless green ideas sleep furiously.\nx\n"


def run_json(*words: object) -> dict[str, object]:
    result = called(["perplexity", *words, "--json"])
    assert result.returncode == 0, result.stderr
    data: dict[str, object] = json.loads(result.stdout)
    return data


@pytest.mark.full
def test_lines_are_texts_of_one_corpus(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(LINES, encoding="utf-8")
    data = run_json(path)
    plain, odd, short = data["texts"]  # type: ignore[misc]
    assert plain["per_token"] < odd["per_token"]
    assert short["tokens"] == 0
    assert "per_token" not in short
    corpus: dict[str, float] = data["corpus"]  # type: ignore[assignment]
    assert corpus["texts"] == 2
    # A text of one token has no perplexity: its byte is not one that was no surprise.
    assert (corpus["words"], corpus["bytes"]) == (6 + 5, plain["bytes"] + odd["bytes"])
    assert corpus["per_token"] == pytest.approx(math.exp(-corpus["log_prob"] / corpus["tokens"]))
    assert corpus["tokens"] == plain["tokens"] + odd["tokens"]
    assert (data["window"], data["stride"]) == (8191, 4095)  # OpenVINO generates one token


def test_a_whole_file_is_one_text_by_windows(tmp_path: Path) -> None:
    path = tmp_path / "whole.txt"
    path.write_text(LINES * 3, encoding="utf-8")
    words = [path, "--whole", "--window", 16, "--stride", 4, "--model", "transformers:embedded:smollm2"]
    data = run_json(*words)
    (text,) = data["texts"]  # type: ignore[misc]
    assert text["windows"] > 2
    assert (data["window"], data["stride"]) == (16, 4)
    assert text["bytes"] == len(LINES) * 3
    printed = called(["perplexity", *words]).stdout
    for name in ("per_token", "per_word", "per_byte", "bits_per_byte"):
        assert re.search(rf"{name.replace('_', ' ')} +{text[name]:,.4f}\b", printed)
    assert "16 tokens, stride 4" in printed


@pytest.mark.full  # the embedded model
def test_skipped_texts_and_first_tokens_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(LINES, encoding="utf-8")
    result = called(["perplexity", path])
    assert result.returncode == 0, result.stderr
    assert "Skipped 1 of 3 " in result.stdout
    assert re.search(r"^Note: .*\(2 of \d+ tokens\)", result.stdout, re.MULTILINE)
    assert "8,191 tokens" in result.stdout
    assert "stride" not in result.stdout


@pytest.mark.full  # the embedded model, three times
def test_only_the_column_of_a_table_is_read(tmp_path: Path) -> None:
    plain = tmp_path / "lines.txt"
    plain.write_bytes("\ufeffThe capital\u2028of France.\r\nIt is Paris.\r\n".encode())
    table, lines = tmp_path / "table.csv", tmp_path / "table.jsonl"
    rows = ["The capital\u2028of France.", "", "It is Paris."]
    table.write_text("id,text\n" + "".join(f"{nth},{text}\n" for nth, text in enumerate(rows)), encoding="utf-8")
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows), encoding="utf-8")
    data = run_json(plain)
    assert [row["bytes"] for row in data["texts"]] == [24, 12]  # type: ignore[attr-defined]
    assert run_json(table, "--column", "text") == run_json(lines, "--column", "text") == data


@pytest.mark.parametrize(
    ("name", "words", "code", "value"),
    [
        ("table.csv", [], "user", "--column"),
        ("table.csv", ["--column", "texts"], "source", "'text'"),
        ("table.csv", ["--column", "text", "--whole"], "user", "--whole"),
        ("table.txt", ["--column", "text"], "user", ".csv"),
    ],
)
def test_a_table_needs_a_column(tmp_path: Path, name: str, words: list[object], code: str, value: str) -> None:
    (tmp_path / name).write_text("id,text\n1,Two words.\n", encoding="utf-8")
    error = user_error(["perplexity", tmp_path / name, *words])
    assert error.code == code
    assert value in str(error)


@pytest.mark.parametrize(
    ("content", "words", "code", "value"),
    [
        (None, [], "source", "file.txt"),
        (b"\xff\xfe", [], "source", "0xff"),
        (b" \n\n", [], "user", "file.txt"),
        pytest.param(b"x\n", [], "user", "file.txt", marks=pytest.mark.full),  # opens the embedded model
        (b"two words\n", ["--model", "embedded:smollm"], "model", "'smollm2'"),
    ],
)
def test_invalid_arguments_are_named(
    tmp_path: Path, content: bytes | None, words: list[object], code: str, value: str
) -> None:
    path = tmp_path / "file.txt"
    if content is not None:
        path.write_bytes(content)
    error = user_error(["perplexity", path, *words])
    assert error.code == code
    assert value in str(error)


def test_a_stride_is_positive(tmp_path: Path) -> None:
    assert "--stride" in usage_error(["perplexity", tmp_path / "file.txt", "--stride", 0]).format_message()


@pytest.mark.parametrize(("words", "value"), [(["--window", 8, "--stride", 8], "1 to 7"), (["--window", 9000], "9000")])
def test_windows_fit_the_context_of_the_model(tmp_path: Path, words: list[object], value: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text("two words\n", encoding="utf-8")
    model = f"transformers:{checkpoints.chat(tmp_path / 'model')}"
    error = user_error(["perplexity", path, "--model", model, *words])
    assert error.code == "model"
    assert value in str(error)
