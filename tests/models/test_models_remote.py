from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.completions import Answer, Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.images.codec import encode_png
from assay.models.remote.budget import Budget
from assay.models.remote.model import RemoteModel, open_remote
from assay.models.remote.services import find_endpoint, is_remote
from assay.models.remote.transport import RemoteSettings
from assay.models.remote.wire import digest
from fault_server import FaultServer
from remote_parts import KEY, MODELS, NAMES, opened, plant_keys

pytest.importorskip("any_llm")
PICTURE = encode_png(np.zeros((4, 4, 3), dtype=np.uint8))
TALK = (Message("system", "be kind"), Message("user", "good day", (PICTURE,)))


@dataclass
class Wire:
    """A service's real library, and the server that it talks to."""

    name: str
    server: FaultServer
    model: RemoteModel

    def ask(self, prompt: Any, decoding: Decoding | None = None) -> Completion:
        self.server.received.clear()
        (completion,) = self.model.complete([TextRequest(prompt, decoding or Decoding())])
        assert isinstance(completion, Completion), completion
        return completion

    def ask_for_failure(self, prompt: str) -> NotCompleted:
        self.server.received.clear()
        (failure,) = self.model.complete([TextRequest(prompt)])
        assert isinstance(failure, NotCompleted), failure
        return failure

    @property
    def body(self) -> dict[str, Any]:
        return self.server.received[-1].body


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_keys(monkeypatch)


@pytest.fixture(params=NAMES)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """A request's text names its fault, if it names one."""
    faults = FaultServer(lambda text, _nth: text if " " not in text else None)
    with faults as server, opened(request.param, server) as model:
        yield Wire(request.param, server, model)


def test_a_plain_prompt(wire: Wire) -> None:
    completion = wire.ask("how are you")
    assert completion.answers == (Answer("So you said how are you and this is what I have to say", "stop", 14),)
    assert completion.prompt_tokens == 100
    assert completion.cached is False
    paths = {"anthropic": "/v1/messages", "gemini": "/models/gemini-2.5-flash:generateContent"}
    assert wire.server.received[0].path.endswith(paths.get(wire.name, "/v1/chat/completions"))


def test_a_system_prompt_and_an_image(wire: Wire) -> None:
    wire.ask(TALK)
    assert "iVBORw0KGgo" in str(wire.body)
    system_prompt = {
        "anthropic": lambda body: body["system"],
        "gemini": lambda body: body["systemInstruction"]["parts"][0]["text"],
    }.get(wire.name, lambda body: body["messages"][0]["content"])
    assert system_prompt(wire.body) == "be kind"
    media_type = {
        "anthropic": lambda body: body["messages"][0]["content"][0]["source"]["media_type"],
        "gemini": lambda body: body["contents"][0]["parts"][0]["inlineData"]["mime_type"],
    }.get(wire.name, lambda body: body["messages"][1]["content"][0]["image_url"]["url"][5:14])
    assert media_type(wire.body) == "image/png"


def test_a_conversation_keeps_its_turns(wire: Wire) -> None:
    wire.ask((Message("user", "one"), Message("assistant", "two"), Message("user", "and three")))
    turns = wire.body.get("contents") or wire.body["messages"]
    assert [turn["role"] for turn in turns] == ["user", "model" if wire.name == "gemini" else "assistant", "user"]


def test_stop_strings_and_the_token_limit(wire: Wire) -> None:
    assert wire.ask("how are you", Decoding(stop=(" this",))).answers[0].text == "So you said how are you and"
    limited = wire.ask("how are you", Decoding(max_tokens=3)).answers[0]
    assert (limited.text, limited.end, limited.tokens) == ("So you said", "length", 3)


def test_every_control_is_sent(wire: Wire) -> None:
    controls = {"temperature": 0.5, "top_p": 0.9} | ({"top_k": 7} if wire.name != "openai" else {})
    controls |= {"min_p": 0.1, "repetition_penalty": 1.2} if wire.name == "server" else {}
    wire.ask("how are you", Decoding("sample", seed=3, stop=("x",), **controls))
    sent = wire.body.get("generationConfig", wire.body)
    named = {"top_p": "topP", "top_k": "topK"} if wire.name == "gemini" else {}
    assert {name: sent[named.get(name, name)] for name in controls} == controls
    assert ("seed" in sent) == (wire.name != "anthropic")


def test_greedy_is_temperature_zero(wire: Wire) -> None:
    wire.ask("how are you")
    assert wire.body.get("generationConfig", wire.body)["temperature"] == 0


def test_each_answer_is_a_request(wire: Wire) -> None:
    completion = wire.ask("how are you", Decoding("sample", answers=3, seed=1))
    assert len(completion.answers) == len(wire.server.received) == 3
    seeds = {received.body.get("generationConfig", received.body).get("seed") for received in wire.server.received}
    assert len(seeds) == (1 if wire.name == "anthropic" else 3)


def test_end_of_an_answer(wire: Wire) -> None:
    assert wire.ask("empty").answers[0].end == "empty"
    refusal = wire.ask("refusal").answers[0]
    assert refusal.end == ("filter" if wire.name == "gemini" else "refusal")
    assert wire.ask("filter").answers[0].end == ("refusal" if wire.name == "anthropic" else "filter")


@pytest.mark.parametrize(
    ("fault", "lack"),
    [("400", "refused"), ("401", "key"), ("403", "key"), ("404", "model"), ("context", "context")],
)
def test_permanent_errors_are_not_retried(wire: Wire, fault: str, lack: str) -> None:
    failure = wire.ask_for_failure(fault)
    assert (failure.lack, failure.tries, len(wire.server.received), failure.dollars) == (lack, 1, 1, 0.0)
    assert KEY not in failure.reason


@pytest.mark.parametrize(
    ("fault", "lack"),
    [
        *(("429", "rate"), ("529", "rate"), ("500", "gone"), ("503", "gone"), ("408", "timeout"), ("drop", "gone")),
        *(("half", "broken"), ("cut", "broken"), ("html", "broken"), ("html502", "gone")),
    ],
)
def test_transient_errors_are_retried(wire: Wire, fault: str, lack: str) -> None:
    failure = wire.ask_for_failure(fault)
    assert (failure.lack, failure.tries, len(wire.server.received)) == (lack, 3, 3), failure
    # A lost answer may have been charged; a refusal is not.
    assert failure.dollars == (None if fault in ("drop", "half", "cut", "html") else 0.0)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_deadline_ends_a_hanging_request(wire: Wire, fault: str) -> None:
    with opened(wire.name, wire.server, try_s=5.0, deadline_s=0.4) as model:
        (failure,) = model.complete([TextRequest(fault)])
    assert isinstance(failure, NotCompleted)
    assert (failure.lack, failure.tries) == ("timeout", 1)
    assert "0.4 s" in failure.reason


def test_no_server_at_the_address(keys: None) -> None:
    with RemoteModel("http://127.0.0.1:9/v1#llama", RemoteSettings(tries=2, first_wait_s=0.01)) as model:
        (failure,) = model.complete([TextRequest("hello")])
    assert isinstance(failure, NotCompleted)
    assert (failure.lack, failure.tries, failure.dollars) == ("gone", 2, 0.0)


@pytest.mark.parametrize(
    "reference",
    [
        *("openai:", "http://host/v1", "https://#name", "cohere:x", "server:x", "a/b"),
        *("http://[::1/v1#m", "http://host:99999/v1#m", "http:/host/v1#m"),
    ],
)
def test_invalid_references(reference: str) -> None:
    with pytest.raises(ModelError):
        find_endpoint(reference)


@pytest.mark.parametrize("reference", ["http://me:secret@host/v1#m", "https://host/v1?key=secret#m"])
def test_reference_with_a_secret_is_rejected(reference: str) -> None:
    with pytest.raises(ModelError, match="ASSAY_API_KEY") as caught:
        RemoteModel(reference)
    assert "secret" not in str(caught.value)


def test_which_references_are_remote() -> None:
    assert all(
        is_remote(reference)
        for reference in ("openai:gpt", "anthropic:c", "gemini:g", "http://h/v1#m", "https://h/v1#m")
    )
    assert not any(
        is_remote(reference) for reference in ("server:x", "embedded:x", "./folder", "org/name", "huggingface:x")
    )


@pytest.mark.parametrize(
    ("reference", "request_", "words"),
    [
        ("openai:gpt", TextRequest("x", Decoding("beam", beams=2)), "beam"),
        ("openai:gpt", TextRequest("x", Decoding("sample", top_k=5)), "top_k"),
        ("anthropic:c", TextRequest("x", Decoding("sample", temperature=1.5)), r"\b1\b.*\b1\.5\b"),
        ("gemini:g", TextRequest("x", Decoding(stop=tuple("abcdef"))), r"\b5\b.*\b6\b"),
        ("openai:gpt", TextRequest((Message("user", "x", (b"GIF89a",)),)), "PNG"),
        (
            "openai:gpt",
            TextRequest((Message("system", "x", (PICTURE,)), Message("user", "y"))),
            "system",
        ),
        ("openai:gpt", TextRequest(()), "conversation"),
    ],
)
def test_unsupported_request_is_rejected(reference: str, request_: TextRequest, words: str) -> None:
    with FaultServer() as server:
        model = RemoteModel(reference, RemoteSettings(address=server.base))
        with pytest.raises(ModelError, match=words) as caught:
            model.complete([TextRequest("first"), request_])
        assert not server.received
    assert reference in str(caught.value)


def test_log_probs_are_not_supported(wire: Wire) -> None:
    assert wire.model.means.log_probs is wire.model.means.reproducible is False
    with pytest.raises(ModelError, match="service"):
        wire.model.log_probs(["x"])


def test_pickled_model_opens_its_own_connection(wire: Wire) -> None:
    wire.ask("how are you")
    pickled = pickle.dumps(wire.model)
    assert KEY.encode() not in pickled
    with pickle.loads(pickled) as other:
        assert isinstance(other.complete([TextRequest("how are you")])[0], Completion)


def test_connections_close(wire: Wire) -> None:
    others = set(threading.enumerate())  # of models that other tests have asked
    wire.ask("how are you")
    assert wire.server.connections > 0
    wire.model.close()
    wire.model.close()
    for _ in range(100):
        if not wire.server.connections:
            break
        threading.Event().wait(0.02)
    assert wire.server.connections == 0
    assert not any(thread.name == "assay-event-loop" for thread in set(threading.enumerate()) - others)
    assert wire.ask("how are you").answers[0].end == "stop"


def test_calls_from_threads_and_running_loops(wire: Wire) -> None:
    async def complete_in_loop() -> Any:
        return wire.model.complete([TextRequest("from a loop")])

    assert isinstance(asyncio.run(complete_in_loop())[0], Completion)
    completions: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: completions.extend(wire.model.complete([TextRequest(f"thread {n}")])))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"So you said thread {n} and" for n in range(8)} == {
        completion.answers[0].text[:24] for completion in completions
    }


def test_a_model_is_opened_once_in_a_process(tmp_path: Path) -> None:
    ledger = tmp_path / "budget.sqlite"
    name, settings = f"openai:{MODELS['openai']}", RemoteSettings(tries=2)
    first, second = (open_remote(name, settings, tmp_path, Budget(1, ledger)) for _ in range(2))
    assert first is second
    assert first is not open_remote(name, settings, tmp_path, Budget(1))


def test_digest_depends_on_everything_but_the_number_of_answers() -> None:
    endpoint, request = find_endpoint("openai:gpt"), TextRequest("x", Decoding("sample"))
    digests = [
        digest(find_endpoint("openai:gpt-5"), request, 0),
        digest(find_endpoint("anthropic:gpt"), request, 0),
        digest(find_endpoint("openai:gpt", "http://elsewhere/v1"), request, 0),
        digest(endpoint, request, 1),
        digest(endpoint, TextRequest("y", request.decoding), 0),
        digest(endpoint, TextRequest((Message("system", "s"), Message("user", "x")), request.decoding), 0),
        digest(endpoint, TextRequest((Message("user", "x", (PICTURE,)),), request.decoding), 0),
        digest(endpoint, TextRequest((Message("user", "x", (PICTURE + b"0",)),), request.decoding), 0),
        *(
            digest(endpoint, TextRequest("x", Decoding("sample", **{name: value})), 0)
            for name, value in [("temperature", 0.5), ("top_p", 0.5), ("max_tokens", 9), ("seed", 1), ("stop", ("a",))]
        ),
        digest(endpoint, TextRequest("x", Decoding()), 0),
    ]
    assert len({digest(endpoint, request, 0), *digests}) == len(digests) + 1
    assert digest(endpoint, request, 0) == digest(endpoint, TextRequest("x", Decoding("sample", answers=4)), 0)
    assert digest(endpoint, request, 0) == digest(endpoint, TextRequest((Message("user", "x"),), Decoding("sample")), 0)
