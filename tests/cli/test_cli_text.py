"""assay ask and assay decode, on the embedded language model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.text.prompting.methods import PromptWording
from command_line import called, user_error
from fault_server import FaultServer

FOUR = ("greedy", "beam:4", "top-k:50", "top-p:0.9,temperature:0.7")


def run_json(*words: object) -> dict[str, object]:
    result = called([*words, "--json"])
    assert result.returncode == 0, result.stderr
    data: dict[str, object] = json.loads(result.stdout)
    return data


def strategies(*names: str) -> list[str]:
    return [word for name in names for word in ("--strategy", name)]


@pytest.mark.full
def test_four_decoding_strategies_on_one_prompt(tmp_path: Path) -> None:
    words = ["decode", "The capital of France is", *strategies(*FOUR), "--max-tokens", 6, "--seed", 3]
    data = run_json(*words, "--html", tmp_path / "out.html")
    rows = {row["strategy"]: row for row in data["strategies"]}  # type: ignore[attr-defined]
    assert tuple(rows) == FOUR
    assert all(row["answers"][0]["text"].startswith(" Paris") for row in rows.values())
    best = max(rows, key=lambda name: rows[name]["answers"][0]["log_prob"])
    assert rows["beam:4"]["answers"][0]["log_prob"] >= rows["greedy"]["answers"][0]["log_prob"]
    assert rows["greedy"]["rows"] == 6 < rows["beam:4"]["rows"]
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert best in page
    assert "Decoding steps" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    again = run_json(*words)
    for row, other in zip(data["strategies"], again["strategies"], strict=True):  # type: ignore[call-overload]
        assert row["answers"] == other["answers"]


@pytest.mark.full
def test_one_question_with_every_prompting_method() -> None:
    words = ["ask", "Tom has 5 apples and buys 7 more. How many apples has he?", "--kind", "number"]
    data = run_json(*words, "--samples", 3, "--max-tokens", 60)
    methods = {method["method"]: method for method in data["methods"]}  # type: ignore[attr-defined]
    assert list(methods) == ["zero-shot", "few-shot", "chain-of-thought", "zero-shot-cot", "self-consistency"]
    assert methods["zero-shot"]["answer"] == "12"
    assert methods["chain-of-thought"]["answer"] == "12"
    assert len(methods["zero-shot-cot"]["prompts"]) == 2
    assert methods["zero-shot-cot"]["prompts"][0][-1]["text"].endswith(PromptWording().think)
    assert methods["zero-shot-cot"]["prompts"][1][-1]["text"].startswith("Therefore, the answer")
    assert methods["self-consistency"]["samples"] == len(methods["self-consistency"]["texts"]) == 3
    assert methods["self-consistency"]["votes"] + methods["self-consistency"]["unparsed"] <= 3


@pytest.mark.full
def test_choices_and_examples_of_the_user(tmp_path: Path) -> None:
    rows = [
        {"question": "Which is a fruit?\n(A) a pear\n(B) a chair", "answer": "A", "reasoning": "Pears grow on trees."},
        {"question": "Which is a metal?\n(A) milk\n(B) iron", "answer": "B", "reasoning": "Iron is a metal."},
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    question = "Which is an animal?"
    words = ["ask", question, "--choice", "a stone", "--choice", "a cat", "--method", "few-shot"]
    data = run_json(*words, "--examples", tmp_path / "own.jsonl")
    (method,) = data["methods"]  # type: ignore[misc]
    turns = method["prompts"][0]
    assert [turn["text"] for turn in turns if turn["role"] == "assistant"] == ["A", "B"]
    assert turns[-1]["text"].splitlines() == [question, "(A) a stone", "(B) a cat"]
    assert method["answer"] in ("A", "B", None)


@pytest.fixture
def served() -> Iterator[str]:
    """A model behind a server of our own."""
    with FaultServer() as server:
        yield f"{server.base}/v1#llama"


def test_check_of_the_embedded_model() -> None:
    model = run_json("models", "check", "embedded:smollm2")
    assert model["context"] == 8192
    assert model["need"] == {"parameters": 134_515_008, "weights": 4 * 134_515_008, "cache_per_token": 46_080}
    assert 0 < model["tokens"] <= 32  # type: ignore[operator]
    assert model["seconds"] > 0  # type: ignore[operator]
    assert not any("seed" in option for option in model["cannot"])  # type: ignore[attr-defined]
    listed = {row["reference"] for row in json.loads(called(["models", "--json"]).stdout)}
    assert {"embedded:smollm2", "embedded:minilm", "embedded:fashion-clip"} <= listed


def test_check_of_a_served_model(served: str, tmp_path: Path) -> None:
    model = run_json("models", "check", served)
    assert model["backend"] == "server"
    assert model["dollars_per_million"] is None
    assert "beam search" in model["cannot"]  # type: ignore[operator]
    assert "log-probabilities" in model["cannot"]  # type: ignore[operator]
    assert any("seed" in option for option in model["cannot"])  # type: ignore[attr-defined]
    answered = called(["ask", "Hello", "--model", served, "--method", "zero-shot"], XDG_CACHE_HOME=str(tmp_path))
    assert answered.returncode == 0, answered.stderr
    error = user_error(["decode", "Hello", "--model", served])
    assert error.fields == {"model": served, "backend": "http", "kind": "token-model", "opens": ("text-model",)}


@pytest.mark.parametrize(
    ("words", "code", "value"),
    [
        (["decode", "Hello", "--strategy", "beem:4"], "user", "'beem'"),
        (["decode", "Hello", "--strategy", "top-p:2"], "user", "Decoding.top_p"),
        (["decode", "Hello", "--html", "nowhere/out.html"], "user", "nowhere/out.html"),
        (["decode", "Hello", "--model", "embedded:smollm"], "model", "'smollm2'"),
        (["decode", "Hello", "--model", "embedded:fashion-clip"], "model", "embedded:fashion-clip"),
        (["decode", "Hello", "--model", "openai:gpt-4o"], "model", "'openai'"),
        (["ask", "Hello", "--model", "openai:gpt-4o"], "model", "OPENAI_API_KEY"),
        (["models", "check", "embedded:fashion-clip"], "model", "embedded:fashion-clip"),
        (["models", "check", "gemini:gemini-2.5-flash"], "model", "GEMINI_API_KEY"),
        (["ask", "Why?", "--method", "few-shoot"], "user", "'few-shot'"),
        (["ask", "Why?", "--choice", "one"], "user", "2 to 26"),
        (["ask", "Why?", "--examples", "nowhere.jsonl"], "user", "nowhere.jsonl"),
    ],
)
def test_mistakes_are_user_errors(words: list[str], code: str, value: str) -> None:
    error = user_error(words)
    assert error.code == code
    assert value in str(error)
