"""Requests to language models and their completions, as plain values that can be hashed and stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from assay.core.decoding import Decoding
from assay.core.errors import ModelError

Role: TypeAlias = Literal["system", "user", "assistant"]
End: TypeAlias = Literal["stop", "length", "refusal", "filter", "empty"]
"""Finish reason: end token or stop string; token limit; the provider reported a refusal; the provider's content filter;
an empty answer. Only "stop" is a complete answer."""
FailureKind: TypeAlias = Literal[
    "refused", "gone", "timeout", "rate", "budget", "key", "model", "context", "broken", "cannot"
]
"""Kind of failure: request refused (4xx); server error (5xx, connection lost) after all retries; timeout; rate limit;
budget spent; API key missing or invalid; unknown model; prompt longer than the context; malformed response (truncated,
HTML); decoding not supported by the backend."""
FATAL: tuple[FailureKind, ...] = ("budget", "key", "model")
"""Failures that apply to all further requests too."""


@dataclass(frozen=True)
class Message:
    """Turn of a conversation."""

    role: Role
    text: str
    images: tuple[bytes, ...] = ()
    """Encoded PNG or JPEG images, placed before the text; for models that accept images."""


@dataclass(frozen=True)
class TextRequest:
    """Request to a language model."""

    prompt: str | tuple[Message, ...]
    """Text to continue, or a conversation that the model's chat template renders."""
    decoding: Decoding = field(default_factory=Decoding)
    log_prob: bool = False
    """Whether to compute log probabilities if the backend can; slower, with the same text."""


@dataclass(frozen=True)
class Answer:
    """Answer to a request."""

    text: str
    end: End
    tokens: int | None = None
    """Number of generated tokens; None if the server does not report it."""
    log_prob: float | None = None
    """Sum over all generated tokens in nats, before temperature and truncation of the distribution; None if not
    requested."""


@dataclass(frozen=True)
class Completion:
    """Answers to one request, best or first one first."""

    answers: tuple[Answer, ...]
    prompt_tokens: int | None = None
    dollars: float | None = 0.0
    """Cost; None if the price is unknown, 0 if free."""
    cached: bool = False
    """Whether it is from the cache; `dollars` is then the cost of the original request."""


@dataclass(frozen=True)
class NotCompleted:
    """Failure of a request."""

    lack: FailureKind
    reason: str
    """Sentence, without API keys."""
    tries: int = 1
    dollars: float | None = 0.0


@dataclass(frozen=True)
class LogProbs:
    """Log probabilities of the tokens of a text."""

    tokens: tuple[str, ...]
    """Tokens of the text."""
    values: tuple[float | None, ...]
    """In nats, one per token; None for the first token without context."""


@dataclass(frozen=True)
class TokenMoments:
    """Log probabilities of a text's tokens, with their mean and variance under the model's distribution."""

    log_probs: tuple[float, ...]
    """In nats, from the second token on; for an answer to a prompt, of all its tokens."""
    means: tuple[float, ...]
    """Mean log probability at each position over the vocabulary, weighted by the writer's distribution; one more than
    `log_probs`, for the position after the last token."""
    variances: tuple[float, ...]
    """Variance at each position, as `means`; 0 or more."""


@dataclass(frozen=True)
class Continuations:
    """Prompt with alternative continuations."""

    prompt: str | tuple[Message, ...]
    texts: tuple[str, ...]
    """Continuations, including a leading space where needed."""


@dataclass(frozen=True)
class Likelihood:
    """Log probability of a text after a prompt."""

    log_prob: float
    """Sum over its tokens, in nats."""
    tokens: int
    greedy: bool | None = field(default=None, compare=False)
    """Whether every token is the most probable one, so that greedy decoding gives the text; None if unknown."""


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of a backend and model."""

    strategies: frozenset[str] = frozenset({"greedy", "sample"})
    """Subset of greedy, beam and sample."""
    controls: frozenset[str] = frozenset({"temperature", "top_p", "stop"})
    """Supported fields of `Decoding` in addition to strategy, max_tokens and answers."""
    reproducible: bool = False
    """Whether the same seed gives the same text, independent of concurrent requests."""
    log_probs: bool = False
    """Whether it can compute log probabilities of a text."""
    images: bool = False
    """Whether a message may contain images; True if only the server knows."""
    context: int | None = None
    """Maximum tokens of prompt and answer together; None if unknown."""
    note: str = ""
    """Note to the user, such as that the fast setting is not reproducible."""


def fatal_error(reference: str, lack: str, reason: str) -> ModelError:
    """Error for a failure in `FATAL`, which ends the run."""
    more = " with a larger budget" if lack == "budget" else ""
    hint = f"All answers are kept. Run it again{more} to resume."
    return ModelError(f"Model {reference!r}: {reason}", hint=hint, model=reference, lack=lack, reason=reason)


def unsupported(means: Capabilities, decoding: Decoding) -> str | None:
    """Reason why a backend does not support the decoding; None if it does."""
    if decoding.strategy not in means.strategies:
        return f"{decoding.strategy} decoding is not supported, only {', '.join(sorted(means.strategies))}"
    unknown = sorted(decoding.controls - means.controls)
    return f"{', '.join(unknown)} not supported" if unknown else None
