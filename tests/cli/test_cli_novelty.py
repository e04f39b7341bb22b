"""assay novelty: files of every kind, standard input as it comes, and one message for whatever is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assay.evaluation.novelty.command import command
from command_line import environment, error_message

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


def test_texts_of_every_kind_of_file_are_decided_alike(tmp_path: Path) -> None:
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


def test_what_is_kept_is_written_as_it_stood(tmp_path: Path) -> None:
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


def test_both_rules_are_told_and_differ_at_the_limit(tmp_path: Path) -> None:
    path = lines(tmp_path, "a b c d e f g x y z", "a b c d e f g u v w")
    assert run_json(path)["kept"] == 2
    assert run_json(path, "--below", 0.7)["kept"] == 1
    assert "ROUGE-L F1 with all texts kept before is at most 0.7" in novelty(path).stdout
    assert "ROUGE-L F1 with all texts kept before is below 0.7" in novelty(path, "--below", 0.7).stdout
    assert run_json(path, "--at-most", 0.6)["kept"] == 1


def test_texts_of_another_file_count_as_kept_before(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text(json.dumps({"instruction": "Name three fruits"}), encoding="utf-8")
    data = run_json(lines(tmp_path), "--against", seeds)
    assert (data["kept"], data["against"]) == (1, 1)
    assert data["dropped"][-1]["nearest"] == {"in": "against", "line": 1, "text": "Name three fruits"}
    printed = novelty(lines(tmp_path), "--against", seeds).stdout
    assert "and the 1 given text is at most 0.7" in printed
    assert "given line 1: Name three fruits" in printed


def test_the_most_repeated_come_first_with_their_neighbors(tmp_path: Path) -> None:
    printed = novelty(lines(tmp_path, *TASKS, "name THREE fruits")).stdout
    assert "Kept 2 of 5 texts (40.0%); dropped 2 exact and 1 near" in printed
    table = printed.partition("Most repeated:")[2].splitlines()
    assert table[2].split()[:3] == ["2", "line", "5:"]
    assert table[3].split()[0] == "1"


def test_few_words_and_scripts_by_the_character_are_told(tmp_path: Path) -> None:
    path = lines(tmp_path, "영어로 번역하세요", "프랑스어로 번역하세요", "go", "Name three fruits.")
    printed = novelty(path).stdout
    assert "Fewer than 3 words: 1 text (25.0%)." in printed
    assert "Caution: 2 texts (50.0%) in Korean, Chinese or another script" in printed
    assert "dropped or merged" in novelty(path, "--tokens", "ascii").stdout
    assert "Caution" not in novelty(lines(tmp_path)).stdout


def test_standard_input_is_answered_line_by_line() -> None:
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
        for task, kept in zip(TASKS[::2], (True, True), strict=True):
            running.stdin.write(f"{task}\n{task}\r\n\n".encode())
            running.stdin.flush()
            assert kept
            assert running.stdout.readline().decode() == f"{task}\n"  # before the next one is given
        running.stdin.close()
        assert running.stdout.read() == b""
        assert running.stderr.read().decode().startswith("Kept 2 of 4 texts (50.0%)")


def test_standard_input_may_be_json_and_a_file_may_be_streamed(tmp_path: Path) -> None:
    rows = [json.dumps({"instruction": task}) for task in TASKS]
    result = novelty("-", "--field", "instruction", given="\n".join(rows).encode())
    assert result.stdout.splitlines() == [rows[0], rows[2]]
    result = novelty(lines(tmp_path), "--stream")
    assert result.stdout.splitlines() == [TASKS[0], TASKS[2]]
    assert "Kept 2 of 4" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "words", "told"),
    [
        ("t.txt", None, [], "There is no file"),
        ("t.txt", b"good\n\xff\xfe\n", [], "t.txt, line 2: not UTF-8, byte 0xff."),
        ("t.txt", b" \n\n", [], "no text"),
        ("t.txt", b"a\n", ["--at-most", "70"], "must be above 0 and at most 1, was 70"),
        ("t.txt", b"a\n", ["--at-most", "0.7", "--below", "0.7"], "mutually exclusive"),
        ("t.txt", b"a\n", ["--stream", "--json"], "cannot be combined with"),
        ("t.txt", b"a\n", ["--out", "nowhere/kept.jsonl"], "the folder nowhere does not exist"),
        ("t.txt", b"a\n", ["--against", "seeds.txt"], "There is no file 'seeds.txt'"),
        ("t.jsonl", b'{"instruction": "a"}\n{"instruction": \n', [], "t.jsonl, line 2: not JSON"),
        ("t.jsonl", b'{"instruction": "a"}\n{"instuction": "a"}\n', [], "line 2: there is no 'instruction'."),
        ("t.jsonl", b'{"instruction": [7]}\n', [], "line 1: instruction must be text, was ['7']."),
        ("t.jsonl", b'{"instruction": "\\ud800"}\n', [], "line 1: instruction has a lone surrogate"),
        ("t.jsonl", b"[1]\n", [], "line 1: must be an object"),
        ("t.jsonl", b'{"task": "a"}\n', ["--field", "tsk"], "Did you mean 'task'"),
        ("t.csv", b"a,b\n1,2\n", [], "there is no 'instruction'"),
        ("t.csv", b"instruction,b\n1\n", [], "line 2: a row must have 2 cells"),
        ("t.csv", b'instruction\n"open\n', [], "line 2: invalid CSV"),
        ("t.parquet", b"PAR1", [], "Expected a .txt, .jsonl, .ndjson, .csv file"),
    ],
)
def test_mistakes_are_one_message(
    tmp_path: Path, name: str, content: bytes | None, words: list[str], told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert told in error_message(["novelty", tmp_path / name, *words])


@pytest.mark.parametrize(
    ("given", "words", "told"),
    [
        (b"good\n\xff\n", [], "standard input, line 2: not UTF-8, byte 0xff."),
        (b"", [], "Standard input contains no text."),
        (b'{"task": "a"}\n{"t', ["--field", "task"], "standard input, line 2"),
    ],
)
def test_mistakes_on_standard_input_are_one_message(given: bytes, words: list[str], told: str) -> None:
    found = novelty("-", *words, given=given).exception
    assert told in str(found)
