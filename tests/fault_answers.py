"""Whole answers in the formats of OpenAI, Anthropic and Gemini, made from the request alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDS: Mapping[str, Mapping[str, str]] = {
    "openai": {"stop": "stop", "length": "length", "refusal": "stop", "filter": "content_filter"},
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal"},
    "gemini": {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY", "filter": "SAFETY"},
}

SAY = "say: "
"""A fault that begins so is no fault: the rest of it is the answer."""


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    text: str
    at: float
    said: str = ""
    """What is answered; where empty, a sentence about the text."""


def api_of(path: str) -> str:
    if path.endswith("/messages"):
        return "anthropic"
    return "gemini" if ":generateContent" in path else "openai"


def text_of(body: Mapping[str, Any]) -> str:
    """What the user said last, without images."""
    turns = body.get("messages") or body.get("contents") or [{}]
    content = turns[-1].get("content") or turns[-1].get("parts") or ""
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if "text" in part)


def words(request: Received, fault: str | None) -> tuple[str, str, int]:
    """The answer's text, how it ended and its tokens, one a word; stop strings and max_tokens are kept to."""
    settings = request.body.get("generationConfig", request.body)
    if fault == "empty":
        return "", "stop", 0
    if fault is not None and fault.startswith(SAY):
        return fault.removeprefix(SAY), "stop", len(fault.split())
    if fault in ("refusal", "filter"):
        return "", fault, 0
    if fault == "tell":
        return " ".join(value for name, value in request.headers.items() if "key" in name or "auth" in name), "stop", 3
    text = request.said or f"So you said {request.text} and this is what I have to say"
    for stop in settings.get("stop") or settings.get("stop_sequences") or settings.get("stopSequences") or ():
        text = text.split(stop)[0] if fault != "unstopped" else text
    limits = ("max_tokens", "max_completion_tokens", "maxOutputTokens")
    most = next((settings[name] for name in limits if name in settings), 10**6)
    parts = text.split(" ")
    return " ".join(parts[:most]), "length" if len(parts) > most else "stop", min(len(parts), most)


def _openai(request: Received, fault: str | None) -> dict[str, Any]:
    text, end, tokens = words(request, fault)
    message = {"role": "assistant", "content": None if end == "refusal" else text}
    message["refusal"] = "I will not." if end == "refusal" else None
    return {
        "id": "one",
        "object": "chat.completion",
        "created": 1,
        "model": request.body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": ENDS["openai"][end], "logprobs": None}],
        "usage": {"prompt_tokens": 100, "completion_tokens": tokens, "total_tokens": 100 + tokens},
    }


def _anthropic(request: Received, fault: str | None) -> dict[str, Any]:
    text, end, tokens = words(request, fault)
    return {
        "id": "one",
        "type": "message",
        "role": "assistant",
        "model": request.body.get("model"),
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": ENDS["anthropic"][end],
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": tokens},
    }


def _gemini(request: Received, fault: str | None) -> dict[str, Any]:
    text, end, tokens = words(request, fault)
    usage = {"promptTokenCount": 100, "candidatesTokenCount": tokens, "totalTokenCount": 100 + tokens}
    if end == "filter":
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    content: dict[str, Any] = {"role": "model", "parts": [{"text": text}] if text else []}
    candidate = {"content": content, "finishReason": ENDS["gemini"][end], "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "one"}


FORMATS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
