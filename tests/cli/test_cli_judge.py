"""assay judge, on the embedded language model and on a server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import called, user_error
from fault_server import FaultServer

PAIRS = [
    {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair.", "label": "a"},
    {"instruction": "Name a metal.", "output_a": "Milk.", "output_b": "Iron.", "label": "b"},
]
RATED = [
    {"instruction": "Name a fruit.", "output": "A pear.", "human": 5},
    {"instruction": "Name a fruit.", "output": "A chair, I would say.", "human": 1},
]


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def served() -> Iterator[str]:
    with FaultServer() as server:
        yield f"{server.base}/v1#llama"


def test_pairs_are_judged_and_the_judge_is_checked(tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", PAIRS)
    words = ["judge", "pairs", file, "--judge", "embedded:smollm2", "--out", tmp_path / "run"]
    first = called(words)
    assert first.returncode == 0, first.stderr
    for text in (
        "2 of 2",
        "probabilities",
        "position inconsistency",
        "Length bias:",
        "Self-preference:",
        "agreement with human labels",
        "Answer format:",
    ):
        assert text in first.stdout
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Reliability and validity" in page
    assert "A chair." in page
    again = called([*words, "--json"])
    assert again.returncode == 0, again.stderr
    (result,) = json.loads(again.stdout)["pairs"]
    assert result["judge"]["by"] == "likelihood"
    assert result["self_preference"] is None  # of one judge
    assert result["counts"]["scored"] == result["position"]["conflict"]["n"] == 2
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["pairs"] == [result]
    assert len((tmp_path / "run" / "judged.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert len(list((tmp_path / "run").glob("judge-*/part-*.jsonl"))) == 1  # nothing was asked twice


def test_texts_are_graded_and_steps_are_printed(tmp_path: Path) -> None:
    step = "1. Look whether it is a fruit."
    (tmp_path / "steps.txt").write_text(f"{step}\n", encoding="utf-8")
    file = lines(tmp_path / "rated.jsonl", RATED)
    words = ["judge", "rate", file, "--judge", "embedded:smollm2", "--criteria", "Truth."]
    result = called([*words, "--steps", tmp_path / "steps.txt", "--scale", "0-5:0.5", "--out", tmp_path / "run"])
    assert result.returncode == 0, result.stderr
    for text in (step, "2 of 2", "mean grade", "judge and human grades", "probability"):
        assert text in result.stdout
    assert step in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_unparsed_answers_of_a_judge_give_no_numbers(served: str, tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", PAIRS)
    two = ["--judge", served, "--judge", "embedded:smollm2", "--family", f"{served}=red"]
    words = ["judge", "pairs", file, *two, "--out", tmp_path / "run"]
    result = called(words, XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "0 of 2" in result.stdout
    assert "2 of 2" in result.stdout
    assert "Self-preference: " in result.stdout
    assert "Position bias: " in result.stdout
    assert re.search(r"Excluded: 2 of 2 .*'ID [0-9a-f]{8}: LETTER'", result.stdout)
    rated = ["judge", "rate", lines(tmp_path / "rated.jsonl", RATED), "--judge", served, "--criteria", "Truth."]
    result = called(
        [*rated, "--no-steps", "--samples", 2, "--out", tmp_path / "rate", "--json"], XDG_CACHE_HOME=str(tmp_path)
    )
    assert result.returncode == 0, result.stderr
    ratings = json.loads(result.stdout)
    assert re.search(r"'ID [0-9a-f]{8}: GRADE'", ratings["counts"].pop("why"))
    assert ratings["counts"] | {"seconds": 0, "tokens": 0} == {
        "n": 2, "scored": 0, "unparsed": 2, "failed": 0, "seconds": 0, "tokens": 0, "dollars": None
    }  # fmt: skip
    assert ratings["mean"] is None


@pytest.mark.parametrize(
    ("words", "code", "value"),
    [
        (["pairs", "FILE", "--judge", "a/b", "--judge", "a/b"], "user", "'a/b'"),
        (["pairs", "FILE", "--judge", "a/b", "--family", "c=red"], "user", "--family"),
        (["pairs", "FILE", "--judge", "openai:gpt-4o", "--by", "likelihood"], "user", "openai:gpt-4o"),
        (["pairs", "FILE", "--judge", "a/b", "--column", "output"], "user", "--column"),
        (["pairs", "FILE", "--judge", "a/b", "--column", "output_a=x"], "source", "'x'"),
        (["pairs", "nowhere.jsonl", "--judge", "a/b"], "source", "nowhere.jsonl"),
        (["pairs", "FILE", "--judge", "embedded:smollm"], "model", "'smollm2'"),
        (["rate", "FILE", "--judge", "a/b", "--criteria", "x"], "source", "'output'"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", " "], "user", "criteria"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--scale", "five"], "user", "'five'"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--scale", "5-1"], "user", "5 to 1"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--steps", "nowhere.txt"], "user", "nowhere.txt"),
    ],
)
def test_invalid_arguments_are_named(words: list[str], code: str, value: str, tmp_path: Path) -> None:
    files = {"FILE": lines(tmp_path / "pairs.jsonl", PAIRS), "RATED": lines(tmp_path / "rated.jsonl", RATED)}
    error = user_error(["judge", *(files.get(word, word) for word in words), "--out", tmp_path / "run"])
    assert error.code == code
    assert value in str(error)
