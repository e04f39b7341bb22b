"""Was a text written by a machine? Statistics of how probable its tokens are; no model is called here.

They tell text that is likelier than what people write: whole, long and as a model left it. A text of few words, one
that somebody edited or translated, or in a language the model hardly knows is not decidable, and people who write
plainly are taken for machines more often than others (Liang et al. 2023, "GPT detectors are biased against non-native
English writers"). No number here is proof of anything about a person.
"""

from __future__ import annotations

import math

from assay.core.completions import TokenMoments
from assay.text.instructions.languages import COMMON, letters_in, told

CHARACTERS = 64
"""Of a text that are read for each token that is wanted: a token of more is no word. So ten megabytes take no longer
than a page."""
_TELLING = 5000
"""Characters by which a language is told."""


def curvature(of: TokenMoments) -> float | None:
    """Conditional probability curvature: the higher, the more a text looks like a machine's; of no unit.

    How far the text's log-probability lies above what was to be expected, in standard deviations of that. None below
    two tokens, or where nothing could vary.

    Source: Bao et al. 2024, "Fast-DetectGPT", equation 5 in its analytic form; baoguangsheng/fast-detect-gpt,
    scripts/fast_detect_gpt.py (`get_sampling_discrepancy_analytic`).
    """
    places = len(of.log_probs)
    spread = math.fsum(of.variances[:places])
    if spread <= 0:
        return None
    return (math.fsum(of.log_probs) - math.fsum(of.means[:places])) / math.sqrt(spread)


def binoculars(of: TokenMoments) -> float | None:
    """The log-perplexity of a text over its cross log-perplexity: the lower, the more it looks like a machine's.

    With the performer as who scores and the observer as who writes. None below two tokens, or where the observer is
    certain of every token.

    Source: Hans et al. 2024, "Spotting LLMs with Binoculars", equation 4; ahans30/Binoculars, binoculars/metrics.py
    (`perplexity`, `entropy`). As there the denominator has one place more than the numerator, the one behind the text;
    we differ in that a token that the tokenizer also pads with counts.
    """
    if not of.log_probs:
        return None
    expected = -math.fsum(of.means) / len(of.means)
    return -math.fsum(of.log_probs) / len(of.log_probs) / expected if expected > 0 else None


def opening(text: str, tokens: int) -> str:
    """As much of a text as its first `tokens` tokens can take."""
    return text[: tokens * CHARACTERS]


def undecidable(text: str, words: int, languages: tuple[str, ...]) -> str:
    """Why nothing can be said of a text, in a sentence; "" where something can.

    It has fewer than `words` words, or its language, as py3langid tells it from its beginning among `COMMON` and
    `languages`, is none of `languages` (ISO 639-1). That a text was edited nobody can see.
    """
    found = len(text[: words * CHARACTERS * 4].split(maxsplit=words))
    if found < words:
        return f"The text has {found} words: below {words} there is too little to tell."
    beginning = text[:_TELLING]
    if not letters_in(beginning):
        return "The text has no letters."
    language = told(beginning, tuple(dict.fromkeys((*COMMON, *languages)))).language
    if language not in languages:
        return f"The text reads as {language!r}: nothing is known of texts that are not {' or '.join(languages)}."
    return ""
