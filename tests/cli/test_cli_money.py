"""What `assay judge` and `assay ask` may cost and did, against a service on loopback with a planted key."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import called
from fault_server import FaultServer
from remote_parts import KEY

pytest.importorskip("any_llm")

MODEL = "openai:gpt-4o-mini"
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def call(server: FaultServer, tmp_path: Path) -> Call:
    """Runs a command that asks the server; the key must show up nowhere, and nothing may be asked twice."""
    places = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.base}/v1", "XDG_CACHE_HOME": str(tmp_path / "kept")}

    def run(*words: object, code: int = 0, samples: int = 1) -> subprocess.CompletedProcess[str]:
        result = called(words, **places)
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        assert KEY not in result.stdout + result.stderr
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
        assert max(server.answered.values(), default=1) <= samples
        return result

    return run


def price(tokens: int) -> float:
    """Dollars of an answer of so many tokens, by the table of prices; the server counts 100 of every prompt."""
    return (100 * 0.15 + tokens * 0.6) / 1e6


def answer_count(server: FaultServer) -> int:
    return sum(server.answered.values())


def pairs(folder: Path, n: int = 20) -> Path:
    rows = [{"instruction": f"Name fruit {nth}.", "output_a": "A pear.", "output_b": "A chair."} for nth in range(n)]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_budget_ends_a_judging_that_loses_nothing_and_goes_on(
    server: FaultServer, call: Call, tmp_path: Path
) -> None:
    """Once a judging went on without answers when its budget was spent, and printed a table of failures."""
    words = ["judge", "pairs", pairs(tmp_path), "--judge", MODEL, "--out", tmp_path / "run", "--budget"]

    refused = call(*words, "1e-6", code=2)
    assert "The budget of 1e-06 dollars is too small." in refused.stderr
    assert f"{MODEL}: 40 requests, about" in refused.stderr
    assert "The budget may be insufficient" in refused.stderr
    assert not server.received

    stopped = call(*words, "0.0005", code=2)
    first = answer_count(server)
    assert 0 < first < 32
    assert stopped.stderr.count("The budget of 0.0005 dollars is spent.") == 1
    assert "larger budget" in stopped.stderr
    assert not stopped.stdout
    assert not (tmp_path / "run" / "results.json").exists()

    result = call(*words, "0.01", "--json")
    assert answer_count(server) == 40
    assert f"{MODEL}: {40 - first} requests" in result.stderr
    assert "may be insufficient" not in result.stderr
    cost = json.loads(result.stdout)["cost"]
    assert cost["dollars"] == pytest.approx(40 * price(64))
    assert cost["this_session"] == pytest.approx((40 - first) * price(64))
    assert cost["budget"] == 0.01
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["cost"] == cost

    again = call(*words, "0.01")
    assert len(server.received) == 40
    assert "requests, about" not in again.stderr
    assert "Cost: $0.00 now, $0.0021 over all sessions, of a budget of $0.01." in again.stdout


def test_a_budget_ends_an_evaluation_that_loses_nothing_and_goes_on(
    server: FaultServer, call: Call, tmp_path: Path
) -> None:
    """Once an evaluation went on without answers when its budget was spent, and printed a table of failures."""
    rows = [{"question": f"What is {nth} + 1?", "answer": nth + 1} for nth in range(80)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["eval", "--model", MODEL, "--task", tmp_path / "sums.jsonl", "--max-tokens", 64, "--out", tmp_path / "run"]

    refused = call(*words, "--budget", "1e-6", code=2)
    assert f"{MODEL}: 80 requests" in refused.stderr
    assert "The budget may be insufficient" in refused.stderr
    assert "The budget of 1e-06 dollars is too small." in refused.stderr
    assert not server.received

    stopped = call(*words, "--budget", "0.001", code=2)
    first = answer_count(server)
    assert 0 < first < 64
    assert stopped.stderr.count("The budget of 0.001 dollars is spent.") == 1
    assert "larger budget" in stopped.stderr
    assert not (tmp_path / "run" / "results.json").exists()

    result = call(*words, "--budget", "0.02", "--json")
    assert answer_count(server) == 80
    assert f"{MODEL}: {80 - first} requests" in result.stderr
    cost = json.loads(result.stdout)["cost"]
    assert cost["dollars"] == pytest.approx(80 * price(16))
    assert cost["this_session"] == pytest.approx((80 - first) * price(16))

    again = call(*words, "--budget", "0.02")
    assert len(server.received) == 80
    assert "requests, about" not in again.stderr
    assert "Cost: $0.00 now, $0.00" in again.stdout
    assert "over all sessions, of a budget of $0.02." in again.stdout


def test_a_grading_pays_for_its_steps_and_its_samples_out_of_one_budget(
    server: FaultServer, call: Call, tmp_path: Path
) -> None:
    rows = [{"output": f"Pear {nth}."} for nth in range(4)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["judge", "rate", tmp_path / "texts.jsonl", "--judge", MODEL, "--criteria", "Truth.", "--samples", 3]
    refused = call(*words, "--budget", "1e-6", "--out", tmp_path / "run", code=2)
    assert "is too small" in refused.stderr
    assert not server.received
    result = call(*words, "--budget", "1", "--out", tmp_path / "run", samples=3)
    assert len(server.received) == 1 + 4 * 3
    assert f"{MODEL}: 12 requests" in result.stderr
    assert "Cost: $0.000" in result.stdout
    assert "of a budget of $1.00." in result.stdout


def test_a_price_that_nobody_knows_is_unknown_and_bears_no_budget(
    server: FaultServer, call: Call, tmp_path: Path
) -> None:
    model = f"{server.base}/v1#llama"
    judge = ["judge", "pairs", pairs(tmp_path, 2), "--judge", model, "--out", tmp_path / "run"]
    for words in (judge, ["ask", "Why?", "--method", "zero-shot", "--model", model]):
        refused = call(*words, "--budget", "1", code=2)
        assert "a budget cannot be kept" in refused.stderr
    assert not server.received
    result = call(*judge)
    assert f"{model}: 4 requests" in result.stderr
    assert "cost unknown" in result.stderr
    assert "Cost: unknown." in result.stdout
    answered = json.loads(call("ask", "Why?", "--method", "zero-shot", "--model", model, "--json").stdout)
    assert answered["cost"] == {
        "dollars": None,
        "this_session": None,
        "tokens": answered["cost"]["tokens"],
        "budget": None,
    }


def test_a_budget_ends_asking_and_what_was_answered_is_not_paid_again(
    server: FaultServer, call: Call, tmp_path: Path
) -> None:
    words = ["ask", "How many are 5 and 7?", "--kind", "number", "--model", MODEL, "--method", "zero-shot"]
    words += ["--method", "zero-shot-cot", "--max-tokens", 400, "--budget"]
    refused = call(*words, "1e-6", code=2)
    assert "The budget of 1e-06 dollars is too small." in refused.stderr
    assert not server.received
    # Enough for a short answer and not for a long one, of which either call may be the one that is refused.
    stopped = call(*words, "0.0001", code=2)
    assert "The budget of 0.0001 dollars is" in stopped.stderr
    assert answer_count(server) == 1
    assert not stopped.stdout
    answered: dict[str, Any] = json.loads(call(*words, "0.01", "--json").stdout)
    assert answer_count(server) == 3
    # The calls with reasoning repeat what they were asked, a token a word.
    assert price(14) < answered["cost"]["dollars"] - price(14) < price(80)
    assert answered["cost"]["this_session"] == answered["cost"]["dollars"]
    assert answered["cost"]["budget"] == 0.01
    assert "Cost: $0.00, of a budget of $0.01." in call(*words, "0.01").stdout
    assert answer_count(server) == 3


@pytest.mark.parametrize("command", [["ask", "Why?"], ["judge", "pairs", "no.csv", "--judge", MODEL]])
def test_a_budget_is_an_amount_of_dollars(command: list[str], call: Call) -> None:
    """Once "nan" ended in a traceback."""
    for amount, told in (("nan", "not an amount in dollars"), ("inf", "not an amount in dollars"), ("-1", "x>=0")):
        assert told in call(*command, "--budget", amount, code=2).stderr
