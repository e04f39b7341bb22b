"""Perplexity of texts from token log-probabilities: per token, word and byte.

Compare models with different tokenizers per byte or per word. The first token of a text has no context and is not
scored, but its word and bytes are counted, so perplexity per word and byte of short texts is too low, more so with long
tokens. Compare on long texts.

Source: lm-evaluation-harness (lm_eval/api/task.py, PerplexityTask): words are split at white space (`re.split`, so
trailing space adds a word), bytes are UTF-8, and a corpus is summed before division. Unlike the harness, the first
token is not scored after the end-of-text token. Windows follow Hugging Face's "Perplexity of fixed-length models",
whose sum counts one token too few in each window but the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class CorpusPerplexity:
    """Summed log-probability of one or more texts, with counts."""

    log_prob: float
    """Sum over scored tokens, in nats."""
    tokens: int
    """Scored tokens."""
    words: int
    bytes: int
    texts: int = 1

    @property
    def per_token(self) -> float:
        """Exponential of the mean negative log-probability; infinite on overflow.

        Raises:
            ValueError: No token was scored.
        """
        return self._by(self.tokens)

    @property
    def per_word(self) -> float:
        """As `per_token`, normalized by words."""
        return self._by(self.words)

    @property
    def per_byte(self) -> float:
        """As `per_token`, normalized by bytes."""
        return self._by(self.bytes)

    @property
    def bits_per_byte(self) -> float:
        """Base-2 logarithm of `per_byte`."""
        return math.log2(self.per_byte)

    def _by(self, count: int) -> float:
        if not self.tokens:
            raise ValueError("No token was scored; perplexity needs at least two tokens.")
        # Rounding may put the log-probability of a certain token just above 0.
        mean = max(0.0, -self.log_prob / count)
        return math.exp(mean) if mean < math.log(2) * 1024 else math.inf


@dataclass(frozen=True)
class TokenWindow:
    """Tokens `begin` to `end` of a text, of which the `last` ones are scored and the others are context."""

    begin: int
    end: int
    last: int


def text_perplexity(text: str, log_probs: Sequence[float | None]) -> CorpusPerplexity:
    """Perplexity of a text from its token log-probabilities; None for a token that was not scored."""
    scored = [value for value in log_probs if value is not None]
    return CorpusPerplexity(math.fsum(scored), len(scored), len(_SPACE.split(text)), len(text.encode("utf-8")))


def corpus_perplexity(parts: Iterable[CorpusPerplexity]) -> CorpusPerplexity:
    """Perplexity of a corpus: log-probabilities and counts are summed, perplexities are not averaged.

    Texts without a scored token are excluded, as their words and bytes would count with log-probability 0.
    """
    scored_parts = [part for part in parts if part.tokens]
    return CorpusPerplexity(
        math.fsum(part.log_prob for part in scored_parts),
        *(sum(getattr(part, name) for part in scored_parts) for name in ("tokens", "words", "bytes", "texts")),
    )


def token_windows(tokens: int, size: int, stride: int) -> list[TokenWindow]:
    """Windows of at most `size` tokens that score each token but the first once.

    Windows start `stride` tokens apart and score the tokens that the previous window did not, so each token after the
    first window has at least `size - stride` tokens of context. Fewer than two tokens give no window.

    Raises:
        ValueError: `stride` is not between 1 and `size - 1`, so a scored token would have no context.
    """
    if not 1 <= stride < size:
        raise ValueError(f"stride must be between 1 and {size - 1} for windows of {size} tokens, was {stride}.")
    result: list[TokenWindow] = []
    scored_end = 1
    for begin in range(0, tokens, stride):
        if scored_end >= tokens:
            break
        end = min(begin + size, tokens)
        result.append(TokenWindow(begin, end, end - scored_end))
        scored_end = end
    return result
