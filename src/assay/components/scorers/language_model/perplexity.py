"""Perplexity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.scorers.reference.comparison import check_one_of
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.models.text.log_probs import WindowedLogProbs, windowed_log_probs
from assay.text.decoding.perplexity import text_perplexity

Per: TypeAlias = Literal["token", "word", "byte"]


@dataclass(frozen=True)
class Perplexity:
    """Exponential of the mean negative log-probability of the tokens of a text.

    Perplexity per token depends on the tokenizer: compare models per byte or per word, as lm-evaluation-harness does. A
    text longer than the window is read by a sliding window (`assay.models.text.log_probs`). Evidence: perplexity per
    `token`, `word` and `byte`, the number of scored `tokens` and of `windows`, and with several windows their size
    `window` and `stride` in tokens. A text of fewer than two tokens is unscored.
    """

    model: str
    per: Per = "token"
    window: int | None = None
    """Tokens; the context length of the model if None."""
    stride: int | None = None
    """Tokens between the starts of two windows; half a window if None."""
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="perplexity", low=1.0, better="lower")

    def __post_init__(self) -> None:
        check_one_of("Perplexity.per", self.per, get_args(Per))
        for name, least in (("window", 2), ("stride", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"Perplexity.{name} must be {least} or more, was {value}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        model = lab.models.text_model(self.model)
        texts = [sample.text(self.text) for sample in samples]
        results = windowed_log_probs(model, texts, window=self.window, stride=self.stride)
        return [self._outcome(text, log_probs) for text, log_probs in zip(texts, results, strict=True)]

    def _outcome(self, text: str, log_probs: WindowedLogProbs) -> Outcome:
        perplexity = text_perplexity(text, log_probs.values)
        if not perplexity.tokens:
            return Unscored("not_applicable", "The text has fewer than two tokens.")
        values = {"token": perplexity.per_token, "word": perplexity.per_word, "byte": perplexity.per_byte}
        if not math.isfinite(values[self.per]):
            return Unscored("failed", f"The perplexity by {self.per} is larger than any number.")
        # A long text without a space is one word, whose perplexity may be beyond a float where the others are not.
        evidence = {name: value for name, value in values.items() if math.isfinite(value)}
        evidence |= {"tokens": float(perplexity.tokens), "windows": float(log_probs.windows)}
        if log_probs.windows > 1 and log_probs.window and log_probs.stride:
            evidence |= {"window": float(log_probs.window), "stride": float(log_probs.stride)}
        return Score(values[self.per], evidence=evidence)
