"""Servers that differ from the API that they imitate: rejected fields, stop strings, places of messages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from assay.core.completions import Answer, Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.models.remote.errors import classify_error
from fault_server import FaultServer
from remote_parts import NAMES, opened, plant_keys

pytest.importorskip("any_llm")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_keys(monkeypatch)


@pytest.mark.parametrize("name", NAMES)
def test_text_after_a_stop_string_is_removed(name: str) -> None:
    with FaultServer(lambda text, _nth: text) as server, opened(name, server) as model:
        requests = [
            TextRequest("unstopped", decoding)
            for decoding in (Decoding(stop=(" and",)), Decoding(stop=(" said",), max_tokens=3), Decoding(stop=("So",)))
        ]
        unstopped, truncated, empty = [
            completion.answers[0] for completion in model.complete(requests) if isinstance(completion, Completion)
        ]
    assert unstopped == Answer("So you said unstopped", "stop", 12)
    assert truncated == Answer("So you", "stop", 3)
    assert empty == Answer("", "empty", 12)


OFFICIAL = frozenset({"model", "messages", "max_tokens", "temperature", "top_p", "stop", "seed", "stream"})


@pytest.mark.parametrize("known_fields", [OFFICIAL, OFFICIAL | {"generation_config"}], ids=["bare", "config"])
def test_rejected_fields_are_left_out(known_fields: frozenset[str]) -> None:
    bare = known_fields == OFFICIAL
    with FaultServer(known=known_fields) as server, opened("server", server) as model:
        first, second = (model.complete([TextRequest(text)])[0] for text in ("how are you", "and now"))
        assert isinstance(first, Completion)
        assert isinstance(second, Completion)
        # Found out once: two or one refusals and an answer, then an answer.
        assert len(server.received) == (4 if bare else 3)
        (outcome,) = model.complete([TextRequest("hot", Decoding("sample", temperature=1.5, top_k=7))])
    if bare:
        assert isinstance(outcome, NotCompleted)
        assert outcome.lack == "cannot"
        assert re.search(r"\btop_k: 422: .*\bfields\b", outcome.reason)
    else:
        assert isinstance(outcome, Completion)
        sent = server.received[-1].body
        config = {"temperature": 1.5, "top_p": 1.0, "top_k": 7, "min_p": 0.0, "repetition_penalty": 1.0}
        assert json.loads(sent["generation_config"]) == {**config, "do_sample": True}
        assert sent["max_tokens"] == 256


@pytest.mark.parametrize(
    ("status", "body", "reason", "unknown_field"),
    [
        (400, {"message": "Unrecognized request argument supplied: top_k"}, "Unrecognized request argument", True),
        (400, {"message": "'messages.0' : property 'min_p' is unsupported"}, "property 'min_p' is unsupported", True),
        (
            422,
            {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}
                ]
            },
            "422: Extra inputs are not permitted ['body', 'top_k']",
            True,
        ),
        (400, {"message": "top_k must be at least 1"}, "400: top_k must be at least 1", False),
        (400, {"message": "Unknown role: 'tool'"}, "400: Unknown role", False),
        (500, "Internal Server Error", "500: Internal Server Error", False),
        (400, {"error": "it is what it is"}, "400: it is what it is", False),
        (502, "<html><body>Bad gateway</body></html>", "502: ", False),
    ],
)
def test_reason_is_the_message_in_the_body(status: int, body: Any, reason: str, unknown_field: bool) -> None:
    class Refused(Exception):
        status_code = status

    error = Refused("the library's own words")
    error.original_exception = type("Inner", (Exception,), {"body": body})()  # type: ignore[attr-defined]
    failure = classify_error(error)
    assert reason in failure.reason
    assert "<" not in failure.reason
    assert failure.unknown_field is unknown_field
