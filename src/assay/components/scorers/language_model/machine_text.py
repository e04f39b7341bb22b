"""Does a text look as if a machine had written it?"""

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
from assay.text.decoding.machine_text import binoculars, curvature, opening, undecidable
from assay.text.instructions.languages import check_code

WORDS = 50
"""Below which texts are not decided; benchmarks/machine_text.py says what is lost with length."""
TOKENS = 512
"""Of a text's beginning that are read; what Binoculars' code reads."""


@dataclass(frozen=True)
class FastDetectGpt:
    """Conditional probability curvature; the higher, the more a text looks like a machine's.

    By one model that is shown the text, or by two: `model` says how probable the text is, `writer` what was to be
    expected. Any open model, and the two must have the same tokens. Text of fewer than `words` words or in another
    language than `languages` is not decidable and unscored, and text that somebody edited is decided wrongly. Where to
    draw the line hangs on the models and on the kind of text: `assay probe ai-text --human` draws it where a stated
    share of texts that people wrote lies above. Evidence: `log_prob` and `expected` in nats a token, and `tokens` read.

    Source: Bao et al. 2024, "Fast-DetectGPT", analytic form; its code calls `writer` the sampling or reference model.
    We differ: at most `tokens` tokens are read.
    """

    model: str
    writer: str = ""
    """The same as `model` where empty."""
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
    """The log-perplexity of a text over its cross log-perplexity; the lower, the more it looks like a machine's.

    `model` is the performer, whom the text surprises more or less, and `observer` says what was to be expected; any two
    open models with the same tokens, best a base model as the observer and its instruct version as the performer. With
    one model as both it is perplexity over entropy, which is weaker than what was published. What is not decidable, and
    the evidence, are as of FastDetectGpt.

    Source: Hans et al. 2024, "Spotting LLMs with Binoculars". With tiiuae/falcon-7b as the observer and
    tiiuae/falcon-7b-instruct in bfloat16 its code draws the line at 0.9015 (best F1) or 0.8536 (0.01 % of people's
    texts below); for other models these numbers mean nothing.
    """

    model: str
    observer: str = ""
    """The same as `model` where empty."""
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
    model = _opened(lab, models[0])
    writer = _opened(lab, models[1]) if models[1] not in ("", models[0]) else None
    words, tokens, languages = limits
    most = min(tokens, *(one.longest or tokens for one in (model, writer or model)))
    why = [undecidable(text, words, languages) for text in texts]
    rows = {
        nth: model.tokens_of(opening(text, most))[:most]
        for nth, (text, reason) in enumerate(zip(texts, why, strict=True))
        if not reason
    }
    told = dict(zip(rows, model.token_moments(list(rows.values()), writer), strict=True))
    return [
        _one(told[nth], statistic) if nth in told else Unscored("not_applicable", reason)
        for nth, reason in enumerate(why)
    ]


def _one(of: TokenMoments, statistic: Callable[[TokenMoments], float | None]) -> Outcome:
    value = statistic(of)
    if value is None:
        return Unscored("not_applicable", "The text has fewer than two tokens, or the model expected nothing else.")
    count = len(of.log_probs)
    evidence = {
        "log_prob": sum(of.log_probs) / count,
        "expected": sum(of.means[:count]) / count,
        "tokens": float(len(of.means)),
    }
    return Score(value, evidence=evidence)


def _opened(lab: Lab, reference: str) -> MomentsModel:
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
        check_code(f"{kind}.languages", code)
