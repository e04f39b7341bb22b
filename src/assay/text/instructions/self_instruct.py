"""The heuristics of Self-Instruct as named rules: what an instruction or an instance must not be.

Sources: Wang et al. 2022, "Self-Instruct", sections 2.2 and 2.3 and appendix A; yizhongw/self-instruct,
bootstrap_instructions.py (`post_process_gpt3_response`) and prepare_for_finetuning.py (`filter_invalid_instances`); the
words for images and sounds are also those of tatsu-lab/stanford_alpaca, generate_instruction.py.

Where we differ: the code drops whatever does not begin with an ASCII character, which is every Korean task, and here
letters and digits of any script will do. Words are counted by script (`words_in`), and what a text model cannot give
is also told in Korean. An instance that repeats its instruction is dropped here alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assay.text.similarity.tokens import by_character, tokens

SHORTEST, LONGEST = 4, 150
"""Words of an instruction, both allowed: the code drops three and fewer, and more than 150."""
SHORTEST_KOREAN = 3
"""A Korean word carries its particles and endings: "시를 쓰세요" is four English words."""
CHARACTERS_A_WORD = 2
"""Of Chinese, Japanese, Thai and their kin, which put no spaces between words; roughly."""


@dataclass(frozen=True)
class InstructionRule:
    """A rule about an instruction alone."""

    name: str
    sentence: str
    breaks: Callable[[str], bool]
    """Given the instruction without spaces around it, not empty."""


@dataclass(frozen=True)
class InstanceRule:
    """A rule about an instruction with its input and output."""

    name: str
    sentence: str
    breaks: Callable[[str, str, str], bool]
    """Given instruction, input and output, without spaces around them."""


_ENGLISH = re.compile(
    r"\b(images?|pictures?|graphs?|files?|maps?|draw|plot|go to|videos?|audio|music|flowcharts?|diagrams?)\b",
    re.IGNORECASE | re.ASCII,
)
# A noun with what may follow it in one word: 지도를 is a map's, 지도자 (a leader) and 그림자 (a shadow) are not.
_KOREAN = re.compile(
    r"(?<![가-힣])(?:(?:이미지|사진|그림|그래프|도표|파일|지도|동영상|영상|비디오|오디오|음악|순서도|흐름도|다이어그램)"
    r"들?(?:을|를|이|가|은|는|에|에서|의|로|으로|와|과|이나|나|도|만)?(?![가-힣])"
    r"|그려(?![진졌])|그리(?:세요|시오|십시오|기|는|라)(?![가-힣]))"
)
_PROGRAM = re.compile(r"write a program\b|\S*\s*프로그램을 (?:작성|만드|만들|짜)", re.IGNORECASE)
_HANGUL = re.compile(r"[가-힣ᄀ-ᇿ]")
_COLONS = (":", "\uff1a")


def words_in(instruction: str) -> int:
    """Words, by spaces; two characters are one in scripts that put none between words.

    Korean has spaces, and counts by them.
    """
    if by_character(instruction) and not _HANGUL.search(instruction):
        return -(-len(tokens(instruction)) // CHARACTERS_A_WORD)
    return len(instruction.split())


def _too_short(instruction: str) -> bool:
    return words_in(instruction) < (SHORTEST_KOREAN if _HANGUL.search(instruction) else SHORTEST)


def _beyond_text(instruction: str) -> bool:
    return bool(_ENGLISH.search(instruction) or _KOREAN.search(unicodedata.normalize("NFC", instruction)))


def _mark_first(instruction: str) -> bool:
    return unicodedata.category(instruction[0])[0] in "PS"


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()).rstrip(".!?") == " ".join(other.casefold().split()).rstrip(".!?")


INSTRUCTION_RULES = (
    InstructionRule("too-short", f"It has fewer than {SHORTEST} words ({SHORTEST_KOREAN} in Korean).", _too_short),
    InstructionRule("too-long", f"It has more than {LONGEST} words.", lambda text: words_in(text) > LONGEST),
    InstructionRule("beyond-text", "It asks for what a text model cannot see or make, such as an image.", _beyond_text),
    InstructionRule(
        "write-a-program",
        "It asks for a program, and does not say whether to write it or to give what it would print.",
        lambda text: bool(_PROGRAM.match(text)),
    ),
    InstructionRule("starts-with-a-mark", "It starts with punctuation or a symbol.", _mark_first),
    InstructionRule(
        "starts-with-no-letter", "It starts with neither a letter nor a digit.", lambda text: not text[0].isalnum()
    ),
)
"""In the order in which they are asked: the first that is broken is the reason."""

INSTANCE_RULES = (
    InstanceRule("no-output", "It has no output.", lambda _, given, output: not output),
    InstanceRule("output-is-input", "The output is the input.", lambda _, given, output: given == output),
    InstanceRule(
        "ends-with-a-colon",
        "The input or the output ends with a colon: something was to follow.",
        lambda _, given, output: given.endswith(_COLONS) or output.endswith(_COLONS),
    ),
    InstanceRule(
        "repeats-the-instruction",
        "The input or the output is the instruction.",
        lambda instruction, given, output: _same(given, instruction) or _same(output, instruction),
    ),
)

LIST_ENDED, CUT_OFF, NOT_NOVEL, UNREADABLE = "list-ended", "cut-off", "not-novel", "unreadable"
CONTRADICTED, DUPLICATE = "contradicted", "duplicate"
SENTENCES: Mapping[str, str] = {
    **{rule.name: rule.sentence for rule in (*INSTRUCTION_RULES, *INSTANCE_RULES)},
    LIST_ENDED: "The model's list ended before this place.",
    CUT_OFF: "The model was cut at its token limit before it had finished.",
    NOT_NOVEL: "The instruction is too like one that was there before.",
    UNREADABLE: "The model gave no example in a form that can be read.",
    CONTRADICTED: "Another task has the same instruction and input, and another output.",
    DUPLICATE: "Another task is the same.",
}
"""Name of a rule to what it says."""
ABOUT_INSTANCES = frozenset({*(rule.name for rule in INSTANCE_RULES), UNREADABLE})
"""Rules that leave the instruction a good one; CUT_OFF is among them where there is an instruction that is whole."""


def instruction_rules(instruction: str) -> list[str]:
    """The names of the rules that an instruction breaks, in order. An empty one is too short, and nothing else."""
    text = instruction.strip()
    return [rule.name for rule in INSTRUCTION_RULES if rule.breaks(text)] if text else [INSTRUCTION_RULES[0].name]


def instance_rules(instruction: str, given: str, output: str) -> list[str]:
    """The names of the rules that an instance breaks, in order."""
    told = instruction.strip(), given.strip(), output.strip()
    return [rule.name for rule in INSTANCE_RULES if rule.breaks(*told)]
