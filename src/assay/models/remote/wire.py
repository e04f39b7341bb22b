"""A request as any-llm is given it, and an answer as it comes back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from assay.core.completions import Answer, End, Message, TextRequest
from assay.core.decoding import Decoding
from assay.models.remote.services import Place, media_type
from assay.models.text.chat import cut_at

FORM = 1
"""Of what is digested: another number makes every kept answer a stranger."""
FORMS = ("own", "config", "bare")
"""How a server is asked: with every field that vLLM and llama.cpp know; with those of OpenAI and transformers' own
`generation_config`; or with those of OpenAI alone, for a server that refuses any other."""
SEEDS = 2**31
"""Gemini's seeds are 32 bits wide, with a sign."""


@dataclass(frozen=True)
class Usage:
    """Tokens as the service counted them; thinking counts as answer."""

    prompt: int
    answer: int
    cache_read: int = 0
    """Of `prompt`, what the service had read before and charges less for."""
    cache_write: int = 0


def question(place: Place, request: TextRequest, number: int, form: int = 0) -> dict[str, Any]:
    """Arguments of `AnyLLM.acompletion`, for the `number`-th answer to a request; `form` is one of `FORMS`."""
    asked: dict[str, Any] = {
        "model": place.model,
        "messages": [_message(message) for message in conversation(request)],
    }
    asked |= _ARGUMENTS[place.service.name](request.decoding, number)
    if place.service.name == "server":
        asked["extra_body"] = _BODIES[FORMS[form]](request.decoding)
    return asked


def forms(place: Place, request: TextRequest) -> int:
    """How many of `FORMS` can carry a request: a server's last one has no place for some controls."""
    if place.service.name != "server":
        return 1
    return len(FORMS) - bool(request.decoding.controls & BEYOND)


def conversation(request: TextRequest) -> Sequence[Message]:
    """What is sent: a plain prompt is one message of the user."""
    return (Message("user", request.prompt),) if isinstance(request.prompt, str) else request.prompt


def digest(place: Place, request: TextRequest, number: int) -> str:
    """SHA-256 of everything that an answer depends on, and of no key."""
    whole = {
        "form": FORM,
        "service": place.service.name,
        "address": place.address,
        "model": place.model,
        "messages": [
            [message.role, message.text, [hashlib.sha256(image).hexdigest() for image in message.images]]
            for message in conversation(request)
        ],
        # The number says which of the answers it is; how many others there are does not matter to it.
        "decoding": asdict(replace(request.decoding, answers=1)),
        "number": number,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def read_answer(place: Place, response: Any, stop: Sequence[str] = ()) -> Answer:
    """The one answer in a ChatCompletion of any-llm, up to the first of `stop`: some servers leave it in.

    any-llm has no word for Anthropic's stop reason "refusal" and calls it a filter; it is turned back here.
    """
    usage = read_usage(response)
    tokens = None if usage is None else usage.answer
    if not response.choices:
        return Answer("", "empty", tokens)
    choice = response.choices[0]
    # Only OpenAI's refusals are the model's own words; the others are any-llm's.
    own = choice.message.refusal if place.service.name in ("openai", "server") else None
    text, stopped = cut_at(choice.message.content or own or "", stop)
    finish = "stop" if stopped else choice.finish_reason
    return Answer(text, _end(place, finish, choice.message.refusal, text), tokens)


def read_usage(response: Any) -> Usage | None:
    """What was used; None where the service did not say."""
    usage = response.usage
    # any-llm fills in zeros where Gemini is silent.
    if usage is None or not usage.prompt_tokens:
        return None
    details = usage.prompt_tokens_details
    read = (details.cached_tokens or 0) if details else 0
    written = (details.cache_write_tokens or 0) if details else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens or 0, read, written)


def _end(place: Place, finish: str | None, refusal: str | None, text: str) -> End:
    if finish == "content_filter":
        return "refusal" if place.service.name == "anthropic" else "filter"
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
    """What is left at 1 is not sent: models that think first take nothing else, and 1 is the default."""
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
    # Its own defaults differ by model (top_p 0.95 at the time of writing), so nothing is left to them.
    cuts: dict[str, Any] = _temperature(decoding)
    if decoding.top_k:
        cuts["top_k"] = decoding.top_k
    return _official(decoding, number) | cuts | _seed(decoding, number)


def _server(decoding: Decoding, number: int) -> dict[str, Any]:
    # max_tokens goes into the body: it is the older name, which every server knows.
    arguments = _official(decoding, number) | _temperature(decoding) | _seed(decoding, number)
    return {name: value for name, value in arguments.items() if name != "max_tokens"}


def _bare(decoding: Decoding) -> dict[str, Any]:
    return {"max_tokens": decoding.max_tokens}


def _own(decoding: Decoding) -> dict[str, Any]:
    # A server's own defaults come with the model (vLLM) or the build (llama.cpp), so nothing is left to them. The
    # penalty has one name in vLLM and another in llama.cpp.
    return _bare(decoding) | _beyond(decoding) | {"repeat_penalty": decoding.repetition_penalty}


def _config(decoding: Decoding) -> dict[str, Any]:
    # `transformers serve` refuses those fields, and draws nothing without do_sample, whatever the temperature.
    config = _temperature(decoding) | _beyond(decoding) | {"do_sample": decoding.strategy == "sample"}
    return _bare(decoding) | {"generation_config": json.dumps(config)}


def _beyond(decoding: Decoding) -> dict[str, Any]:
    return {name: getattr(decoding, name) for name in sorted(BEYOND)}


def _temperature(decoding: Decoding) -> dict[str, Any]:
    greedy = decoding.strategy == "greedy"
    return {"temperature": 0.0 if greedy else decoding.temperature, "top_p": decoding.top_p}


def _seed(decoding: Decoding, number: int) -> dict[str, Any]:
    """Each answer's own stream, so that the second of seed 1 is not the first of seed 2."""
    if decoding.strategy != "sample":
        return {}
    stream = hashlib.sha256(f"{decoding.seed} {number}".encode()).digest()
    return {"seed": int.from_bytes(stream[:8], "big") % SEEDS}


BEYOND = frozenset({"top_k", "min_p", "repetition_penalty"})
"""Controls that OpenAI's form has no field for."""
_BODIES: Mapping[str, Callable[[Decoding], dict[str, Any]]] = {"own": _own, "config": _config, "bare": _bare}
_ARGUMENTS: Mapping[str, Callable[[Decoding, int], dict[str, Any]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "server": _server,
}
