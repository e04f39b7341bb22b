from __future__ import annotations

import asyncio
import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.core.completions import Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.models.remote.errors import classify_error
from assay.models.remote.model import RemoteModel
from assay.models.remote.transport import ConcurrencyLimiter, RemoteSettings
from fault_server import FaultServer, seeded
from remote_parts import opened, plant_keys

pytest.importorskip("any_llm")
INTERRUPTED = """
import signal, sys
# A shell starts what runs in its background with this signal ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from assay.core.completions import TextRequest
from assay.models.remote.model import RemoteModel
model = RemoteModel(sys.argv[1] + "/v1#llama")
print(model.complete([TextRequest("how are you")])[0].answers[0].end, flush=True)
model.complete([TextRequest("hang")])
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_keys(monkeypatch)


def questions(count: int, **decoding: Any) -> list[TextRequest]:
    return [TextRequest(f"question number {nth}", Decoding(**decoding)) for nth in range(count)]


def total_paid(outcomes: Sequence[Completion | NotCompleted]) -> float:
    return sum(outcome.dollars or 0.0 for outcome in outcomes if isinstance(outcome, Completion) and not outcome.cached)


def test_thousand_requests_with_a_fifth_of_failing_attempts(tmp_path: Path) -> None:
    script = seeded(0.2, seed=1)
    with FaultServer(script, retry_after="0.01") as server:
        settings = {"concurrency": 32, "tries": 6, "first_wait_s": 0.01}
        with opened("openai", server, tmp_path, **settings) as model:
            outcomes = model.complete(questions(1000))
        for nth, outcome in enumerate(outcomes):
            text = f"question number {nth}"
            tries = server.tries[text]
            if isinstance(outcome, Completion):
                assert outcome.answers[0].text.startswith(f"So you said {text} and")
                assert (server.answered[text], script(text, tries - 1)) == (1, None)
            else:
                assert outcome.reason
                assert (outcome.tries, tries, server.answered[text]) == (6, 6, 0)
        assert sum(server.tries.values()) == len(server.received)
        assert server.peak <= 32
        completions = [outcome for outcome in outcomes if isinstance(outcome, Completion)]
        assert len(completions) >= 990
        # 100 tokens in at 0.15 and 14 out at 0.6 dollars a million.
        assert total_paid(outcomes) == pytest.approx(len(completions) * (100 * 0.15 + 14 * 0.6) / 1e6)
        request_count = len(server.received)
        server.script = lambda _text, _nth: None
        with opened("openai", server, tmp_path, **settings) as model:
            again = model.complete(questions(1000))
        assert len(server.received) - request_count == 1000 - len(completions)
        assert [outcome.cached for outcome in again if isinstance(outcome, Completion)].count(True) == len(completions)
        assert total_paid(again) == pytest.approx((1000 - len(completions)) * 2.34e-5)


def test_concurrency_adapts_to_the_service() -> None:
    with FaultServer(latency=0.03, room=4, retry_after=None) as server:
        with opened("server", server, concurrency=32, tries=30, deadline_s=60.0, first_wait_s=0.05) as model:
            outcomes = model.complete(questions(300))
            limiter = model._current_session().client.limiter
        assert all(isinstance(outcome, Completion) for outcome in outcomes)
        assert server.peak <= 32
        # Without shrinking, 28 of 32 would be turned away in every round: some 2,000 of them.
        turned_away = len(server.received) - 300
        assert turned_away < 200, turned_away
        assert 1 <= limiter.limit < 12


def test_retry_after_delays_all_requests() -> None:
    with FaultServer(lambda _text, nth: "429" if nth == 0 else None, retry_after="0.5") as server:
        with opened("server", server, concurrency=4) as model:
            assert all(isinstance(outcome, Completion) for outcome in model.complete(questions(4)))
        times = sorted(received.at for received in server.received)
        assert len(times) == 8
        assert times[4] - times[3] >= 0.45


def test_too_long_retry_after_is_a_failure() -> None:
    with FaultServer(lambda _text, _nth: "429", retry_after="3600") as server:
        with opened("server", server) as model:
            outcomes = model.complete(questions(5))
        assert [outcome.lack for outcome in outcomes if isinstance(outcome, NotCompleted)] == ["rate"] * 5
        assert len(server.received) == 5


def test_concurrency_halves_once_per_overload() -> None:
    async def story() -> list[float]:
        limiter = ConcurrencyLimiter(16)
        entered = [await limiter.acquire(retry=False) for _ in range(16)]
        await asyncio.sleep(0.01)
        for moment in entered:
            limiter.record_overload(moment, 0.0)
        limits = [limiter.limit]
        for _ in range(8):
            limiter.release()
            limiter.record_success()
        limits.append(limiter.limit)
        for _ in range(1000):
            limiter.record_success()
        return [*limits, limiter.limit]

    halved, grown, most = asyncio.run(story())
    assert halved == 8
    assert 8.9 < grown < 9.1
    assert most == 16


def test_retries_come_first_and_cancelled_waiters_leave() -> None:
    async def story() -> list[str]:
        limiter, order = ConcurrencyLimiter(1), []
        await limiter.acquire(retry=False)

        async def wait_for_slot(name: str, again: bool) -> None:
            await limiter.acquire(retry=again)
            order.append(name)
            limiter.release()

        tasks = [
            asyncio.create_task(wait_for_slot(*args)) for args in (("new", False), ("gone", False), ("tried", True))
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        limiter.release()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.running == 0
        return order

    assert asyncio.run(story()) == ["tried", "new"]


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after-ms": "250"}, 0.25, 0.25),
        ({"retry-after": "in 3000 s"}, 2900, 3001),
        ({"retry-after": "soon"}, None, None),
        ({}, None, None),
    ],
)
def test_wait_by_headers(headers: dict[str, str], low: float | None, high: float | None) -> None:
    if headers.get("retry-after", "").startswith("in "):  # as a date, counted from now and not from the collection
        headers = {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=3000))}
    error: Any = RuntimeError("slow down")
    error.status_code, error.original_exception = 529, SimpleNamespace(response=SimpleNamespace(headers=headers))
    wait = classify_error(error).wait
    assert wait is None if low is None else wait is not None and low <= wait <= (high or 0)


def test_retry_delay_in_a_body_of_gemini() -> None:
    error: Any = RuntimeError("429 RESOURCE_EXHAUSTED. {'error': {'details': [{'retryDelay': '17.5s'}]}}")
    error.status_code = 429
    assert classify_error(error).wait == 17.5


def test_exhausted_account_is_not_retried() -> None:
    with FaultServer(lambda _text, _nth: "funds") as server, opened("openai", server) as model:
        (failure,) = model.complete(questions(1))
        assert isinstance(failure, NotCompleted)
        assert (failure.lack, len(server.received)) == ("refused", 1)


@pytest.mark.parametrize("name", ["concurrency", "tries", "try_s", "deadline_s", "wait_s", "first_wait_s"])
def test_settings_are_bounded(name: str) -> None:
    for value in (0, float("inf")):
        with pytest.raises(ValueError, match=name):
            RemoteSettings(**{name: value})


@pytest.mark.parametrize(
    ("status", "words", "lack"),
    [
        (400, "API key not valid. Please pass a valid API key.", "key"),
        (403, "Your country, region, or territory is not supported", "key"),
        (404, "models/gemini-0 is not found for API version v1", "model"),
        (404, "model: claude-0", "model"),
        (400, "prompt is too long: 208310 tokens > 200000 maximum", "context"),
        (400, "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000", "context"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", "context"),
        (400, "the request exceeds the available context size, try increasing it", "context"),
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", "context"),
        (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens", "refused"),
        (400, "Unsupported value: 'temperature' does not support 0.0 with this model.", "refused"),
        (400, "Your credit balance is too low to access the API.", "refused"),
        (402, "Payment required", "refused"),
        (413, "Request exceeds the maximum size", "refused"),
        (422, "Input should be less than or equal to 20", "refused"),
        (429, "Resource has been exhausted (e.g. check quota).", "rate"),
        (504, "Deadline expired before operation could complete.", "gone"),
    ],
)
def test_service_error_messages(status: int, words: str, lack: str) -> None:
    error: Any = RuntimeError(words)
    error.status_code = status
    failure = classify_error(error)
    assert failure.lack == lack
    assert failure.retry == (status >= 429)
    assert words in failure.reason


def complete_in_worker(model: RemoteModel, nth: int) -> str:
    (outcome,) = model.complete([TextRequest(f"worker {nth}")])
    return outcome.answers[0].text if isinstance(outcome, Completion) else outcome.reason


def test_workers_open_their_own_connections() -> None:
    with FaultServer() as server, opened("openai", server) as model:
        model.complete([TextRequest("here first")])
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            texts = list(pool.map(complete_in_worker, [model] * 3, range(3)))
    assert [text.split(" and ")[0] for text in texts] == [f"So you said worker {nth}" for nth in range(3)]


def test_interrupt_ends_a_request() -> None:
    with FaultServer(lambda text, _nth: text if " " not in text else None) as server:
        command = [sys.executable, "-c", INTERRUPTED, server.base]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "stop\n"
            while not server.tries["hang"]:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            try:
                errors = process.communicate(timeout=60)[1]
            finally:
                process.kill()  # else leaving the block waits for ever
        assert server.tries["hang"] == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
