"""What asking costs, by the tables of genai-prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from assay.core.completions import TextRequest
from assay.models.remote.services import Place
from assay.models.remote.wire import Usage, conversation

MESSAGE_TOKENS = 16
"""No chat template puts more around a message, as far as we know."""
_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}


@dataclass(frozen=True)
class Price:
    """A price of one's own, for servers that no table knows; (0, 0) where asking is free."""

    prompt: float
    """Dollars for a million tokens."""
    answer: float


@lru_cache(maxsize=4096)
def dollars(place: Place, price: Price | None, usage: Usage) -> float | None:
    """What `usage` costs; None where no table knows the model.

    `price`, where given, is taken instead of the tables; it makes no difference between new and cached tokens.
    """
    if price is not None:
        return (usage.prompt * price.prompt + usage.answer * price.answer) / 1e6
    from genai_prices import Usage as Used
    from genai_prices import calc_price

    used = Used(
        input_tokens=usage.prompt,
        output_tokens=usage.answer,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
    )
    try:
        if place.service.name in _IDS:
            paid = calc_price(used, place.model, provider_id=_IDS[place.service.name])
        else:
            paid = calc_price(used, place.model, provider_api_url=place.address)
    # It raises LookupError for a stranger, and ValueError where counts contradict each other.
    except (LookupError, ValueError):
        return None
    return float(paid.total_price)


def at_most(place: Place, request: TextRequest) -> Usage:
    """Tokens of one asking that cannot be passed: every byte a token, every image the largest."""
    messages = conversation(request)
    prompt = sum(text_bytes(message.text) + MESSAGE_TOKENS for message in messages) + MESSAGE_TOKENS
    images = sum(len(message.images) for message in messages)
    return Usage(prompt + place.service.image_tokens * images, request.decoding.max_tokens)


def text_bytes(text: str) -> int:
    """In UTF-8; what is no text of it counts too."""
    return len(text.encode(errors="surrogatepass"))
