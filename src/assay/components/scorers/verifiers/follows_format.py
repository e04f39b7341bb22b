"""Verification of format constraints, as in IFEval."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import regex

from assay.components.scorers.verifiers.outcomes import SCALE, check_name, incorrect, missing_reference, quoted
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.form import (
    PhraseSearch,
    count_bullets,
    count_lines,
    count_sentences,
    is_complete,
    repeated_ngram_fraction,
)
from assay.text.instructions.languages import (
    COMMON_LANGUAGES,
    MIN_LETTERS,
    check_language_code,
    count_letters,
    identify_language,
)
from assay.text.similarity.tokens import normalize_case, tokens

SECONDS = 1.0
"""Time limit of a regular expression for one answer."""
COUNTS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(tokens(text)),
    "lines": count_lines,
    "sentences": count_sentences,
    "bullets": count_bullets,
}


@dataclass(frozen=True)
class FollowsFormat:
    """Fraction of its format rules that an answer follows; with `strict`, 1 if it follows all and else 0.

    The rules are modeled on the verifiable instructions of IFEval (Zhou et al. 2023). Differences: words are matched as
    words, in any script and any case ("cat" is not in "concatenate"), instead of as substrings, and a text too short
    for language identification breaks `language`. An empty answer follows no rule. The reason names each broken rule;
    evidence has 1 or 0 for each. A sample that lacks a field of a rule is unscored, and so is one whose regular
    expression times out.
    """

    all_of: tuple[str, ...] = ()
    """Words or phrases that must all occur."""
    none_of: tuple[str, ...] = ()
    """Words or phrases that must not occur."""
    all_of_field: str = ""
    """Field with more words for `all_of`, separated by commas or newlines."""
    none_of_field: str = ""
    one_of: tuple[str, ...] = ()
    """Allowed values of the whole answer, ignoring case and surrounding space."""
    matches: str = ""
    """Regular expression that must be found; syntax of Python's `re`."""
    starts_with: str = ""
    """Case-sensitive; leading space is ignored."""
    ends_with: str = ""
    min_words: int | None = None
    """Words as in `text/similarity/tokens.py`: in Korean, Chinese, Japanese or Thai single characters."""
    max_words: int | None = None
    min_lines: int | None = None
    """Lines that are not blank."""
    max_lines: int | None = None
    min_sentences: int | None = None
    max_sentences: int | None = None
    min_bullets: int | None = None
    """Lines that start with a hyphen, an asterisk, a plus sign or a dot, and a space."""
    max_bullets: int | None = None
    language: str = ""
    """An ISO 639-1 code, such as "ko"."""
    max_repeated: float | None = None
    """Maximum fraction of repeated n-grams of `repeat_ngram` words, 0 to 1."""
    repeat_ngram: int = 3
    complete: bool = False
    """Whether the answer must end with a complete sentence."""
    strict: bool = False
    answer: str = "text"
    """Field of the answer."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = SCALE

    def __post_init__(self) -> None:
        check_name("FollowsFormat.answer", self.answer)
        for name in ("all_of", "none_of", "one_of"):
            texts = getattr(self, name)
            if isinstance(texts, str) or not all(isinstance(text, str) and text.strip() for text in texts):
                raise ValueError(f"FollowsFormat.{name} must be a list of texts that are not blank, was {texts!r}.")
        for name in COUNTS:
            self._check_bounds(name)
        self._check_repeated()
        if self.language:
            check_language_code("FollowsFormat.language", self.language)
        try:
            regex.compile(self.matches)
        except regex.error as problem:
            raise ValueError(f"FollowsFormat.matches must be a regular expression: {problem}.") from problem
        if (
            not any(True for _ in self._rules("a", PhraseSearch("a"), (), ()))
            and not self.all_of_field + self.none_of_field
        ):
            raise ValueError("FollowsFormat needs a rule, such as all_of, matches or max_words: it had none.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._verify(sample) for sample in samples]

    def _verify(self, sample: Sample) -> Outcome:
        text = sample.text(self.answer).strip()
        phrases: list[tuple[str, ...]] = []
        for name in (self.all_of_field, self.none_of_field):
            words = _split_list(sample.text(name)) if name and name in sample.fields else ()
            if name and not words:
                return missing_reference(name)
            phrases.append(words)
        if not text:
            return incorrect("The answer is empty.")
        try:
            broken = dict(self._rules(text, PhraseSearch(text), *phrases))
        except TimeoutError:
            return Unscored("failed", f"The regular expression took more than {SECONDS:g} s.")
        followed = sum(not why for why in broken.values())
        all_followed = followed == len(broken)
        reason = "; ".join(f"{name}: {why}" for name, why in broken.items() if why)
        evidence = {name: float(not why) for name, why in broken.items()}
        value = float(all_followed) if self.strict else followed / len(broken)
        return Score(value, f"It breaks {reason}." if reason else "It keeps every rule.", evidence)

    def _rules(
        self, text: str, words: PhraseSearch, required: Sequence[str], banned: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield each rule that is set, and how `text` breaks it; "" if it does not."""
        yield from self._words(words, required, banned)
        yield from self._whole(text)
        for name, count in COUNTS.items():
            yield from self._count(name, count, text)
        if self.language:
            yield "language", _wrong_language(text, self.language)
        if self.max_repeated is not None:
            share = repeated_ngram_fraction(text, self.repeat_ngram)
            over = share > self.max_repeated
            runs = f"runs of {self.repeat_ngram} words" if self.repeat_ngram > 1 else "words"
            yield "max_repeated", f"{share:.0%} of {runs} are repeated, at most {self.max_repeated:.0%}" * over
        if self.complete:
            yield "complete", "" if is_complete(text) else f"it stops at {quoted(text[-20:])!r}"

    def _words(self, words: PhraseSearch, required: Sequence[str], banned: Sequence[str]) -> Iterator[tuple[str, str]]:
        if must := (*self.all_of, *required):
            missing = [phrase for phrase in must if phrase not in words]
            yield "all_of", f"it lacks {_named(missing)}" if missing else ""
        if never := (*self.none_of, *banned):
            present = [phrase for phrase in never if phrase in words]
            yield "none_of", f"it has {_named(present)}" if present else ""

    def _whole(self, text: str) -> Iterator[tuple[str, str]]:
        if self.one_of:
            is_one = normalize_case(text) in {normalize_case(value.strip()) for value in self.one_of}
            yield "one_of", "" if is_one else f"{quoted(text)!r} is none of {_named(self.one_of)}"
        if self.matches:
            match = regex.search(self.matches, text, timeout=SECONDS)
            yield "matches", "" if match else f"{self.matches!r} is not found"
        if self.starts_with:
            starts = text.startswith(self.starts_with.strip())
            yield "starts_with", "" if starts else f"it begins {quoted(text[: len(self.starts_with) + 10])!r}"
        if self.ends_with:
            ends = text.endswith(self.ends_with.strip())
            yield "ends_with", "" if ends else f"it ends {quoted(text[-len(self.ends_with) - 10 :])!r}"

    def _count(self, name: str, count: Callable[[str], int], text: str) -> Iterator[tuple[str, str]]:
        low, high = self._bounds(name)
        if low is None and high is None:
            return
        number = count(text)
        count_text = f"{number:,} {name if number != 1 else name.removesuffix('s')}"
        if low is not None:
            yield f"min_{name}", f"{count_text}, at least {low:,}" if number < low else ""
        if high is not None:
            yield f"max_{name}", f"{count_text}, at most {high:,}" if number > high else ""

    def _bounds(self, name: str) -> tuple[int | None, int | None]:
        return getattr(self, f"min_{name}"), getattr(self, f"max_{name}")

    def _check_repeated(self) -> None:
        if self.max_repeated is not None and not 0 <= self.max_repeated < 1:
            raise ValueError(f"FollowsFormat.max_repeated must be at least 0 and below 1, was {self.max_repeated}.")
        if self.repeat_ngram < 1:
            raise ValueError(f"FollowsFormat.repeat_ngram must be at least 1, was {self.repeat_ngram}.")

    def _check_bounds(self, name: str) -> None:
        low, high = self._bounds(name)
        if low is not None and low < 1:
            raise ValueError(f"FollowsFormat.min_{name} must be at least 1, was {low}.")
        if high is not None and high < (low or 0):
            raise ValueError(f"FollowsFormat.max_{name} must be at least {low or 0}, was {high}.")


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in re.split(r"[,\n]", text) if word.strip())


def _named(words: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(repr(quoted(word)) for word in words[:limit]) + more


def _wrong_language(text: str, language: str) -> str:
    if count_letters(text) < MIN_LETTERS:
        return "the text is too short to tell"
    result = identify_language(text, tuple(sorted({*COMMON_LANGUAGES, language})))
    return "" if result.language == language else f"it is {result.language}, not {language}"
