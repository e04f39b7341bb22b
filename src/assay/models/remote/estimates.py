"""What asking would cost, said before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.completions import TextRequest
from assay.models.remote.answer_cache import AnswerCache
from assay.models.remote.prices import Price, dollars, text_bytes
from assay.models.remote.services import Place, check
from assay.models.remote.wire import Usage, conversation, digest

BYTES_PER_TOKEN = 4
"""Of English in UTF-8, roughly; other scripts have fewer."""
PICTURE_TOKENS = 1000
ROUGH = (
    f"Rough: a token is taken for {BYTES_PER_TOKEN} bytes of text, an image for {PICTURE_TOKENS:,} tokens, and every "
    "answer for as long as max_tokens allows."
)


@dataclass(frozen=True)
class Estimate:
    """What a run would ask."""

    askings: int
    """Answers that have to be asked for."""
    kept: int
    """Answers that are in the cache and cost nothing."""
    prompt_tokens: int
    answer_tokens: int
    """At most."""
    dollars: float | None
    """None where the price is not known."""
    note: str = ROUGH

    def __add__(self, other: Estimate) -> Estimate:
        """Both together; the note is the first one's."""
        unknown = self.dollars is None or other.dollars is None
        return Estimate(
            self.askings + other.askings,
            self.kept + other.kept,
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
            None if unknown else (self.dollars or 0.0) + (other.dollars or 0.0),
            self.note,
        )


def estimate(place: Place, price: Price | None, answers: Path | None, requests: Sequence[TextRequest]) -> Estimate:
    """Adds up what has to be asked for; asks nobody and needs no key. What `answers` holds costs nothing.

    Raises:
        ModelError: The service cannot do what one of the requests asks.
        StoreError: The folder of answers cannot be used.
    """
    for request in requests:
        check(place, request)
    left = [request for request, _ in askings(requests)]
    kept = 0
    if answers is not None and answers.is_dir():
        wanted = {digest(place, request, nth): request for request, nth in askings(requests)}
        cache = AnswerCache(answers)
        try:
            left = [request for key, request in wanted.items() if cache.get(key) is None]
        finally:
            cache.close()
        kept = len(wanted) - len(left)
    used = [roughly(request) for request in left]
    costs = [dollars(place, price, usage) for usage in used]
    total = None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None)
    return Estimate(len(used), kept, sum(u.prompt for u in used), sum(u.answer for u in used), total)


def roughly(request: TextRequest) -> Usage:
    """Tokens of one asking by the rule of `ROUGH`."""
    messages = conversation(request)
    prompt = sum(-(-text_bytes(message.text) // BYTES_PER_TOKEN) + 4 for message in messages)
    images = sum(len(message.images) for message in messages)
    return Usage(prompt + PICTURE_TOKENS * images, request.decoding.max_tokens)


def filler(tokens: int, nth: int = 0) -> str:
    """Text of so many tokens by the rule of `ROUGH`, for one that is not written yet; `nth` tells texts apart."""
    size = BYTES_PER_TOKEN * tokens
    return f"{nth:x}".ljust(size, "x")[:size]


def askings(requests: Sequence[TextRequest]) -> Iterator[tuple[TextRequest, int]]:
    """Each answer of each request, which is asked for by itself."""
    return ((request, number) for request in requests for number in range(request.decoding.answers))
