"""assay perplexity, on the embedded language model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import checkpoints
from command_line import called, error_message

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
    assert f"{text['per_token']:,.4f}" in printed
    assert "perplexity per token" in printed
    assert "16 tokens, stride 4" in printed


@pytest.mark.full  # the embedded model
def test_what_is_left_out_and_what_shortness_does_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(LINES, encoding="utf-8")
    result = called(["perplexity", path])
    assert result.returncode == 0, result.stderr
    assert "Skipped 1 of 3 texts with fewer than two tokens." in result.stdout
    assert "Note: the first token of each text is not scored (2 of " in result.stdout
    assert "8,191 tokens, no text is longer" in result.stdout


@pytest.mark.full  # the embedded model, three times
def test_a_column_of_a_table_is_read_and_nothing_else_of_it(tmp_path: Path) -> None:
    plain = tmp_path / "lines.txt"
    plain.write_bytes("\ufeffThe capital\u2028of France.\r\nIt is Paris.\r\n".encode())
    table, lines = tmp_path / "table.csv", tmp_path / "table.jsonl"
    rows = ["The capital\u2028of France.", "", "It is Paris."]
    table.write_text("id,text\n" + "".join(f"{nth},{text}\n" for nth, text in enumerate(rows)), encoding="utf-8")
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows), encoding="utf-8")
    data = run_json(plain)
    assert [text["bytes"] for text in data["texts"]] == [24, 12]  # type: ignore[attr-defined]
    assert run_json(table, "--column", "text") == run_json(lines, "--column", "text") == data


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("table.csv", [], "--column"),
        ("table.csv", ["--column", "texts"], "'text'"),
        ("table.csv", ["--column", "text", "--whole"], "--whole"),
        ("table.txt", ["--column", "text"], ".csv"),
    ],
)
def test_a_table_needs_a_column(tmp_path: Path, name: str, words: list[object], told: str) -> None:
    (tmp_path / name).write_text("id,text\n1,Two words.\n", encoding="utf-8")
    assert told in error_message(["perplexity", tmp_path / name, *words])


@pytest.mark.parametrize(
    ("content", "words", "told"),
    [
        (None, [], "file.txt"),
        (b"\xff\xfe", [], "0xff"),
        (b" \n\n", [], "file.txt"),
        pytest.param(b"x\n", [], "file.txt", marks=pytest.mark.full),  # opens the embedded model
        (b"two words\n", ["--model", "embedded:smollm"], "'smollm2'"),
        (b"two words\n", ["--stride", 0], "--stride"),
    ],
)
def test_invalid_arguments_are_named(tmp_path: Path, content: bytes | None, words: list[object], told: str) -> None:
    path = tmp_path / "file.txt"
    if content is not None:
        path.write_bytes(content)
    assert told in error_message(["perplexity", path, *words])


@pytest.mark.parametrize(("words", "told"), [(["--window", 8, "--stride", 8], "1 to 7"), (["--window", 9000], "9000")])
def test_windows_fit_the_context_of_the_model(tmp_path: Path, words: list[object], told: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text("two words\n", encoding="utf-8")
    model = f"transformers:{checkpoints.chat(tmp_path / 'model')}"
    assert told in error_message(["perplexity", path, "--model", model, *words])
