"""What is asked of a language model, and what comes back.

As plain values: a request can be digested, stored and asked again, and an answer knows how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from assay.core.decoding import Decoding
from assay.core.errors import ModelError

Role: TypeAlias = Literal["system", "user", "assistant"]
End: TypeAlias = Literal["stop", "length", "refusal", "filter", "empty"]
"""How an answer ended: by itself or at a stop string; cut at the token limit; the model declined, by its provider's
own sign; the provider withheld it; or nothing came at all. Only "stop" is a whole answer."""
Lack: TypeAlias = Literal["refused", "gone", "timeout", "rate", "budget", "key", "model", "context", "broken", "cannot"]
"""Why there is no answer: the server said no (4xx); it failed (5xx, a lost connection) until tries ran out; a deadline
passed; the rate limit held too long; the budget is spent; the key is missing or wrong; no such model; the prompt is
longer than the context; what came was no answer (half a body, HTML); the backend cannot decode so."""
HOPELESS: tuple[Lack, ...] = ("budget", "key", "model")
"""What stands in the way of every further answer too."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str
    images: tuple[bytes, ...] = ()
    """Encoded PNG or JPEG, before the text; for models that take images."""


@dataclass(frozen=True)
class TextRequest:
    """One question."""

    prompt: str | tuple[Message, ...]
    """Words to go on from as they are, or a conversation that the model's own chat template renders."""
    decoding: Decoding = field(default_factory=Decoding)
    log_prob: bool = False
    """Whether the answers shall say how probable they are, where a backend can: it takes time. It changes no text."""


@dataclass(frozen=True)
class Answer:
    """One of the answers to a request."""

    text: str
    end: End
    tokens: int | None = None
    """How many were generated; None where the server does not say."""
    log_prob: float | None = None
    """Of all generated tokens together, in nats, by the model itself, before temperature and cuts; None where nobody
    asked for it."""


@dataclass(frozen=True)
class Completion:
    """The answers to one request, the best or first one first."""

    answers: tuple[Answer, ...]
    prompt_tokens: int | None = None
    dollars: float | None = 0.0
    """None where the price is not known; 0 where nothing was paid."""
    cached: bool = False
    """Whether it was asked before and is only repeated: `dollars` is what it cost then, and nothing was paid now."""


@dataclass(frozen=True)
class NotCompleted:
    """Why a request has no answer."""

    lack: Lack
    reason: str
    """A sentence, without any key."""
    tries: int = 1
    dollars: float | None = 0.0


@dataclass(frozen=True)
class LogProbs:
    """How probable a text is to a model, token by token."""

    tokens: tuple[str, ...]
    """As the tokenizer cuts the text."""
    values: tuple[float | None, ...]
    """Natural logarithms, one a token; None for the first where nothing stands before it."""


@dataclass(frozen=True)
class TokenMoments:
    """How probable a text's tokens are, beside what was to be expected at each place had the model written it."""

    log_probs: tuple[float, ...]
    """Natural logarithms, of the second token and of each after it; of an answer to a prompt, of all of its tokens."""
    means: tuple[float, ...]
    """What such a logarithm is on average over all tokens that could stand there, each weighted by its probability to
    who writes; one more than `log_probs`, as the place behind the last token has an average too."""
    variances: tuple[float, ...]
    """Likewise; 0 or more."""


@dataclass(frozen=True)
class Continuations:
    """A prompt, and the texts of which each may follow it."""

    prompt: str | tuple[Message, ...]
    texts: tuple[str, ...]
    """As they follow, a space before them included where one belongs there."""


@dataclass(frozen=True)
class Likelihood:
    """How probable a text is after a prompt."""

    log_prob: float
    """Of all its tokens together, in nats."""
    tokens: int
    greedy: bool | None = field(default=None, compare=False)
    """Whether each of its tokens is the most probable one there, so that greedy decoding would say it; None where a
    backend does not tell."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, and what one of its models is."""

    strategies: frozenset[str] = frozenset({"greedy", "sample"})
    """Of greedy, beam and sample."""
    controls: frozenset[str] = frozenset({"temperature", "top_p", "stop"})
    """Fields of `Decoding` that it heeds, beside strategy, max_tokens and answers."""
    reproducible: bool = False
    """Whether the same seed gives the same text, whatever else is asked at the same time."""
    log_probs: bool = False
    """Whether it can say how probable a text is."""
    images: bool = False
    """Whether a message may carry images; True where only the server knows."""
    context: int | None = None
    """Tokens of prompt and answer together; None where unknown."""
    note: str = ""
    """What a user should know, such as that its fast setting is not reproducible."""


def fatal_error(reference: str, lack: str, reason: str) -> ModelError:
    """What ends a piece of work in which an answer lacks for a reason that is one of `HOPELESS`."""
    more = " with a larger budget" if lack == "budget" else ""
    hint = f"What was answered is kept: run it again{more} to go on."
    return ModelError(f"Model {reference!r}: {reason}", hint=hint, model=reference, lack=lack, reason=reason)


def unsupported(means: Capabilities, decoding: Decoding) -> str | None:
    """Why a backend cannot decode so, in words; None where it can."""
    if decoding.strategy not in means.strategies:
        return f"it cannot decode by {decoding.strategy}, only by {', '.join(sorted(means.strategies))}"
    unheeded = sorted(decoding.controls - means.controls)
    return f"it takes no {', '.join(unheeded)}" if unheeded else None
