"""What a language model wrote when it was to invent tasks, read back: lists of instructions, and instances.

Pure, and of any model's formatting: numbers or headings, Markdown, a sentence before, a further example after, English
and Korean headings. Nothing is made up: what cannot be read is none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKUP = r"[ \t]*(?:[#>*_•\-]+[ \t]*)*"
_AFTER = r"[ \t]*[*_]*[ \t]*(?:[:\uff1a.)\]]+[*_]*|(?=\n|$))[ \t]*[*_]*[ \t]*"
_HEADED = re.compile(
    rf"^{_MARKUP}(?:new[ \t]+)?(?:task|instruction|과제|지시|작업)[ \t]*[#(]?[ \t]*\d*{_AFTER}",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(rf"^{_MARKUP}\(?\d{{1,3}}[ \t]*[.):\uff1a\]][*_]*[ \t]+", re.MULTILINE)
_BULLETED = re.compile(r"^[ \t]*[*•\-][ \t]+", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*(?=\S)(?!.*[:\uff1a][ \t]*$)", re.MULTILINE)
"""A line that announces nothing."""

_KINDS = {
    "task": r"task|instruction|과제|지시|작업",
    "example": r"examples?(?=[ \t]*\d*[ \t]*[*_]*[ \t]*[.:\uff1a\n])|예시|예제",
    "label": r"class[ \t]*label|label|class|category|분류|레이블|라벨",
    "input": r"input|입력",
    "output": r"output|answer|response|출력|정답|답변|답",
}
_HEADING = re.compile(
    rf"^{_MARKUP}(?:{'|'.join(f'(?P<{kind}>{words})' for kind, words in _KINDS.items())})"
    r"[ \t]*[#(]?[ \t]*\d*[ \t]*\)?[*_]*[ \t]*(?:[:\uff1a][*_]*|\.(?=[ \t]*$)|(?=\n|$))[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_NOTHING = re.compile(
    r"[\s<(\[\"']*(?:none|no input|noinput|n/?a|not applicable|empty|없음|입력 없음)[\s>)\].\"']*", re.IGNORECASE
)


class Listed(NamedTuple):
    """An instruction in a list."""

    text: str
    whole: bool
    """Whether something followed it, so that it is whole however the answer ended."""


class Instance(NamedTuple):
    """An example of a task."""

    input: str
    output: str
    whole: bool
    """Whether something followed it, so that it is whole however the answer ended."""


def read_list(text: str, *, continues: bool) -> list[Listed]:
    """The instructions in a list, in order, each made one line; empty ones are left out.

    `continues`: the text goes on from the heading of the first one. Else what stands before the first heading or number
    is a preface, and where there are neither, bullets or lines part it. Headings ("Task 9:") come before numbers. An
    instruction is a paragraph; where the text goes on from a heading, it is a line, as those it was shown are.
    """
    marks: list[re.Match[str]] = []
    for pattern in (_HEADED, _NUMBERED) if continues else (_HEADED, _NUMBERED, _BULLETED, _LINE):
        if marks := [*pattern.finditer(text)]:
            break
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    items = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=False)]
    if continues:
        items = [text[: marks[0].start() if marks else len(text)], *items]
    found = [
        _instruction(item, "\n" if continues else "\n\n", last=nth == len(items)) for nth, item in enumerate(items, 1)
    ]
    return [one for one in found if one.text]


def _instruction(text: str, end: str, *, last: bool) -> Listed:
    """The instruction in an item of a list: what follows its line or paragraph, or an example, is no part of it."""
    example = next((one for one in _HEADING.finditer(text) if one.lastgroup in ("input", "output", "label")), None)
    own = (text[: example.start()] if example else text).lstrip()
    instruction, _, after = own.partition(end)
    whole = not last or example is not None or bool(after) or own.endswith(end)
    return Listed(" ".join(instruction.replace("**", "").split()).strip("*_ "), whole)


def read_instance(text: str, *, label_first: bool, continues: bool) -> Instance | None:
    """The first example in what a model wrote, or None where there is none.

    `continues`: the text goes on from the heading of the input, or with `label_first` from that of the class label. A
    preface before the first heading is no part of it, nor is a further example or task.
    """
    begun = "Class label: " if label_first else "Input: "
    given = begun + text.lstrip(" \t") if continues else text
    parts, whole = _parts(given, ("label", "input", "output") if label_first else ("input", "output"))
    if label_first and "label" in parts:
        # The label is a line; what stands below it without a heading is the input, as the published code reads it.
        label, _, below = parts["label"].partition("\n")
        return Instance(_blank(parts.get("input", below.strip())), label.strip(), whole)
    return Instance(_blank(parts.get("input", "")), parts["output"], whole) if "output" in parts else None


def _parts(text: str, kinds: tuple[str, ...]) -> tuple[dict[str, str], bool]:
    """What stands under each heading of the first example, and whether anything came after it."""
    opened: dict[str, re.Match[str]] = {}
    end = len(text)
    for mark in _HEADING.finditer(text):
        kind = str(mark.lastgroup)
        if kind in kinds and kind not in opened:
            opened[kind] = mark
        elif opened and (kind in ("task", "example") or (kind in kinds and _word(mark) == _word(opened[kind]))):
            end = mark.start()
            break
    starts = [*(mark.start() for mark in opened.values()), end]
    found = {
        kind: text[mark.end() : after].strip().strip("*").strip()
        for (kind, mark), after in zip(opened.items(), starts[1:], strict=True)
    }
    return found, end < len(text)


def _word(mark: re.Match[str]) -> str:
    """A heading by another word of its kind, such as "Answer:" below "Output:", is a part of what stands there."""
    return str(mark.group(str(mark.lastgroup))).casefold()


def _blank(given: str) -> str:
    return "" if _NOTHING.fullmatch(given) else given
