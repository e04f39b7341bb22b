"""Detection of machine-generated text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.core.completions import TokenMoments
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.model_kinds import MomentsModel
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.decoding.machine_text import binoculars, curvature, first_characters, undecidable_reason
from assay.text.instructions.languages import check_language_code

WORDS = 50
"""Below which texts are not decided; benchmarks/machine_text.py says what is lost with length."""
TOKENS = 512
"""Of a text's beginning that are read; what Binoculars' code reads."""


@dataclass(frozen=True)
class FastDetectGpt:
    """Conditional probability curvature; higher values indicate machine-generated text.

    `model` gives the probability of the text and `writer` the expected one; they may be the same. Both must be open
    models with the same tokens. A text of fewer than `words` words, or in a language other than `languages`, is
    unscored; edited text is not detected reliably. The threshold depends on the models and on the kind of text:
    `assay probe machine-text --human` calibrates it to a given false positive rate on human-written texts. Evidence:
    `log_prob` and `expected` in nats per token, and the number of `tokens`.

    Source: Bao et al. 2024, "Fast-DetectGPT", analytic form; its code calls `writer` the sampling or reference model.
    Difference: at most `tokens` tokens are read.
    """

    model: str
    writer: str = ""
    """`model` if empty."""
    text: str = "text"
    words: int = WORDS
    languages: tuple[str, ...] = ("en",)
    tokens: int = TOKENS

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="conditional probability curvature", better="lower")

    def __post_init__(self) -> None:
        _check("FastDetectGpt", self.words, self.tokens, self.languages)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Outcomes.

        Raises:
            ModelError: A model does not show what it expects, or the two do not have the same tokens.
        """
        texts = [sample.text(self.text) for sample in samples]
        return _outcomes(texts, lab, (self.model, self.writer), (self.words, self.tokens, self.languages), curvature)


@dataclass(frozen=True)
class Binoculars:
    """Ratio of log-perplexity to cross log-perplexity of a text; lower values indicate machine-generated text.

    `model` is the performer and `observer` gives the expected log-perplexity. Use two open models with the same tokens,
    ideally a base model as the observer and its instruct version as the performer. With a single model the score is
    perplexity over entropy, which is weaker than the published method. Unscored texts and evidence are as for
    FastDetectGpt.

    Source: Hans et al. 2024, "Spotting LLMs with Binoculars". For tiiuae/falcon-7b as the observer and
    tiiuae/falcon-7b-instruct in bfloat16, the thresholds of its code are 0.9015 (best F1) and 0.8536 (false positive
    rate 0.01%); they do not apply to other models.
    """

    model: str
    observer: str = ""
    """`model` if empty."""
    text: str = "text"
    words: int = WORDS
    languages: tuple[str, ...] = ("en",)
    tokens: int = TOKENS

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="perplexity beside cross-perplexity", low=0.0)

    def __post_init__(self) -> None:
        _check("Binoculars", self.words, self.tokens, self.languages)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Outcomes.

        Raises:
            ModelError: As of FastDetectGpt.
        """
        texts = [sample.text(self.text) for sample in samples]
        return _outcomes(texts, lab, (self.model, self.observer), (self.words, self.tokens, self.languages), binoculars)


def _outcomes(
    texts: Sequence[str],
    lab: Lab,
    models: tuple[str, str],
    limits: tuple[int, int, tuple[str, ...]],
    statistic: Callable[[TokenMoments], float | None],
) -> list[Outcome]:
    model = _open_model(lab, models[0])
    writer = _open_model(lab, models[1]) if models[1] not in ("", models[0]) else None
    words, tokens, languages = limits
    most = min(tokens, *(moments_model.longest or tokens for moments_model in (model, writer or model)))
    why = [undecidable_reason(text, words, languages) for text in texts]
    rows = {
        nth: model.tokens_of(first_characters(text, most))[:most]
        for nth, (text, reason) in enumerate(zip(texts, why, strict=True))
        if not reason
    }
    moments = dict(zip(rows, model.token_moments(list(rows.values()), writer), strict=True))
    return [
        _outcome(moments[nth], statistic) if nth in moments else Unscored("not_applicable", reason)
        for nth, reason in enumerate(why)
    ]


def _outcome(moments: TokenMoments, statistic: Callable[[TokenMoments], float | None]) -> Outcome:
    value = statistic(moments)
    if value is None:
        return Unscored("not_applicable", "The text has fewer than two tokens, or the model expected nothing else.")
    count = len(moments.log_probs)
    evidence = {
        "log_prob": sum(moments.log_probs) / count,
        "expected": sum(moments.means[:count]) / count,
        "tokens": float(len(moments.means)),
    }
    return Score(value, evidence=evidence)


def _open_model(lab: Lab, reference: str) -> MomentsModel:
    model = lab.models.likelihood_model(reference)
    if not isinstance(model, MomentsModel):
        raise ModelError(
            f"Model {reference!r} does not show what it expects of a text.",
            hint="An open model does: embedded:smollm2.",
        )
    return model


def _check(kind: str, words: int, tokens: int, languages: tuple[str, ...]) -> None:
    for name, value, least in (("words", words, 1), ("tokens", tokens, 2)):
        if value < least:
            raise ValueError(f"{kind}.{name} must be {least} or more, was {value}.")
    if isinstance(languages, str) or not languages:
        raise ValueError(f"{kind}.languages must be one or more codes, was {languages!r}.")
    for code in languages:
        check_language_code(f"{kind}.languages", code)
