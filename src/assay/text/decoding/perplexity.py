"""Perplexity of texts from the log-probabilities of their tokens: by token, by word and by byte.

Only what a model gives for the tokens is used; models with other tokenizers are compared by byte or by word. A text's
first token has nothing before it and is not scored, so it counts for no token, while its word and its bytes count: of
short texts perplexity by word and by byte is too low, and more so for a model with long tokens. Compare on long ones.

Source: lm-evaluation-harness (lm_eval/api/task.py, PerplexityTask): words are what stands between runs of white space
(`re.split`, so space at an end is one word more), bytes are UTF-8's, and a corpus is summed before it is divided. We
differ in the first token, which the harness scores after the model's end-of-text token. Windows are those of Hugging
Face's "Perplexity of fixed-length models"; the sum there counts one token too few in each window but the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class CorpusPerplexity:
    """What a model gave to one text or to many."""

    log_prob: float
    """Of all scored tokens together, in nats."""
    tokens: int
    """How many were scored."""
    words: int
    bytes: int
    texts: int = 1

    @property
    def per_token(self) -> float:
        """The exponential of the mean negative log-probability; infinite where that is beyond a float.

        Raises:
            ValueError: No token was scored.
        """
        return self._by(self.tokens)

    @property
    def per_word(self) -> float:
        """As `per_token`, the sum divided by the words."""
        return self._by(self.words)

    @property
    def per_byte(self) -> float:
        """As `per_token`, the sum divided by the bytes."""
        return self._by(self.bytes)

    @property
    def bits_per_byte(self) -> float:
        """The logarithm of `per_byte` to base 2."""
        return math.log2(self.per_byte)

    def _by(self, count: int) -> float:
        if not self.tokens:
            raise ValueError("No token was scored: a perplexity needs two tokens or more.")
        # A probability of 1 may come with a logarithm above 0 in its last bit.
        mean = max(0.0, -self.log_prob / count)
        return math.exp(mean) if mean < math.log(2) * 1024 else math.inf


@dataclass(frozen=True)
class Window:
    """Tokens `begin` to `end` of a text, of which the `last` ones are scored; those before are what they follow."""

    begin: int
    end: int
    last: int


def of_text(text: str, log_probs: Sequence[float | None]) -> CorpusPerplexity:
    """The perplexity of a text, given its tokens' natural logarithms; None for a token that was not scored."""
    scored = [value for value in log_probs if value is not None]
    return CorpusPerplexity(math.fsum(scored), len(scored), len(_SPACE.split(text)), len(text.encode("utf-8")))


def of_corpus(parts: Iterable[CorpusPerplexity]) -> CorpusPerplexity:
    """All texts as one: sums are divided, never perplexities averaged; 0 texts have no perplexity.

    A text without a scored token is left out: its words and bytes would stand there as if they were no surprise.
    """
    kept = [part for part in parts if part.tokens]
    return CorpusPerplexity(
        math.fsum(part.log_prob for part in kept),
        *(sum(getattr(part, name) for part in kept) for name in ("tokens", "words", "bytes", "texts")),
    )


def windows(tokens: int, size: int, stride: int) -> list[Window]:
    """How a text of so many tokens is read by a model that takes `size`: each but the first scored once.

    A window begins `stride` tokens after the one before, and scores what that one did not: so each token but those of
    the first window follows at least `size - stride` others. One window where all fit in it; none for fewer than two.

    Raises:
        ValueError: `stride` is not between 1 and `size - 1`, so that a token would stand first in its window.
    """
    if not 1 <= stride < size:
        raise ValueError(f"A stride must be 1 to {size - 1} for windows of {size} tokens, was {stride}.")
    found: list[Window] = []
    done = 1
    for begin in range(0, tokens, stride):
        if done >= tokens:
            break
        end = min(begin + size, tokens)
        found.append(Window(begin, end, end - done))
        done = end
    return found
