from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assay.core.completions import Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, StoreError
from assay.models.remote.budget import Account, Budget, Price
from assay.models.remote.cache import NAME
from assay.models.remote.errors import one_line
from assay.models.remote.model import RemoteModel
from fault_server import FaultServer, seeded
from remote_parts import KEY, NAMES, opened, plant_keys

pytest.importorskip("any_llm")
WORKER = """
import json, sys
from pathlib import Path
from assay.core.completions import TextRequest
from assay.models.remote.transport import RemoteSettings
from assay.models.remote.model import RemoteModel
base, folder, count = sys.argv[1:]
with RemoteModel(base + "/v1#llama", RemoteSettings(concurrency=8), answers=Path(folder)) as model:
    print("ready", flush=True)
    outcomes = model.complete([TextRequest(f"question {n}") for n in range(int(count))])
print(json.dumps([outcome.answers[0].text for outcome in outcomes]))
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_keys(monkeypatch)


def questions(count: int, **decoding: Any) -> list[TextRequest]:
    return [TextRequest(f"question number {nth}", Decoding(**decoding)) for nth in range(count)]


def total_paid(outcomes: Sequence[Completion | NotCompleted]) -> float:
    return sum(outcome.dollars or 0.0 for outcome in outcomes if isinstance(outcome, Completion) and not outcome.cached)


@pytest.mark.parametrize("fault", [None, "drop"])
def test_budget_is_never_exceeded(fault: str | None) -> None:
    budget = Budget(0.01)
    script = seeded(0.2, kinds=(fault,)) if fault else lambda _text, _nth: None
    with FaultServer(script) as server, opened("anthropic", server, budget=budget, concurrency=16, tries=8) as model:
        outcomes = model.complete(questions(400, max_tokens=64))
        answered = sum(server.answered.values())
    completions = [outcome for outcome in outcomes if isinstance(outcome, Completion)]
    failures = {outcome.lack for outcome in outcomes if isinstance(outcome, NotCompleted)}
    # 100 tokens in at 1 and 14 out at 5 dollars a million.
    assert budget.spent == pytest.approx(answered * 170e-6) == pytest.approx(total_paid(outcomes))
    assert len(completions) == answered
    assert budget.spent + budget.lost <= 0.01
    # No more than one try's greatest cost is left over.
    assert budget.spent + budget.lost > 0.01 - 600e-6
    assert failures == {"budget"}
    assert (budget.lost > 0) == (fault is not None)


def test_a_budget_needs_a_price() -> None:
    with FaultServer() as server:
        with pytest.raises(ModelError, match="price"):
            opened("server", server, budget=Budget(1))
        assert not server.received
        with opened("server", server, budget=Budget(1), price=Price(10, 20)) as model:
            (completion,) = model.complete(questions(1))
        assert isinstance(completion, Completion)
        assert completion.dollars == pytest.approx((100 * 10 + 14 * 20) / 1e6)


DIES = """
import os, sys
from pathlib import Path
from assay.models.remote.budget import Budget
budget = Budget(1.0, Path(sys.argv[1]))
budget.reserve(0.25); budget.settle(0.25, 0.2)
assert budget.reserve(0.5) == "yes"
os._exit(1)
"""


def test_ledger_is_shared_between_processes(tmp_path: Path) -> None:
    ledger = tmp_path / "budget.sqlite"
    budget = Budget(1.0, ledger)
    assert budget.reserve(0.1) == "yes"
    subprocess.run([sys.executable, "-c", DIES, str(ledger)], check=False)
    # What the dead had reserved may have been charged.
    assert budget.reserve(0.31) == "no"
    assert (budget.spent, budget.lost) == (pytest.approx(0.2), pytest.approx(0.5))
    other = pickle.loads(pickle.dumps(budget))
    assert (other, hash(other)) == (budget, hash(budget))
    assert other.reserve(0.25) == "wait"
    budget.settle(0.1, 0.05)
    assert other.reserve(0.25) == "yes"
    other.settle(0.25, 0.25)
    assert budget.spent == pytest.approx(0.5)
    assert budget.reserve(0.01) == "no"


def test_budget_without_a_limit_records_costs(tmp_path: Path) -> None:
    record = Budget(None, tmp_path / "money.sqlite")
    assert record.account == Account()
    assert not list(tmp_path.iterdir())
    with FaultServer(seeded(0.2, kinds=("drop",))) as server:
        with opened("openai", server, budget=record, tries=8) as model:
            outcomes = model.complete(questions(30, max_tokens=32))
        assert record.account.tokens == 30 * 114
        assert record.account.dollars == pytest.approx(total_paid(outcomes) + record.lost)
        assert record.account.unpriced == 0 < record.lost
        with opened("server", server, budget=record, tries=8) as model:
            assert all(isinstance(outcome, Completion) for outcome in model.complete(questions(10)))
    # Ten answers without a price, and every try without an answer.
    assert record.account.unpriced >= 10
    assert record.account.dollars == pytest.approx(total_paid(outcomes) + record.lost)


def test_budget_without_a_ledger_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="ledger"):
        pickle.dumps(Budget(1.0))


def test_threads_share_a_budget() -> None:
    budget = Budget(1.0)

    def spend() -> int:
        return sum(budget.reserve(0.01) == "yes" and budget.settle(0.01, 0.01) is None for _ in range(40))

    with ThreadPoolExecutor(4) as pool:
        assert sum(future.result() for future in [pool.submit(spend) for _ in range(4)]) == 100
    assert budget.spent == pytest.approx(1.0)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_invalid_budget_is_rejected(amount: float) -> None:
    with pytest.raises(ValueError, match="dollars"):
        Budget(amount)


def test_prices_by_service() -> None:
    with FaultServer() as server:
        costs = {}
        for name in NAMES:
            with opened(name, server) as model:
                (completion,) = model.complete(questions(1))
                assert isinstance(completion, Completion)
                costs[name] = completion.dollars
    assert costs["server"] is None
    assert costs["openai"] == pytest.approx(23.4e-6)
    assert costs["anthropic"] == pytest.approx(170e-6)
    assert costs["gemini"] == pytest.approx((100 * 0.3 + 14 * 2.5) / 1e6)


def test_estimate_sends_no_request(tmp_path: Path) -> None:
    with FaultServer() as server, opened("openai", server, tmp_path) as model:
        estimate = model.estimate(questions(10, strategy="sample", answers=2))
        assert not server.received
        assert (estimate.askings, estimate.kept, estimate.answer_tokens) == (20, 0, 20 * 256)
        assert estimate.dollars == pytest.approx((estimate.prompt_tokens * 0.15 + estimate.answer_tokens * 0.6) / 1e6)
        assert estimate.note.startswith("Approximate")
        model.complete(questions(4, strategy="sample", answers=2))
        estimate = model.estimate(questions(10, strategy="sample", answers=2))
        assert (estimate.askings, estimate.kept) == (12, 8)
    assert RemoteModel("http://127.0.0.1:9/v1#m").estimate(questions(1)).dollars is None


def test_cached_answers_are_not_requested_again(tmp_path: Path) -> None:
    with FaultServer(lambda text, _nth: text if " " not in text else None) as server:
        with opened("openai", server, tmp_path) as model:
            requests = [TextRequest(t) for t in ("how are you", "how are you", "refusal", "empty", "filter", "404")]
            first = model.complete([*requests, TextRequest("how are you", Decoding(max_tokens=2))])
            assert len(server.received) == 6
            assert [getattr(outcome, "cached", None) for outcome in first] == [
                False,
                True,
                False,
                False,
                False,
                None,
                False,
            ]
            server.received.clear()
            again = model.complete([*requests, TextRequest("how are you", Decoding(max_tokens=2))])
        cached = [getattr(outcome, "cached", None) for outcome in again]
        assert cached == [True, True, True, False, False, None, True]
        assert len(server.received) == 3
        assert again[0].dollars == first[0].dollars


def test_more_answers_request_only_the_new_ones(tmp_path: Path) -> None:
    with FaultServer() as server, opened("openai", server, tmp_path) as model:
        (two,) = model.complete(questions(1, strategy="sample", answers=2))
        (three,) = model.complete(questions(1, strategy="sample", answers=3))
        assert isinstance(two, Completion)
        assert isinstance(three, Completion)
        assert len(server.received) == 3
        assert (three.cached, three.dollars) == (False, pytest.approx(two.dollars / 2 if two.dollars else None))


def worker(server: FaultServer, folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, server.base, str(folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "ASSAY_API_KEY": KEY})


def count_cached(folder: Path) -> int:
    with sqlite3.connect(folder / NAME) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (rows,) = db.execute("SELECT count(*) FROM answers").fetchone()
    db.close()
    return int(rows)


def test_killed_process_loses_only_its_reservations(tmp_path: Path) -> None:
    with FaultServer(latency=0.05) as server:
        with worker(server, tmp_path, 200) as first:
            while sum(server.answered.values()) < 60:
                time.sleep(0.01)
            first.send_signal(signal.SIGKILL)
        cached_count = count_cached(tmp_path)
        assert cached_count >= 60 - 8
        request_count = len(server.received)
        with worker(server, tmp_path, 200) as second:
            texts = json.loads(second.communicate(timeout=120)[0].splitlines()[-1])
        assert len(server.received) - request_count == 200 - cached_count
    assert [text.split(" and ")[0] for text in texts] == [f"So you said question {n}" for n in range(200)]
    assert count_cached(tmp_path) == 200


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    with FaultServer(latency=0.01) as server:
        with worker(server, tmp_path, 150) as first, worker(server, tmp_path, 150) as second:
            outputs = [process.communicate(timeout=120)[0].splitlines()[-1] for process in (first, second)]
        assert max(server.answered.values()) <= 2
    assert outputs[0] == outputs[1]
    assert count_cached(tmp_path) == 150


def test_invalid_cache_file(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("no database at all, but long enough to be looked at" * 20)
    with FaultServer() as server, opened("server", server, tmp_path) as model:
        with pytest.raises(StoreError, match=r"answers\.sqlite"):
            model.complete(questions(1))
        assert not server.received


def test_key_is_redacted_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in NAMES:
        monkeypatch.setenv("ASSAY_API_KEY", KEY)
        with FaultServer(lambda text, _nth: text if " " not in text else None) as server:
            with opened(name, server, tmp_path) as model:
                requests = [TextRequest(text) for text in ("401", "500", "html", "tell")]
                outcomes = model.complete([*requests, TextRequest((Message("user", "and this"),))])
            sent = [value for received in server.received for value in received.headers.values()]
            assert any(KEY in value for value in sent)
        assert KEY not in repr((outcomes, model, vars(model), model.settings))
        assert "[key]" in repr(outcomes)
    assert KEY not in caplog.text
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes()


def test_missing_key_is_named_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer() as server:
        for name, variable in zip(NAMES, ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), strict=False):
            model = opened(name, server)
            monkeypatch.delenv(variable)
            with pytest.raises(ModelError, match=variable):
                opened(name, server)
            with pytest.raises(ModelError, match=variable):
                model.complete(questions(1))
        assert not server.received


def test_own_server_gets_no_other_key() -> None:
    with FaultServer() as server, opened("server", server) as model:
        model.complete(questions(1))
        assert not any(KEY in value for value in server.received[0].headers.values())


def test_reason_is_truncated_and_redacted() -> None:
    text = one_line("x" * 290 + f"\n {KEY} and {KEY}", KEY)
    assert len(text) <= 300
    assert "planted" not in text
    assert one_line("a%2Fb and a/b", "a/b") == "[key] and [key]"


@pytest.mark.parametrize("key", ["sk-planted\nX-Header: 1", "sk planted", "sk-plänted"])
def test_invalid_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        RemoteModel("openai:gpt")
    assert not caught.value.hint  # a missing key has one
    assert key not in str(caught.value)


def test_address_with_a_secret_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret@host/v1")
    with pytest.raises(ModelError, match="address") as caught:
        RemoteModel("openai:gpt")
    assert "secret" not in str(caught.value)
