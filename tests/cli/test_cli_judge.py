"""assay judge, on the embedded language model and on a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import called, error_message
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


def test_pairs_by_the_embedded_model_with_an_audit_in_sentences(tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", PAIRS)
    words = ["judge", "pairs", file, "--judge", "embedded:smollm2", "--out", tmp_path / "run"]
    done = called(words)
    assert done.returncode == 0, done.stderr
    for said in (
        "2 of 2",
        "probabilities",
        "position inconsistency",
        "Length bias:",
        "agreement with human labels",
        "Answer format:",
    ):
        assert said in done.stdout
    assert "Needs several judges" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Reliability and validity" in page
    assert "A chair." in page
    again = called([*words, "--json"])
    assert again.returncode == 0, again.stderr
    (result,) = json.loads(again.stdout)["pairs"]
    assert result["judge"]["by"] == "likelihood"
    assert result["counts"]["scored"] == result["position"]["conflict"]["n"] == 2
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["pairs"] == [result]
    assert len((tmp_path / "run" / "judged.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert len(list((tmp_path / "run").glob("judge-*/part-*.jsonl"))) == 1  # nothing was asked twice


def test_texts_are_graded_and_steps_are_printed(tmp_path: Path) -> None:
    (tmp_path / "steps.txt").write_text("1. Look whether it is a fruit.\n", encoding="utf-8")
    words = [
        "judge",
        "rate",
        lines(tmp_path / "rated.jsonl", RATED),
        "--judge",
        "embedded:smollm2",
        "--criteria",
        "Truth.",
    ]
    result = called([*words, "--steps", tmp_path / "steps.txt", "--scale", "0-5:0.5", "--out", tmp_path / "run"])
    assert result.returncode == 0, result.stderr
    for said in ("1. Look whether it is a fruit.", "2 of 2", "mean grade", "judge and human grades", "probability"):
        assert said in result.stdout
    assert "1. Look whether it is a fruit." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_judge_whose_answers_cannot_be_read_gives_no_numbers_and_costs_no_lie(served: str, tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", PAIRS)
    two = ["--judge", served, "--judge", "embedded:smollm2", "--family", f"{served}=red"]
    words = ["judge", "pairs", file, *two, "--out", tmp_path / "run"]
    result = called(words, XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "0 of 2" in result.stdout
    assert "2 of 2" in result.stdout
    assert "Self-preference: " in result.stdout
    assert "Position bias: " in result.stdout
    assert "Excluded: 2 of 2 could not be scored; first reason: no line 'ID " in result.stdout
    rated = ["judge", "rate", lines(tmp_path / "rated.jsonl", RATED), "--judge", served, "--criteria", "Truth."]
    result = called(
        [*rated, "--no-steps", "--samples", 2, "--out", tmp_path / "rate", "--json"], XDG_CACHE_HOME=str(tmp_path)
    )
    assert result.returncode == 0, result.stderr
    ratings = json.loads(result.stdout)
    assert "no line 'ID " in ratings["counts"].pop("why")
    assert ratings["counts"] | {"seconds": 0, "tokens": 0} == {
        "n": 2, "scored": 0, "unparsed": 2, "failed": 0, "seconds": 0, "tokens": 0, "dollars": None
    }  # fmt: skip
    assert ratings["mean"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pairs", "FILE", "--judge", "a/b", "--judge", "a/b"], "'a/b'"),
        (["pairs", "FILE", "--judge", "a/b", "--family", "c=red"], "--family"),
        (["pairs", "FILE", "--judge", "openai:gpt-4o", "--by", "likelihood"], "openai:gpt-4o"),
        (["pairs", "FILE", "--judge", "a/b", "--column", "output"], "--column"),
        (["pairs", "FILE", "--judge", "a/b", "--column", "output_a=x"], "'x'"),
        (["pairs", "nowhere.jsonl", "--judge", "a/b"], "nowhere.jsonl"),
        (["pairs", "FILE", "--judge", "embedded:smollm"], "'smollm2'"),
        (["rate", "FILE", "--judge", "a/b", "--criteria", "x"], "'output'"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", " "], "criteria"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--scale", "five"], "'five'"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--scale", "5-1"], "5 to 1"),
        (["rate", "RATED", "--judge", "a/b", "--criteria", "x", "--steps", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_invalid_arguments_are_named(words: list[str], told: str, tmp_path: Path) -> None:
    files = {"FILE": lines(tmp_path / "pairs.jsonl", PAIRS), "RATED": lines(tmp_path / "rated.jsonl", RATED)}
    assert told in error_message(["judge", *(files.get(word, word) for word in words), "--out", tmp_path / "run"])
