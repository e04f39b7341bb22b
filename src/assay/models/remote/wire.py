"""Wire format: arguments and responses of any-llm, and its clients."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from assay.core.completions import Answer, End, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.models.remote.errors import one_line
from assay.models.remote.services import Endpoint, media_type
from assay.models.text.requests import truncate_at_stop

DIGEST_VERSION = 1
"""Another number invalidates every cached answer."""
SEEDS = 2**31
"""Gemini's seeds are signed 32-bit integers."""
NO_KEY = "none"
"""Sent to a server without keys: OpenAI's library would send OPENAI_API_KEY to it otherwise."""


@dataclass(frozen=True)
class TokenUsage:
    """Tokens as the service counted them; reasoning tokens belong to the answer."""

    prompt: int
    answer: int
    cache_read: int = 0
    """Tokens of `prompt` that the service had in its cache, which are cheaper."""
    cache_write: int = 0


def request_arguments(endpoint: Endpoint, request: TextRequest, number: int, body_format: int = 0) -> dict[str, Any]:
    """Arguments of `AnyLLM.acompletion` for the `number`-th answer to a request.

    `body_format` is an index into `_BODIES`.
    """
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [_message(message) for message in conversation(request)],
    }
    arguments |= _ARGUMENTS[endpoint.service.name](request.decoding, number)
    if endpoint.service.name == "server":
        arguments["extra_body"] = _BODIES[body_format](request.decoding)
    return arguments


def body_formats(endpoint: Endpoint, request: TextRequest) -> int:
    """How many of `_BODIES` can express a request: the last one has no field for some controls."""
    if endpoint.service.name != "server":
        return 1
    return len(_BODIES) - bool(request.decoding.controls & EXTRA_CONTROLS)


def conversation(request: TextRequest) -> Sequence[Message]:
    """Messages to send: a plain prompt is one user message."""
    return (Message("user", request.prompt),) if isinstance(request.prompt, str) else request.prompt


def digest(endpoint: Endpoint, request: TextRequest, number: int) -> str:
    """SHA-256 of everything that an answer depends on; the API key is not part of it."""
    content = {
        "form": DIGEST_VERSION,
        "service": endpoint.service.name,
        "address": endpoint.address,
        "model": endpoint.model,
        "messages": [
            [message.role, message.text, [hashlib.sha256(image).hexdigest() for image in message.images]]
            for message in conversation(request)
        ],
        # An answer depends on its number, not on how many others are requested.
        "decoding": asdict(replace(request.decoding, answers=1)),
        "number": number,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_answer(endpoint: Endpoint, response: Any, stop: Sequence[str] = ()) -> Answer:
    """The answer in a ChatCompletion of any-llm, up to the first of `stop`, which some servers leave in.

    any-llm reports Anthropic's stop reason "refusal" as a content filter; this restores it.
    """
    usage = read_usage(response)
    tokens = None if usage is None else usage.answer
    if not response.choices:
        return Answer("", "empty", tokens)
    choice = response.choices[0]
    # OpenAI's refusals are the model's text; those of other services are any-llm's.
    refusal = choice.message.refusal if endpoint.service.name in ("openai", "server") else None
    text, stopped = truncate_at_stop(choice.message.content or refusal or "", stop)
    finish = "stop" if stopped else choice.finish_reason
    return Answer(text, _end(endpoint, finish, choice.message.refusal, text), tokens)


def read_usage(response: Any) -> TokenUsage | None:
    """Tokens used; None where the service does not report them."""
    usage = response.usage
    # any-llm fills in zeros where Gemini reports nothing.
    if usage is None or not usage.prompt_tokens:
        return None
    details = usage.prompt_tokens_details
    cache_read = (details.cached_tokens or 0) if details else 0
    cache_write = (details.cache_write_tokens or 0) if details else 0
    return TokenUsage(usage.prompt_tokens, usage.completion_tokens or 0, cache_read, cache_write)


def open_client(endpoint: Endpoint, key: str | None) -> tuple[Any, Callable[[], Awaitable[None]]]:
    """Open an `AnyLLM` without retries of its own, and a function that closes it. Call it on the loop that will use it.

    Raises:
        ModelError: The libraries are not installed, or the address is invalid.
    """
    try:
        from any_llm import AnyLLM

        if endpoint.service.name == "server":
            client: Any = AnyLLM.create_openai_compatible(
                "server", endpoint.address or "", key or NO_KEY, unified_exceptions=True, max_retries=0
            )
        elif endpoint.service.name == "gemini":
            return _open_gemini(endpoint, key)
        else:
            client = AnyLLM.create(endpoint.service.name, key, endpoint.address, unified_exceptions=True, max_retries=0)
    except ImportError as error:
        raise ModelError(
            f"Model {endpoint.reference!r} needs a library that is not installed: {error}.",
            hint="pip install 'assay[remote]'",
        ) from error
    # Not chained: the libraries' errors may contain the key. They raise any exception for an invalid address.
    except Exception as error:
        raise ModelError(f"Model {endpoint.reference!r} cannot be opened: {one_line(str(error), key)}") from None
    return client, client.client.close


def _open_gemini(endpoint: Endpoint, key: str | None) -> tuple[Any, Callable[[], Awaitable[None]]]:
    import httpx2
    from any_llm import AnyLLM
    from google.genai import types

    # Its library would use aiohttp where that is installed, and at most 100 connections.
    http = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100))
    options = types.HttpOptions(httpx_async_client=http, base_url=endpoint.address)
    client: Any = AnyLLM.create("gemini", key, None, unified_exceptions=True, max_retries=0, http_options=options)

    async def close() -> None:
        with suppress(Exception):
            client.client.close()
        await http.aclose()

    return client, close


def _end(endpoint: Endpoint, finish: str | None, refusal: str | None, text: str) -> End:
    if finish == "content_filter":
        return "refusal" if endpoint.service.name == "anthropic" else "filter"
    if refusal:
        return "refusal"
    if finish == "length":
        return "length"
    return "stop" if text else "empty"


def _message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [
        {
            "type": "image_url",
            "image_url": {"url": f"data:{media_type(image)};base64,{base64.b64encode(image).decode()}"},
        }
        for image in message.images
    ]
    return {"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]}


def _official(decoding: Decoding, number: int) -> dict[str, Any]:
    """A value of 1, the default, is not sent: reasoning models refuse any other."""
    arguments: dict[str, Any] = {"max_tokens": decoding.max_tokens}
    if decoding.strategy == "greedy":
        arguments["temperature"] = 0.0
    elif decoding.temperature != 1.0:
        arguments["temperature"] = decoding.temperature
    if decoding.top_p != 1.0:
        arguments["top_p"] = decoding.top_p
    if decoding.stop:
        arguments["stop"] = list(decoding.stop)
    return arguments


def _openai(decoding: Decoding, number: int) -> dict[str, Any]:
    return _official(decoding, number) | _seed(decoding, number)


def _anthropic(decoding: Decoding, number: int) -> dict[str, Any]:
    return _official(decoding, number) | ({"top_k": decoding.top_k} if decoding.top_k else {})


def _gemini(decoding: Decoding, number: int) -> dict[str, Any]:
    # Its own defaults differ by model (top_p 0.95 at the time of writing), so every value is sent.
    controls: dict[str, Any] = _temperature(decoding)
    if decoding.top_k:
        controls["top_k"] = decoding.top_k
    return _official(decoding, number) | controls | _seed(decoding, number)


def _server(decoding: Decoding, number: int) -> dict[str, Any]:
    # max_tokens goes into the body: it is the older name, which every server supports.
    arguments = _official(decoding, number) | _temperature(decoding) | _seed(decoding, number)
    return {name: value for name, value in arguments.items() if name != "max_tokens"}


def _bare_body(decoding: Decoding) -> dict[str, Any]:
    return {"max_tokens": decoding.max_tokens}


def _full_body(decoding: Decoding) -> dict[str, Any]:
    # A server's defaults come with the model (vLLM) or the build (llama.cpp), so every value is sent. The penalty has
    # one name in vLLM and another in llama.cpp.
    return _bare_body(decoding) | _extra(decoding) | {"repeat_penalty": decoding.repetition_penalty}


def _config_body(decoding: Decoding) -> dict[str, Any]:
    # `transformers serve` rejects those fields, and does not sample without do_sample, at any temperature.
    config = _temperature(decoding) | _extra(decoding) | {"do_sample": decoding.strategy == "sample"}
    return _bare_body(decoding) | {"generation_config": json.dumps(config)}


def _extra(decoding: Decoding) -> dict[str, Any]:
    return {name: getattr(decoding, name) for name in sorted(EXTRA_CONTROLS)}


def _temperature(decoding: Decoding) -> dict[str, Any]:
    greedy = decoding.strategy == "greedy"
    return {"temperature": 0.0 if greedy else decoding.temperature, "top_p": decoding.top_p}


def _seed(decoding: Decoding, number: int) -> dict[str, Any]:
    """A seed for each answer, so that the second answer of seed 1 is not the first of seed 2."""
    if decoding.strategy != "sample":
        return {}
    stream = hashlib.sha256(f"{decoding.seed} {number}".encode()).digest()
    return {"seed": int.from_bytes(stream[:8], "big") % SEEDS}


EXTRA_CONTROLS = frozenset({"top_k", "min_p", "repetition_penalty"})
"""Controls without a field in OpenAI's API."""
_BODIES: Sequence[Callable[[Decoding], dict[str, Any]]] = (_full_body, _config_body, _bare_body)
"""Fields in a request to a server: all that vLLM and llama.cpp know; those of OpenAI with `generation_config` of
transformers; or those of OpenAI alone, for a server that rejects any other."""
_ARGUMENTS: Mapping[str, Callable[[Decoding, int], dict[str, Any]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "server": _server,
}
