"""Heuristic filters of Self-Instruct, as named rules on instructions and instances.

Sources: Wang et al. 2022, "Self-Instruct", sections 2.2 and 2.3 and appendix A; yizhongw/self-instruct,
bootstrap_instructions.py (`post_process_gpt3_response`) and prepare_for_finetuning.py (`filter_invalid_instances`); the
keywords of images and audio are also those of tatsu-lab/stanford_alpaca, generate_instruction.py.

Differences: the published code drops texts that do not begin with an ASCII character, thus every Korean task; here
letters and digits of any script are accepted. Words are counted by script (`count_words`), keywords are also Korean,
and instances that repeat their instruction are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assay.text.similarity.tokens import is_character_tokenized, tokens

MIN_WORDS, MAX_WORDS = 4, 150
"""Words of an instruction, both bounds inclusive, as in the published code."""
MIN_WORDS_KOREAN = 3
"""Korean words include particles and endings: "시를 쓰세요" is four English words."""
CHARACTERS_PER_WORD = 2
"""Approximate, for Chinese, Japanese, Thai and other scripts without spaces."""


@dataclass(frozen=True)
class InstructionRule:
    """Rule on an instruction."""

    name: str
    description: str
    breaks: Callable[[str], bool]
    """Takes the stripped, non-empty instruction."""


@dataclass(frozen=True)
class InstanceRule:
    """Rule on an instruction with its input and output."""

    name: str
    description: str
    breaks: Callable[[str, str, str], bool]
    """Takes stripped instruction, input and output."""


_NON_TEXT_ENGLISH = re.compile(
    r"\b(images?|pictures?|graphs?|files?|maps?|draw|plot|go to|videos?|audio|music|flowcharts?|diagrams?)\b",
    re.IGNORECASE | re.ASCII,
)
# Nouns with their particles: matches 지도를 (map), but not 지도자 (leader) or 그림자 (shadow).
_NON_TEXT_KOREAN = re.compile(
    r"(?<![가-힣])(?:(?:이미지|사진|그림|그래프|도표|파일|지도|동영상|영상|비디오|오디오|음악|순서도|흐름도|다이어그램)"
    r"들?(?:을|를|이|가|은|는|에|에서|의|로|으로|와|과|이나|나|도|만)?(?![가-힣])"
    r"|그려(?![진졌])|그리(?:세요|시오|십시오|기|는|라)(?![가-힣]))"
)
_PROGRAM = re.compile(r"write a program\b|\S*\s*프로그램을 (?:작성|만드|만들|짜)", re.IGNORECASE)
_HANGUL = re.compile(r"[가-힣ᄀ-ᇿ]")
_COLONS = (":", "\uff1a")


def count_words(instruction: str) -> int:
    """Number of words separated by spaces; in scripts without spaces (not Korean), two characters count as one word."""
    if is_character_tokenized(instruction) and not _HANGUL.search(instruction):
        return -(-len(tokens(instruction)) // CHARACTERS_PER_WORD)
    return len(instruction.split())


def _too_short(instruction: str) -> bool:
    return count_words(instruction) < (MIN_WORDS_KOREAN if _HANGUL.search(instruction) else MIN_WORDS)


def _beyond_text(instruction: str) -> bool:
    return bool(
        _NON_TEXT_ENGLISH.search(instruction) or _NON_TEXT_KOREAN.search(unicodedata.normalize("NFC", instruction))
    )


def _starts_with_punctuation(instruction: str) -> bool:
    return unicodedata.category(instruction[0])[0] in "PS"


def _same_text(text: str, other: str) -> bool:
    return " ".join(text.casefold().split()).rstrip(".!?") == " ".join(other.casefold().split()).rstrip(".!?")


INSTRUCTION_RULES = (
    InstructionRule("too-short", f"It has fewer than {MIN_WORDS} words ({MIN_WORDS_KOREAN} in Korean).", _too_short),
    InstructionRule("too-long", f"It has more than {MAX_WORDS} words.", lambda text: count_words(text) > MAX_WORDS),
    InstructionRule("beyond-text", "It asks for what a text model cannot see or make, such as an image.", _beyond_text),
    InstructionRule(
        "write-a-program",
        "It asks for a program, and does not say whether to write it or to give what it would print.",
        lambda text: bool(_PROGRAM.match(text)),
    ),
    InstructionRule("starts-with-a-mark", "It starts with punctuation or a symbol.", _starts_with_punctuation),
    InstructionRule(
        "starts-with-no-letter", "It starts with neither a letter nor a digit.", lambda text: not text[0].isalnum()
    ),
)
"""In order of precedence: the first broken rule is the reported reason."""

INSTANCE_RULES = (
    InstanceRule("no-output", "It has no output.", lambda _, input_text, output: not output),
    InstanceRule("output-is-input", "The output is the input.", lambda _, input_text, output: input_text == output),
    InstanceRule(
        "ends-with-a-colon",
        "The input or the output ends with a colon: something was to follow.",
        lambda _, input_text, output: input_text.endswith(_COLONS) or output.endswith(_COLONS),
    ),
    InstanceRule(
        "repeats-the-instruction",
        "The input or the output is the instruction.",
        lambda instruction, input_text, output: _same_text(input_text, instruction) or _same_text(output, instruction),
    ),
)

LIST_ENDED, CUT_OFF, NOT_NOVEL, UNREADABLE = "list-ended", "cut-off", "not-novel", "unreadable"
CONTRADICTED, DUPLICATE = "contradicted", "duplicate"
RULE_DESCRIPTIONS: Mapping[str, str] = {
    **{rule.name: rule.description for rule in (*INSTRUCTION_RULES, *INSTANCE_RULES)},
    LIST_ENDED: "The model's list ended before this place.",
    CUT_OFF: "The model was cut at its token limit before it had finished.",
    NOT_NOVEL: "The instruction is too like one that was there before.",
    UNREADABLE: "The model gave no example in a form that can be read.",
    CONTRADICTED: "Another task has the same instruction and input, and another output.",
    DUPLICATE: "Another task is the same.",
}
"""Description by rule name."""
INSTANCE_RULE_NAMES = frozenset({*(rule.name for rule in INSTANCE_RULES), UNREADABLE})
"""Rules that concern only the instance; CUT_OFF also does if the instruction is complete."""


def broken_instruction_rules(instruction: str) -> list[str]:
    """Names of the broken rules, in order; an empty instruction breaks only "too-short"."""
    text = instruction.strip()
    return [rule.name for rule in INSTRUCTION_RULES if rule.breaks(text)] if text else [INSTRUCTION_RULES[0].name]


def broken_instance_rules(instruction: str, input_text: str, output: str) -> list[str]:
    """Names of the broken rules of an instance, in order."""
    stripped = instruction.strip(), input_text.strip(), output.strip()
    return [rule.name for rule in INSTANCE_RULES if rule.breaks(*stripped)]
