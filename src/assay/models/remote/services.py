"""Services of language models over HTTP: their addresses, capabilities and API keys.

| reference | service | key |
|---|---|---|
| `openai:NAME` | OpenAI's Chat Completions | OPENAI_API_KEY |
| `anthropic:NAME` | Anthropic's Messages | ANTHROPIC_API_KEY |
| `gemini:NAME` | Gemini's generateContent | GEMINI_API_KEY or GOOGLE_API_KEY |
| `http://host/v1#NAME` | any server with an OpenAI-compatible API | ASSAY_API_KEY, or none |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from assay.core.completions import Capabilities, Message, TextRequest, unsupported
from assay.core.decoding import Decoding
from assay.core.errors import ModelError

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_SAMPLING = frozenset({"temperature", "top_p", "stop"})
_PLAIN = "A plain prompt is sent as one user message. The same seed need not give the same text."


@dataclass(frozen=True)
class Service:
    """One API."""

    name: str
    means: Capabilities
    keys: tuple[str, ...]
    """Environment variables; the first that is set is used."""
    address_variable: str = ""
    """Environment variable of another base URL, as the service's own library reads it."""
    key_needed: bool = True
    max_temperature: float = 2.0
    max_stops: int | None = None
    """Most stop strings; None for no limit."""
    image_tokens: int = 5_000
    """Upper bound of an image's prompt tokens, by the service's documentation."""


SERVICES = {
    service.name: service
    for service in (
        Service(
            "openai",
            Capabilities(
                controls=_SAMPLING,
                images=True,
                note=f"{_PLAIN} Reasoning models refuse a temperature other than 1, and so greedy decoding.",
            ),
            ("OPENAI_API_KEY",),
            "OPENAI_BASE_URL",
            max_stops=4,
            # The small models multiply an image's tokens by 33.
            image_tokens=40_000,
        ),
        Service(
            "anthropic",
            Capabilities(
                controls=_SAMPLING | {"top_k"},
                images=True,
                note=f"{_PLAIN} It takes no seed. Its newest models refuse temperature, top_p and top_k.",
            ),
            ("ANTHROPIC_API_KEY",),
            "ANTHROPIC_BASE_URL",
            max_temperature=1.0,
        ),
        Service(
            "gemini",
            Capabilities(
                controls=_SAMPLING | {"top_k"},
                images=True,
                note=f"{_PLAIN} Without a top_k it uses its own default, commonly 64.",
            ),
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "GOOGLE_GEMINI_BASE_URL",
            max_stops=5,
        ),
        Service(
            "server",
            Capabilities(
                controls=_SAMPLING | {"top_k", "min_p", "repetition_penalty"},
                images=True,
                note=f"{_PLAIN} vLLM, llama.cpp and transformers serve support every control; Ollama ignores top_k, "
                "min_p and the penalty.",
            ),
            ("ASSAY_API_KEY",),
            key_needed=False,
        ),
    )
}


@dataclass(frozen=True)
class Endpoint:
    """One model of one service."""

    reference: str
    service: Service
    model: str
    address: str | None
    """Base URL; None for the service's own."""


def is_remote(reference: str) -> bool:
    """Whether a reference names a model of a service over HTTP."""
    scheme = reference.partition(":")[0]
    return scheme in ("http", "https") or (scheme in SERVICES and scheme != "server")


def find_endpoint(reference: str, address: str | None = None) -> Endpoint:
    """Parse a reference; sends no request.

    Args:
        reference: As in the table above.
        address: Base URL instead of the service's own and of its library's environment variable (such as
            OPENAI_BASE_URL). Only for named services.

    Raises:
        ModelError: The reference names no service or no model, or the URL contains a password.
    """
    if not is_remote(reference):
        raise ModelError(f"{reference!r} is not a model of a service over HTTP.", hint=_FORMS)
    scheme, _, name = reference.partition(":")
    if scheme in SERVICES:
        service = SERVICES[scheme]
        if not name:
            raise ModelError(f"{reference!r} names no model.", hint=_FORMS)
        base_url = address or os.environ.get(service.address_variable) or None
        if base_url is not None:
            _check_address(base_url, name)
        return Endpoint(reference, service, name, base_url)
    return _server_endpoint(reference)


def find_key(endpoint: Endpoint) -> str | None:
    """The API key from the environment; None if none is set and none is needed.

    Raises:
        ModelError: The key is needed and not set, or contains characters that a header cannot.
    """
    names = endpoint.service.keys
    key = next((value for name in names if (value := os.environ.get(name, "").strip())), None)
    if key is None and endpoint.service.key_needed:
        raise ModelError(
            f"Model {endpoint.reference!r} needs a key: {' or '.join(names)} is not set.", hint=f"export {names[0]}=..."
        )
    # Libraries quote an invalid header in their error, which would show the key.
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(f"The key in {' or '.join(names)} contains blanks or characters that are not ASCII.")
    return key


def check(endpoint: Endpoint, request: TextRequest) -> None:
    """Refuse a request that the service does not support.

    Raises:
        ModelError: The service does not support its decoding or one of its messages.
    """
    service, decoding = endpoint.service, request.decoding
    reason = (
        unsupported(service.means, decoding) or _out_of_range(service, decoding) or _malformed_prompt(request.prompt)
    )
    if reason:
        raise ModelError(f"Model {endpoint.reference!r} ({service.name}): {reason}.", hint=service.means.note)


def media_type(image: bytes) -> str | None:
    """Media type of an encoded image by its first bytes; None if it is neither PNG nor JPEG."""
    return next((kind for start, kind in SIGNATURES.items() if image.startswith(start)), None)


def _server_endpoint(reference: str) -> Endpoint:
    url, _, name = reference.partition("#")
    if not name:
        raise ModelError("The address lacks the model's name: http://host/v1#NAME.", hint=_FORMS)
    _check_address(url, name)
    return Endpoint(reference, SERVICES["server"], name, url.rstrip("/"))


def _check_address(address: str, name: str) -> None:
    """Refuse an invalid URL, and secrets in one: messages and reports show it."""
    try:
        parts = urlsplit(address)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    # An invalid port, or an unclosed bracket.
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ModelError(
            f"The address of model {name!r} is not a valid URL: expected http(s)://host or http(s)://host:port."
        )
    if parts.username or parts.password or parts.query:
        raise ModelError(
            f"The address of model {name!r} contains a user name, a password or a query.",
            hint="Set the key in ASSAY_API_KEY or in the service's own variable: reports show the address.",
        )


def _out_of_range(service: Service, decoding: Decoding) -> str | None:
    if decoding.temperature > service.max_temperature:
        return f"its maximum temperature is {service.max_temperature:g}, the request has {decoding.temperature:g}"
    if service.max_stops is not None and len(decoding.stop) > service.max_stops:
        return f"it takes at most {service.max_stops} stop strings, the request has {len(decoding.stop)}"
    return None


def _malformed_prompt(prompt: str | tuple[Message, ...]) -> str | None:
    if isinstance(prompt, str):
        return None
    if not any(message.role == "user" for message in prompt):
        return "a conversation needs a user message"
    for message in prompt:
        if message.images and message.role != "user":
            return f"only user messages may contain images, not those of the {message.role}"
        if any(media_type(image) is None for image in message.images):
            return "an image is neither PNG nor JPEG"
    return None


_FORMS = "Known: openai:NAME, anthropic:NAME, gemini:NAME, http://host/v1#NAME."
