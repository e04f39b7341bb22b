"""Services that answer over HTTP: where they are, what each can do, and whose key opens it.

| reference | service | key |
|---|---|---|
| `openai:NAME` | OpenAI's Chat Completions | OPENAI_API_KEY |
| `anthropic:NAME` | Anthropic's Messages | ANTHROPIC_API_KEY |
| `gemini:NAME` | Gemini's generateContent | GEMINI_API_KEY or GOOGLE_API_KEY |
| `http://host/v1#NAME` | any server that speaks as OpenAI does | ASSAY_API_KEY, or none |
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
    """One way to be asked."""

    name: str
    means: Capabilities
    keys: tuple[str, ...]
    """Environment variables, the first that is set counts."""
    address_variable: str = ""
    """Environment variable that sends requests elsewhere, as the service's own library reads it."""
    key_needed: bool = True
    hottest: float = 2.0
    """The highest temperature it takes."""
    stops: int | None = None
    """How many stop strings it takes; None for any number."""
    image_tokens: int = 5_000
    """No image costs more prompt tokens than this, as far as its makers say."""


SERVICES = {
    service.name: service
    for service in (
        Service(
            "openai",
            Capabilities(
                controls=_SAMPLING,
                images=True,
                note=f"{_PLAIN} Models that think first refuse a temperature other than 1, and so greedy decoding.",
            ),
            ("OPENAI_API_KEY",),
            "OPENAI_BASE_URL",
            stops=4,
            # The small models count an image's tokens 33 times.
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
            hottest=1.0,
        ),
        Service(
            "gemini",
            Capabilities(
                controls=_SAMPLING | {"top_k"},
                images=True,
                note=f"{_PLAIN} Without a top_k it keeps its own, commonly 64.",
            ),
            ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "GOOGLE_GEMINI_BASE_URL",
            stops=5,
        ),
        Service(
            "server",
            Capabilities(
                controls=_SAMPLING | {"top_k", "min_p", "repetition_penalty"},
                images=True,
                note=f"{_PLAIN} vLLM, llama.cpp and transformers serve heed every control; Ollama ignores top_k, "
                "min_p and the penalty.",
            ),
            ("ASSAY_API_KEY",),
            key_needed=False,
        ),
    )
}


@dataclass(frozen=True)
class Place:
    """One model of one service."""

    reference: str
    service: Service
    model: str
    address: str | None
    """Base of its URLs; None for the service's own."""


def is_remote(reference: str) -> bool:
    """Whether `reference` has the form of a model that is asked over HTTP."""
    scheme = reference.partition(":")[0]
    return scheme in ("http", "https") or (scheme in SERVICES and scheme != "server")


def find_place(reference: str, address: str | None = None) -> Place:
    """Reads a reference; asks nobody.

    Args:
        reference: As in the table above.
        address: Where the service is to be found instead of its own address, or of what its library's environment
            variable (such as OPENAI_BASE_URL) says. Only for services with a name.

    Raises:
        ModelError: It names no service or no model, or a URL carries a password.
    """
    if not is_remote(reference):
        raise ModelError(f"{reference!r} names no model that is asked over HTTP.", hint=_FORMS)
    scheme, _, name = reference.partition(":")
    if scheme in SERVICES:
        service = SERVICES[scheme]
        if not name:
            raise ModelError(f"{reference!r} names no model.", hint=_FORMS)
        elsewhere = address or os.environ.get(service.address_variable) or None
        if elsewhere is not None:
            _check_address(elsewhere, name)
        return Place(reference, service, name, elsewhere)
    return _served(reference)


def find_key(place: Place) -> str | None:
    """The key from the environment; None where none is set and none is needed.

    Raises:
        ModelError: It is needed and not set, or holds what no key holds.
    """
    names = place.service.keys
    key = next((value for name in names if (value := os.environ.get(name, "").strip())), None)
    if key is None and place.service.key_needed:
        raise ModelError(
            f"Model {place.reference!r} needs a key: {' or '.join(names)} is not set.", hint=f"export {names[0]}=..."
        )
    # It goes into a header, and libraries quote a header that they refuse.
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(f"The key in {' or '.join(names)} holds blanks or characters that are not ASCII.")
    return key


def check(place: Place, request: TextRequest) -> None:
    """Refuses what the service cannot do.

    Raises:
        ModelError: It cannot decode so, or a message is not one that it takes.
    """
    service, decoding = place.service, request.decoding
    reason = unsupported(service.means, decoding) or _out_of_range(service, decoding) or _misshapen(request.prompt)
    if reason:
        raise ModelError(f"Model {place.reference!r} ({service.name}): {reason}.", hint=service.means.note)


def media_type(image: bytes) -> str | None:
    """Of an encoded image, by its first bytes; None where it is neither PNG nor JPEG."""
    return next((kind for start, kind in SIGNATURES.items() if image.startswith(start)), None)


def _served(reference: str) -> Place:
    url, _, name = reference.partition("#")
    if not name:
        raise ModelError("An address needs a model: http://host/v1#NAME.", hint=_FORMS)
    _check_address(url, name)
    return Place(reference, SERVICES["server"], name, url.rstrip("/"))


def _check_address(address: str, name: str) -> None:
    """Refuses what is no address, and secrets in one: messages and reports show it."""
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    # A port that is none, or half a pair of brackets.
    except ValueError:
        whole = False
    if not whole:
        raise ModelError(f"The address of model {name!r} is none: it needs http://, a host and a port that can be.")
    if parts.username or parts.password or parts.query:
        raise ModelError(
            f"The address of model {name!r} carries a user, a password or a query.",
            hint="Put the key into ASSAY_API_KEY or the service's own variable: an address is shown in reports.",
        )


def _out_of_range(service: Service, decoding: Decoding) -> str | None:
    if decoding.temperature > service.hottest:
        return f"its temperature goes to {service.hottest:g}, {decoding.temperature:g} was asked for"
    if service.stops is not None and len(decoding.stop) > service.stops:
        return f"it takes at most {service.stops} stop strings, {len(decoding.stop)} were asked for"
    return None


def _misshapen(prompt: str | tuple[Message, ...]) -> str | None:
    if isinstance(prompt, str):
        return None
    if not any(message.role == "user" for message in prompt):
        return "a conversation needs a message of the user"
    for message in prompt:
        if message.images and message.role != "user":
            return f"images stand in messages of the user, not of the {message.role}"
        if any(media_type(image) is None for image in message.images):
            return "an image is neither PNG nor JPEG"
    return None


_FORMS = "Known: openai:NAME, anthropic:NAME, gemini:NAME, http://host/v1#NAME."
