"""Statistics that detect machine-generated text from token log-probabilities; no model is called here.

They detect text that is more probable than human text: long and unedited. Short, edited or translated texts, and
languages that the model does not know well, are undecidable. Simple human writing has a higher false positive rate
(Liang et al. 2023, "GPT detectors are biased against non-native English writers"). No statistic here proves anything
about a person.
"""

from __future__ import annotations

import math

from assay.core.completions import TokenMoments
from assay.text.instructions.languages import COMMON_LANGUAGES, count_letters, identify_language

CHARACTERS_PER_TOKEN = 64
"""Characters that are tokenized per requested token; bounds the time of large files."""
_LANGUAGE_CHARACTERS = 5000
"""Characters that are used for language identification."""


def curvature(of: TokenMoments) -> float | None:
    """Conditional probability curvature; higher for machine-generated text.

    Standardized difference of the text's log-probability from its expectation. None for fewer than two tokens or zero
    variance.

    Source: Bao et al. 2024, "Fast-DetectGPT", equation 5 in its analytic form; baoguangsheng/fast-detect-gpt,
    scripts/fast_detect_gpt.py (`get_sampling_discrepancy_analytic`).
    """
    n = len(of.log_probs)
    variance = math.fsum(of.variances[:n])
    if variance <= 0:
        return None
    return (math.fsum(of.log_probs) - math.fsum(of.means[:n])) / math.sqrt(variance)


def binoculars(of: TokenMoments) -> float | None:
    """Binoculars score: log-perplexity over cross log-perplexity; lower for machine-generated text.

    The performer scores the text, the observer gives the expectation. None for fewer than two tokens, or if the
    observer is certain of every token.

    Source: Hans et al. 2024, "Spotting LLMs with Binoculars", equation 4; ahans30/Binoculars, binoculars/metrics.py
    (`perplexity`, `entropy`). As there, the denominator has one more position than the numerator, after the text;
    unlike there, occurrences of the padding token count.
    """
    if not of.log_probs:
        return None
    expected = -math.fsum(of.means) / len(of.means)
    return -math.fsum(of.log_probs) / len(of.log_probs) / expected if expected > 0 else None


def first_characters(text: str, tokens: int) -> str:
    """Prefix of a text that is long enough for its first `tokens` tokens."""
    return text[: tokens * CHARACTERS_PER_TOKEN]


def undecidable_reason(text: str, words: int, languages: tuple[str, ...]) -> str:
    """Reason why a text is undecidable, as a sentence; "" if it is decidable.

    The text has fewer than `words` words, or its identified language is not in `languages` (ISO 639-1).
    """
    count = len(text[: words * CHARACTERS_PER_TOKEN * 4].split(maxsplit=words))
    if count < words:
        return f"The text has {count} words: below {words} there is too little to tell."
    beginning = text[:_LANGUAGE_CHARACTERS]
    if not count_letters(beginning):
        return "The text has no letters."
    language = identify_language(beginning, tuple(dict.fromkeys((*COMMON_LANGUAGES, *languages)))).language
    if language not in languages:
        return f"The text reads as {language!r}: nothing is known of texts that are not {' or '.join(languages)}."
    return ""
