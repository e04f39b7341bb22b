"""Prompts of Self-Instruct, and parsers of the answers.

Two layouts: `plain` is text that a model completes, as Self-Instruct prompted GPT-3; `chat` has the examples as earlier
turns. The wording is ours, the structure that of Wang et al. 2022, appendix B, tables 5 to 8.

The parsers accept numbers or headings in English and Korean, Markdown, a preface, and further examples. Text that
cannot be parsed gives None or no item.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from assay.core.completions import Message

PromptLayout: TypeAlias = Literal["plain", "chat"]
LAYOUTS: tuple[PromptLayout, ...] = ("plain", "chat")
TaskPrompt: TypeAlias = str | tuple[Message, ...]


class ExampleTask(NamedTuple):
    """Example task of a prompt."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""
    classification: bool = False
    language: str = ""


@dataclass(frozen=True)
class TaskWording:
    """Wording of the prompts in one language."""

    task: str
    input: str
    output: str
    label: str
    none: str
    """Placeholder for an empty input."""
    yes: str
    no: str
    listed: str
    """Heading of a list of tasks to continue."""
    more: str
    """Request for more tasks in a chat, with {count}, {first} and {last}."""
    sorted: str
    """Heading of tasks to identify as classification."""
    question: str
    """Question whether a task is classification."""
    solved: str
    """Heading of tasks with examples, input first."""
    labeled: str
    """Heading of classification tasks with examples, label first."""


ENGLISH = TaskWording(
    task="Task",
    input="Input",
    output="Output",
    label="Class label",
    none="none",
    yes="Yes",
    no="No",
    listed="Here is a list of different tasks that an assistant can do in writing:",
    more=(
        "Go on with the list: write {count} new tasks, from Task {first} to Task {last}, each on a line of its own. "
        "They must differ from those above and from each other."
    ),
    sorted="A classification task has only a few possible answers, and they are fixed beforehand. Sort these tasks:",
    question="Is it a classification task?",
    solved="Here are tasks, each with an example of its input and its output. Some need no input:",
    labeled="Here are classification tasks, each with one of its class labels and an input that has this label:",
)
KOREAN = TaskWording(
    task="과제",
    input="입력",
    output="출력",
    label="분류",
    none="없음",
    yes="예",
    no="아니요",
    listed="글로 할 수 있는 여러 가지 과제의 목록입니다:",
    more=(
        "목록을 이어서 새 과제 {count}개를 과제 {first}부터 과제 {last}까지 한 줄에 하나씩 쓰세요. 위의 과제와도, "
        "서로도 달라야 합니다."
    ),
    sorted="분류 과제는 가능한 답이 몇 개뿐이고 미리 정해져 있습니다. 다음 과제를 나누어 보세요:",
    question="분류 과제입니까?",
    solved="과제마다 입력과 출력의 예가 하나씩 있습니다. 입력이 필요 없는 과제도 있습니다:",
    labeled="분류 과제마다 분류 하나와 그 분류에 속하는 입력이 있습니다:",
)
WORDINGS: Mapping[str, TaskWording] = {"ko": KOREAN}
"""Wordings by language; the default is English."""


def task_wording(language: str) -> TaskWording:
    """Wording in a language."""
    return WORDINGS.get(language, ENGLISH)


def list_prompt(instructions: Sequence[str], count: int, words: TaskWording, layout: PromptLayout) -> TaskPrompt:
    """Prompt for `count` more instructions."""
    lines = [f"{words.task} {number}: {' '.join(text.split())}" for number, text in enumerate(instructions, 1)]
    head, first = "\n".join([words.listed, "", *lines]), len(lines) + 1
    if layout == "plain":
        return f"{head}\n{words.task} {first}:"
    more = words.more.format(count=count, first=first, last=first + count - 1)
    return (Message("user", f"{head}\n\n{more}"),)


def list_stop(example_count: int, count: int, words: TaskWording, layout: PromptLayout) -> tuple[str, ...]:
    """Stop strings of `list_prompt`: the heading after `count` new tasks, and in plain layout the end of the list."""
    next_heading = f"{words.task} {example_count + count + 1}"
    if layout == "chat":
        return (next_heading,)
    return ("\n",) if count == 1 else (next_heading, "\n\n")


def sort_prompt(
    instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: PromptLayout
) -> TaskPrompt:
    """Prompt for whether a task is classification."""
    turns = [
        (f"{words.task}: {example.instruction}\n{words.question}", words.yes if example.classification else words.no)
        for example in examples
    ]
    return _prompt(words.sorted, turns, f"{words.task}: {instruction}\n{words.question}", layout)


def solve_prompt(
    instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: PromptLayout
) -> TaskPrompt:
    """Prompt for an instance, input first."""
    turns = [
        (
            f"{words.task}: {example.instruction}",
            f"{words.input}: {example.input or words.none}\n{words.output}: {example.output}",
        )
        for example in examples
    ]
    return _prompt(words.solved, turns, f"{words.task}: {instruction}", layout, f"{words.input}:")


def label_prompt(
    instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: PromptLayout
) -> TaskPrompt:
    """Prompt for an instance, class label first: input first would nearly always give the same label."""
    turns = [
        (
            f"{words.task}: {example.instruction}",
            f"{words.label}: {example.output}\n{words.input}: {example.input or words.none}",
        )
        for example in examples
    ]
    return _prompt(words.labeled, turns, f"{words.task}: {instruction}", layout, f"{words.label}:")


def _prompt(
    head: str, turns: Sequence[tuple[str, str]], last: str, layout: PromptLayout, begun: str = ""
) -> TaskPrompt:
    if layout == "plain":
        # An answer is on the line of its question, an example begins on the next line.
        parts = [f"{question}{chr(10) if begun else ' '}{answer}" for question, answer in turns]
        return "\n\n".join([head, *parts, f"{last}{chr(10) + begun if begun else ''}"])
    messages = []
    for nth, (question, answer) in enumerate(turns):
        messages += [Message("user", question if nth else f"{head}\n\n{question}"), Message("assistant", answer)]
    return (*messages, Message("user", last if turns else f"{head}\n\n{last}"))


_MARKUP = r"[ \t]*(?:[#>*_•\-]+[ \t]*)*"
_AFTER = r"[ \t]*[*_]*[ \t]*(?:[:\uff1a.)\]]+[*_]*|(?=\n|$))[ \t]*[*_]*[ \t]*"
_HEADED = re.compile(
    rf"^{_MARKUP}(?:new[ \t]+)?(?:task|instruction|과제|지시|작업)[ \t]*[#(]?[ \t]*\d*{_AFTER}",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(rf"^{_MARKUP}\(?\d{{1,3}}[ \t]*[.):\uff1a\]][*_]*[ \t]+", re.MULTILINE)
_BULLETED = re.compile(r"^[ \t]*[*•\-][ \t]+", re.MULTILINE)
_UNANNOUNCED_LINE = re.compile(r"^[ \t]*(?=\S)(?!.*[:\uff1a][ \t]*$)", re.MULTILINE)
"""Start of a line that does not end with a colon."""

_HEADING_WORDS = {
    "task": r"task|instruction|과제|지시|작업",
    "example": r"examples?(?=[ \t]*\d*[ \t]*[*_]*[ \t]*[.:\uff1a\n])|예시|예제",
    "label": r"class[ \t]*label|label|class|category|분류|레이블|라벨",
    "input": r"input|입력",
    "output": r"output|answer|response|출력|정답|답변|답",
}
_HEADING = re.compile(
    rf"^{_MARKUP}(?:{'|'.join(f'(?P<{kind}>{words})' for kind, words in _HEADING_WORDS.items())})"
    r"[ \t]*[#(]?[ \t]*\d*[ \t]*\)?[*_]*[ \t]*(?:[:\uff1a][*_]*|\.(?=[ \t]*$)|(?=\n|$))[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_NO_INPUT = re.compile(
    r"[\s<(\[\"']*(?:none|no input|noinput|n/?a|not applicable|empty|없음|입력 없음)[\s>)\].\"']*", re.IGNORECASE
)


class ParsedInstruction(NamedTuple):
    """Instruction of a list."""

    text: str
    complete: bool
    """Whether text follows it, so that it is complete even if the answer was truncated."""


class ParsedInstance(NamedTuple):
    """Instance of a task."""

    input: str
    output: str
    complete: bool
    """Whether text follows it, so that it is complete even if the answer was truncated."""


def parse_instructions(text: str, *, continues: bool) -> list[ParsedInstruction]:
    """Parse a list of instructions, each joined into one line; empty ones are dropped.

    With `continues` the text starts directly after the heading of the first instruction, and an instruction is a line.
    Otherwise text before the first heading or number is a preface, and an instruction is a paragraph. Items are split
    at headings ("Task 9:"), else numbers, else bullets, else lines.
    """
    marks: list[re.Match[str]] = []
    for pattern in (_HEADED, _NUMBERED) if continues else (_HEADED, _NUMBERED, _BULLETED, _UNANNOUNCED_LINE):
        if marks := [*pattern.finditer(text)]:
            break
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    items = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=False)]
    if continues:
        items = [text[: marks[0].start() if marks else len(text)], *items]
    parsed = [
        _instruction(item, "\n" if continues else "\n\n", last=number == len(items))
        for number, item in enumerate(items, 1)
    ]
    return [item for item in parsed if item.text]


def _instruction(text: str, end: str, *, last: bool) -> ParsedInstruction:
    """Instruction of a list item, without following text or an example."""
    example = next((mark for mark in _HEADING.finditer(text) if mark.lastgroup in ("input", "output", "label")), None)
    body = (text[: example.start()] if example else text).lstrip()
    instruction, _, after = body.partition(end)
    complete = not last or example is not None or bool(after) or body.endswith(end)
    return ParsedInstruction(" ".join(instruction.replace("**", "").split()).strip("*_ "), complete)


def parse_instance(text: str, *, label_first: bool, continues: bool) -> ParsedInstance | None:
    """Parse the first instance of an answer; None if there is none.

    With `continues` the text starts directly after the heading of the input, or with `label_first` of the class label.
    A preface and further examples or tasks are ignored.
    """
    begun = "Class label: " if label_first else "Input: "
    answer = begun + text.lstrip(" \t") if continues else text
    parts, complete = _sections(answer, ("label", "input", "output") if label_first else ("input", "output"))
    if label_first and "label" in parts:
        # The label is one line; text below it without a heading is the input, as in the published code.
        label, _, below = parts["label"].partition("\n")
        return ParsedInstance(_clear_no_input(parts.get("input", below.strip())), label.strip(), complete)
    return (
        ParsedInstance(_clear_no_input(parts.get("input", "")), parts["output"], complete)
        if "output" in parts
        else None
    )


def _sections(text: str, kinds: tuple[str, ...]) -> tuple[dict[str, str], bool]:
    """Text under each heading of the first example, and whether text follows the example."""
    opened: dict[str, re.Match[str]] = {}
    end = len(text)
    for mark in _HEADING.finditer(text):
        kind = str(mark.lastgroup)
        if kind in kinds and kind not in opened:
            opened[kind] = mark
        elif opened and (
            kind in ("task", "example") or (kind in kinds and _heading_word(mark) == _heading_word(opened[kind]))
        ):
            end = mark.start()
            break
    starts = [*(mark.start() for mark in opened.values()), end]
    sections = {
        kind: text[mark.end() : after].strip().strip("*").strip()
        for (kind, mark), after in zip(opened.items(), starts[1:], strict=True)
    }
    return sections, end < len(text)


def _heading_word(mark: re.Match[str]) -> str:
    """Word of a heading; another word of the same kind ("Answer:" below "Output:") does not start a new section."""
    return str(mark.group(str(mark.lastgroup))).casefold()


def _clear_no_input(text: str) -> str:
    return "" if _NO_INPUT.fullmatch(text) else text
