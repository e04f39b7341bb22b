"""What `assay judge` and `assay ask` may cost and did, against a service on loopback with a planted key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from assay.core.errors import ModelError
from command_line import CommandResult, called
from fault_server import FaultServer
from remote_parts import KEY

pytest.importorskip("any_llm")

MODEL = "openai:gpt-4o-mini"
Call = Callable[..., CommandResult]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def call(server: FaultServer, tmp_path: Path) -> Call:
    """Runs a command that asks the server; the key must show up nowhere, and nothing may be asked twice."""
    places = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.base}/v1", "XDG_CACHE_HOME": str(tmp_path / "kept")}

    def run(*words: object, code: int = 0, samples: int = 1) -> CommandResult:
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


def estimate_lines(result: CommandResult) -> list[str]:
    """Lines of the cost estimate: one for each model, the rule, and a warning if the budget may be insufficient."""
    lines = result.stderr.partition("assay: ")[0].splitlines()
    return [line for line in lines if not line.startswith("  ✓ ")]


def budget_numbers(result: CommandResult) -> tuple[float, float, float]:
    """Budget, cost so far and maximum cost of the next request, of the error that ended a command."""
    assert isinstance(result.error, ModelError)
    assert result.error.fields["lack"] == "budget"
    assert result.error.hint
    budget, paid, following = re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", str(result.error.fields["reason"]))
    assert result.stderr.count("assay: ") == 1
    return float(budget), float(paid), float(following)


def assert_too_small(result: CommandResult) -> None:
    """The budget of 1e-6 dollars does not pay for the first request."""
    budget, paid, following = budget_numbers(result)
    assert (budget, paid) == (1e-6, 0)
    assert following > budget


def assert_spent(result: CommandResult, dollars: float) -> None:
    budget, paid, following = budget_numbers(result)
    assert budget == dollars
    assert 0 < paid <= budget < paid + following


def printed_dollars(result: CommandResult) -> list[str]:
    """Amounts of the cost line: of this session, of all sessions if it resumed, and the budget if there is one."""
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Cost: ")]
    return re.findall(r"\$\d+\.\d+", line)


def pairs(folder: Path, n: int = 20) -> Path:
    rows = [{"instruction": f"Name fruit {nth}.", "output_a": "A pear.", "output_b": "A chair."} for nth in range(n)]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_budget_stops_a_judge_run_that_resumes(server: FaultServer, call: Call, tmp_path: Path) -> None:
    """A judge run must not go on without answers after its budget is spent, and print a table of failures."""
    words = ["judge", "pairs", pairs(tmp_path), "--judge", MODEL, "--out", tmp_path / "run", "--budget"]

    refused = call(*words, "1e-6", code=2)
    assert_too_small(refused)
    estimate, _rule, _warning = estimate_lines(refused)
    assert estimate.startswith(f"{MODEL}: 40 requests")
    assert not server.received

    stopped = call(*words, "0.0005", code=2)
    first = answer_count(server)
    assert 0 < first < 32
    assert_spent(stopped, 0.0005)
    assert not stopped.stdout
    assert not (tmp_path / "run" / "results.json").exists()

    result = call(*words, "0.01", "--json")
    assert answer_count(server) == 40
    estimate, _rule = estimate_lines(result)
    assert estimate.startswith(f"{MODEL}: {40 - first} requests")
    cost = json.loads(result.stdout)["cost"]
    assert cost["dollars"] == pytest.approx(40 * price(64))
    assert cost["this_session"] == pytest.approx((40 - first) * price(64))
    assert cost["budget"] == 0.01
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["cost"] == cost

    again = call(*words, "0.01")
    assert len(server.received) == 40
    assert estimate_lines(again) == []
    assert printed_dollars(again) == ["$0.00", "$0.0021", "$0.01"]


def test_a_budget_stops_an_evaluation_that_resumes(server: FaultServer, call: Call, tmp_path: Path) -> None:
    """An evaluation must not go on without answers after its budget is spent, and print a table of failures."""
    rows = [{"question": f"What is {nth} + 1?", "answer": nth + 1} for nth in range(80)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["eval", "--model", MODEL, "--task", tmp_path / "sums.jsonl", "--max-tokens", 64, "--out", tmp_path / "run"]

    refused = call(*words, "--budget", "1e-6", code=2)
    estimate, _rule, _warning = estimate_lines(refused)
    assert estimate.startswith(f"{MODEL}: 80 requests")
    assert_too_small(refused)
    assert not server.received

    stopped = call(*words, "--budget", "0.001", code=2)
    first = answer_count(server)
    assert 0 < first < 64
    assert_spent(stopped, 0.001)
    assert not (tmp_path / "run" / "results.json").exists()

    result = call(*words, "--budget", "0.02", "--json")
    assert answer_count(server) == 80
    assert estimate_lines(result)[0].startswith(f"{MODEL}: {80 - first} requests")
    cost = json.loads(result.stdout)["cost"]
    assert cost["dollars"] == pytest.approx(80 * price(16))
    assert cost["this_session"] == pytest.approx((80 - first) * price(16))

    again = call(*words, "--budget", "0.02")
    assert len(server.received) == 80
    assert estimate_lines(again) == []
    now, every_session, budget_text = printed_dollars(again)
    assert (now, budget_text) == ("$0.00", "$0.02")
    assert every_session.startswith("$0.00")


def test_steps_and_samples_of_grades_share_one_budget(server: FaultServer, call: Call, tmp_path: Path) -> None:
    rows = [{"output": f"Pear {nth}."} for nth in range(4)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["judge", "rate", tmp_path / "texts.jsonl", "--judge", MODEL, "--criteria", "Truth.", "--samples", 3]
    refused = call(*words, "--budget", "1e-6", "--out", tmp_path / "run", code=2)
    assert_too_small(refused)
    assert not server.received
    result = call(*words, "--budget", "1", "--out", tmp_path / "run", samples=3)
    assert len(server.received) == 1 + 4 * 3
    assert estimate_lines(result)[0].startswith(f"{MODEL}: 12 requests")
    now, budget_text = printed_dollars(result)
    assert now.startswith("$0.000")
    assert budget_text == "$1.00"


def test_a_budget_needs_known_prices(server: FaultServer, call: Call, tmp_path: Path) -> None:
    model = f"{server.base}/v1#llama"
    judge = ["judge", "pairs", pairs(tmp_path, 2), "--judge", model, "--out", tmp_path / "run"]
    for words in (judge, ["ask", "Why?", "--method", "zero-shot", "--model", model]):
        refused = call(*words, "--budget", "1", code=2)
        assert isinstance(refused.error, ModelError)
        assert repr(model) in refused.error.message
    assert not server.received
    result = call(*judge)
    estimate, _rule = estimate_lines(result)
    assert estimate.startswith(f"{model}: 4 requests")
    assert "unknown" in estimate
    assert "Cost: unknown." in result.stdout
    answered = json.loads(call("ask", "Why?", "--method", "zero-shot", "--model", model, "--json").stdout)
    assert answered["cost"] == {
        "dollars": None,
        "this_session": None,
        "tokens": answered["cost"]["tokens"],
        "budget": None,
    }


def test_a_budget_stops_asking_and_stored_answers_are_free(server: FaultServer, call: Call, tmp_path: Path) -> None:
    words = ["ask", "How many are 5 and 7?", "--kind", "number", "--model", MODEL, "--method", "zero-shot"]
    words += ["--method", "zero-shot-cot", "--max-tokens", 400, "--budget"]
    refused = call(*words, "1e-6", code=2)
    assert_too_small(refused)
    assert not server.received
    # Enough for a short answer and not for a long one, of which either call may be the one that is refused.
    stopped = call(*words, "0.0001", code=2)
    budget, paid, following = budget_numbers(stopped)
    assert budget == 0.0001
    assert paid <= budget < paid + following
    assert answer_count(server) == 1
    assert not stopped.stdout
    answered: dict[str, Any] = json.loads(call(*words, "0.01", "--json").stdout)
    assert answer_count(server) == 3
    # The calls with reasoning repeat what they were asked, a token a word.
    assert price(14) < answered["cost"]["dollars"] - price(14) < price(80)
    assert answered["cost"]["this_session"] == answered["cost"]["dollars"]
    assert answered["cost"]["budget"] == 0.01
    assert printed_dollars(call(*words, "0.01")) == ["$0.00", "$0.01"]
    assert answer_count(server) == 3


@pytest.mark.parametrize("command", [["ask", "Why?"], ["judge", "pairs", "no.csv", "--judge", MODEL]])
def test_a_budget_is_an_amount_of_dollars(command: list[str], call: Call) -> None:
    for amount in ("nan", "inf", "-1"):
        error = call(*command, "--budget", amount, code=2).error
        assert isinstance(error, click.BadParameter)
        assert error.param is not None
        assert error.param.name == "budget"
