"""What a language model is asked when it is to invent tasks: words, and prompts made of them. Pure.

In two layouts: `plain` text that a model goes on with, as Self-Instruct asked GPT-3, and a `chat` whose earlier turns
are the examples. Our own words, after the order of Wang et al. 2022, appendix B, tables 5 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from assay.core.completions import Message

Layout: TypeAlias = Literal["plain", "chat"]
LAYOUTS: tuple[Layout, ...] = ("plain", "chat")
Prompt: TypeAlias = str | tuple[Message, ...]


class ExampleTask(NamedTuple):
    """A task to be shown."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""
    classification: bool = False
    language: str = ""


@dataclass(frozen=True)
class TaskWording:
    """The words around the tasks, in one language."""

    task: str
    input: str
    output: str
    label: str
    none: str
    """Where a task needs no input."""
    yes: str
    no: str
    listed: str
    """Before a list of tasks that is to be gone on with."""
    more: str
    """Asks for more tasks in a chat; with {count}, {first} and {last}."""
    sorted: str
    """Before tasks that are sorted."""
    question: str
    """Whether a task is one of classification."""
    solved: str
    """Before tasks with an example each."""
    labeled: str
    """Before classification tasks with an example each, the label first."""


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
"""By language; English for every other."""


def wording_of(language: str) -> TaskWording:
    """The words to ask in."""
    return WORDINGS.get(language, ENGLISH)


def list_prompt(instructions: Sequence[str], count: int, words: TaskWording, layout: Layout) -> Prompt:
    """Asks for `count` instructions that go on after these."""
    lines = [f"{words.task} {nth}: {' '.join(one.split())}" for nth, one in enumerate(instructions, 1)]
    head, first = "\n".join([words.listed, "", *lines]), len(lines) + 1
    if layout == "plain":
        return f"{head}\n{words.task} {first}:"
    more = words.more.format(count=count, first=first, last=first + count - 1)
    return (Message("user", f"{head}\n\n{more}"),)


def list_stop(shown: int, count: int, words: TaskWording, layout: Layout) -> tuple[str, ...]:
    """Where a list has as many new tasks as were asked for; in plain words also where it is left for something else."""
    enough = f"{words.task} {shown + count + 1}"
    if layout == "chat":
        return (enough,)
    return ("\n",) if count == 1 else (enough, "\n\n")


def sort_prompt(instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: Layout) -> Prompt:
    """Asks whether a task is one of classification."""
    turns = [
        (f"{words.task}: {one.instruction}\n{words.question}", words.yes if one.classification else words.no)
        for one in examples
    ]
    return _prompt(words.sorted, turns, f"{words.task}: {instruction}\n{words.question}", layout)


def solve_prompt(instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: Layout) -> Prompt:
    """Asks for an input, and then for the output."""
    turns = [
        (
            f"{words.task}: {one.instruction}",
            f"{words.input}: {one.input or words.none}\n{words.output}: {one.output}",
        )
        for one in examples
    ]
    return _prompt(words.solved, turns, f"{words.task}: {instruction}", layout, f"{words.input}:")


def label_prompt(instruction: str, examples: Sequence[ExampleTask], words: TaskWording, layout: Layout) -> Prompt:
    """Asks for a class label, and then for an input that has it: an input first would nearly always have the same."""
    turns = [
        (
            f"{words.task}: {one.instruction}",
            f"{words.label}: {one.output}\n{words.input}: {one.input or words.none}",
        )
        for one in examples
    ]
    return _prompt(words.labeled, turns, f"{words.task}: {instruction}", layout, f"{words.label}:")


def _prompt(head: str, turns: Sequence[tuple[str, str]], last: str, layout: Layout, begun: str = "") -> Prompt:
    if layout == "plain":
        # A question is answered on its own line, an example begins on the next one.
        parts = [f"{asked}{chr(10) if begun else ' '}{answer}" for asked, answer in turns]
        return "\n\n".join([head, *parts, f"{last}{chr(10) + begun if begun else ''}"])
    messages = []
    for nth, (asked, answer) in enumerate(turns):
        messages += [Message("user", asked if nth else f"{head}\n\n{asked}"), Message("assistant", answer)]
    return (*messages, Message("user", last if turns else f"{head}\n\n{last}"))
