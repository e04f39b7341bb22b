"""Costs of stages and budgets of runs: the command line against a local server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assay.models.remote.budget import Account
from assay.pipeline.cost import PaidCost, paid_cost
from assay.pipeline.recipe.codec import load
from assay.pipeline.recipe.spec import build, describe
from assay.store.receipts import Receipt, digest, write_receipt
from command_line import called
from fault_server import FaultServer
from remote_parts import KEY

RECIPE = """
name: letters
question: Can it write?
seed: 3
generate:
  use: GenerateTexts
  model: openai:gpt-4o-mini
  labels: [praise, complaint]
  per_label: 60
  templates: ["Write one {tone} {label} about a {thing}."]
  slots: {tone: ["", short, angry], thing: [train, hotel, phone]}
  decoding: {strategy: sample, temperature: 0.9, max_tokens: 40}
"""


def write_cost(folder: Path, name: str, paid: PaidCost) -> None:
    (folder / name).mkdir()
    receipt = Receipt(
        stage=name, key="0", spec={}, inputs=(), component_version=1, seed=0, counts=dict(paid.counts), files={},
        digest=digest({}), seconds=1.0, tokens=paid.tokens, cost_usd=paid.cost_usd,
    )  # fmt: skip
    write_receipt(folder / name, receipt)


def test_the_cost_of_a_stage_excludes_costs_in_other_receipts(tmp_path: Path) -> None:
    def newest_cost(account: Account) -> PaidCost:
        return paid_cost(account, sorted(tmp_path.iterdir()))

    assert newest_cost(Account()) == PaidCost()
    first = newest_cost(Account(0.5, 100, 0))
    assert first == PaidCost(100, 0.5)
    write_cost(tmp_path, "generate", first)
    assert newest_cost(Account(0.5, 100, 0)) == PaidCost()
    # Unknown prices make the cost of the stage unknown; later stages do not include its known part.
    second = newest_cost(Account(0.75, 160, 2))
    assert (second.tokens, second.cost_usd) == (60, "unknown")
    write_cost(tmp_path, "score-judge", second)
    third = newest_cost(Account(0.85, 200, 2))
    assert third.tokens == 40
    assert third.cost_usd == pytest.approx(0.1)
    write_cost(tmp_path, "score-other", third)
    assert newest_cost(Account(0.85, 200, 2)) == PaidCost()
    # Whole dollars are the same after writing and reading a receipt.
    assert newest_cost(Account(2.85, 210, 2)) == PaidCost(10, pytest.approx(2.0))


def test_a_nested_argument_is_described_with_its_defaults() -> None:
    """Regression test: defaults were missing in the spec, so equal components had different keys."""
    spec = {"use": "GenerateTexts", "model": "m", "labels": ["a"], "per_label": 1, "decoding": {"max_tokens": 3}}
    component = build("generators", spec, "generate")
    decoding = describe(component)["decoding"]
    assert (decoding["strategy"], decoding["stop"], decoding["max_tokens"]) == ("greedy", (), 3)
    assert describe(build("generators", describe(component), "generate")) == describe(component)


def test_a_run_stops_at_its_budget_and_resumes_without_loss(tmp_path: Path) -> None:
    recipe, out = tmp_path / "letters.yaml", tmp_path / "run"
    recipe.write_text(RECIPE, encoding="utf-8")
    with FaultServer() as server:
        places = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{server.base}/v1",
            "XDG_CACHE_HOME": str(tmp_path / "kept"),
        }

        def output(command: str, *more: str, budget: float, code: int = 0) -> str:
            words = [command, recipe, "--out", out, "--set", f"budget={budget}", *more]
            result = called(words, **places)
            assert result.returncode == code, result.stderr
            return result.stdout if more else result.stdout + result.stderr

        def plan(budget: float) -> dict[str, Any]:
            data: dict[str, Any] = json.loads(output("plan", "--json", budget=budget))
            return data

        before = plan(0.001)
        (estimate,) = before["asks"]
        assert (estimate["stage"], estimate["model"], estimate["askings"], estimate["kept"]) == (
            "generate", "openai:gpt-4o-mini", 120, 0,
        )  # fmt: skip
        assert estimate["dollars"] == pytest.approx((estimate["prompt_tokens"] * 0.15 + 120 * 40 * 0.6) / 1e6)
        assert not server.received
        words = output("plan", budget=0.001)
        assert "Budget: $0.001, $0.00" in words
        assert "insufficient" in words

        words = output("run", budget=0.001, code=2)
        assert re.search(r"\bbudget .*\b0\.001\b.*\bspent\b", words)
        assert "Traceback" not in words
        answered = sum(server.answered.values())
        assert 0 < answered < 120
        (estimate,) = plan(0.01)["asks"]
        assert (estimate["askings"], estimate["kept"]) == (120 - answered, answered)

        words = output("run", budget=0.01)
        # No request is sent twice, and the receipt includes the cost of the first session.
        assert sum(server.answered.values()) == 120
        assert plan(0.01)["asks"] == []
    (receipt,) = [json.loads(path.read_text()) for path in out.glob("generate-*/receipt.json")]
    # 100 tokens in and 14 out, by the table of prices.
    assert receipt["cost_usd"] == pytest.approx(120 * (100 * 0.15 + 14 * 0.6) / 1e6, rel=0.2)
    assert receipt["tokens"] == pytest.approx(120 * 114, rel=0.2)
    results = json.loads((out / "results.json").read_text())
    assert results["cost"]["dollars"] == pytest.approx(receipt["cost_usd"])
    assert "cost: $0.00" in words
    for path in [*out.rglob("*"), *(tmp_path / "kept").rglob("*")]:
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in words


def test_an_invalid_budget_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "letters.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    assert load(str(recipe)).budget is None
    assert load(str(recipe), changes=["budget=2"]).budget == 2.0
    for value in ("-1", ".inf", "much"):
        result = called(["plan", str(recipe), "--set", f"budget={value}"])
        assert result.returncode == 2
        assert "budget" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("reference", "key", "message"),
    [
        ("openai:gpt-4o-mini", "", "OPENAI_API_KEY"),
        ("http://127.0.0.1:9/v1#mine", "", "budget"),
        ("embedded:smolm2", "", "smollm2"),
    ],
)
def test_preflight_refuses_a_run_before_the_first_request(
    tmp_path: Path, reference: str, key: str, message: str
) -> None:
    recipe = tmp_path / "letters.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    changes = ["--set", f"generate.model={reference}", "--set", "budget=1"]
    result = called(["run", recipe, "--out", tmp_path / "run", *changes], OPENAI_API_KEY=key)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
