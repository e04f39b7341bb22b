"""Tasks and dialogues: sample fields, chat messages, and the formats of preference data.

A task is a sample with the text fields `instruction`, `input` (may be empty) and `output`. A dialogue is a task with
the text field `history`: the messages before `instruction`, a JSON list of objects with `role` ("user" and "assistant"
alternating, the user first, the assistant last) and `content`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.completions import Message, Role
from assay.core.errors import FieldError
from assay.core.sample import Sample


def task_prompt(instruction: str, input_text: str = "") -> str:
    """User message of a task: the instruction, an empty line and the input.

    Differs from Taori et al. 2023, "Alpaca", in that a chat template replaces the headings.
    """
    return f"{instruction.strip()}\n\n{input_text.strip()}" if input_text.strip() else instruction.strip()


HISTORY_EXAMPLE = 'a JSON list such as [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]'


def conversation(
    sample: Sample,
    *,
    instruction: str = "instruction",
    input: str = "input",
    history: str = "history",
    system: str = "",
) -> tuple[Message, ...]:
    """Messages for a chat model: system prompt if not empty, history, and the task.

    Raises:
        FieldError: The instruction is missing or blank, or the history is malformed.
    """
    text = sample.text(instruction).strip()
    if not text:
        raise FieldError(f"Sample {sample.id} has a blank {instruction!r}.")
    prompt = task_prompt(text, sample.text(input) if input in sample.fields else "")
    system_messages = (Message("system", system),) if system else ()
    return (*system_messages, *history_messages(sample, history), Message("user", prompt))


def history_messages(sample: Sample, history: str = "history") -> tuple[Message, ...]:
    """Messages before the task; empty without a history field.

    Raises:
        FieldError: The history is malformed.
    """
    return read_history(sample.text(history), sample.id) if history in sample.fields else ()


def transcript(turns: Sequence[Message], input_text: str = "") -> str:
    """Readable transcript of the turns, followed by the input of the task."""
    lines = [f"{turn.role.capitalize()}: {turn.text.strip()}" for turn in turns]
    return "\n\n".join([*lines, *([input_text] if input_text.strip() else [])])


def write_history(turns: Sequence[Message]) -> str:
    """Value of the field `history`; "" without turns."""
    return (
        json.dumps([{"role": turn.role, "content": turn.text} for turn in turns], ensure_ascii=False) if turns else ""
    )


def read_history(text: str, owner: str = "") -> tuple[Message, ...]:
    """Parse a field `history`; empty if blank. `owner` is the sample id for the error message.

    Raises:
        FieldError: Not such a list, or the roles do not alternate from user to assistant.
    """
    if not text.strip():
        return ()
    try:
        rows = json.loads(text)
        turns = tuple(Message(row["role"], row["content"]) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise FieldError(
            f"The history of sample {owner} is not {HISTORY_EXAMPLE}.", name="history", sample=owner
        ) from error
    roles = [turn.role for turn in turns]
    if roles != ["user", "assistant"] * (len(turns) // 2) or not all(isinstance(turn.text, str) for turn in turns):
        raise FieldError(
            f"The history of sample {owner} must be turns of user and assistant, the user first and the assistant "
            f"last, was {', '.join(map(str, roles))}.",
            name="history",
            sample=owner,
            roles=roles,
        )
    return turns


_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_HH_RLHF_ROLES: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_PAIR: tuple[Role, Role] = ("user", "assistant")
MESSAGES_EXAMPLE = '[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]'


@dataclass(frozen=True)
class PreferenceDialogue:
    """History, last user message and answer of a dialogue in preference data."""

    history: tuple[Message, ...]
    instruction: str
    answer: str


def is_hh_rlhf(text: str) -> bool:
    """Whether a text is a dialogue in the format of HH-RLHF."""
    return text.lstrip("\n").startswith("Human:")


def parse_turns(value: object) -> list[Message]:
    r"""Parse a list of messages, or a string such as "\n\nHuman: Hi.\n\nAssistant: Hello.".

    Source: conversational format of TRL ("Dataset formats and types"); Bai et al. 2022, "Training a helpful and
    harmless assistant", data set Anthropic/hh-rlhf.

    Raises:
        ValueError: Neither format.
    """
    if isinstance(value, str):
        text = "\n\n" + value.strip()
        marks = list(_TURN.finditer(text))
        if not marks or text[: marks[0].start()].strip():
            raise ValueError("must be a dialogue that begins with 'Human:'")
        ends = [*(mark.start() for mark in marks[1:]), len(text)]
        return [
            Message(_HH_RLHF_ROLES[mark[1]], text[mark.end() : end].strip())
            for mark, end in zip(marks, ends, strict=True)
        ]
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be text or a list of messages, like {MESSAGES_EXAMPLE}")
    return [_message(item) for item in value]


def _message(value: object) -> Message:
    role, content = (value.get("role"), value.get("content")) if isinstance(value, dict) else (None, None)
    if role not in _ROLES or not isinstance(content, str):
        raise ValueError(f"must be messages with role (system, user or assistant) and content, like {MESSAGES_EXAMPLE}")
    return Message(_ROLES[str(role)], content.strip())


def split_prompt(turns: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """Split a prompt into (history, last user message); a system message is prepended to the first user message.

    Raises:
        ValueError: User and assistant do not alternate, or the last turn is not the user's.
    """
    merged = _merge_system(turns)
    roles = [turn.role for turn in merged]
    if not roles or roles != (["user", "assistant"] * len(roles))[: len(roles)] or roles[-1] != "user":
        actual = ", ".join(turn.role for turn in turns) or "no turn"
        raise ValueError(f"must be alternating turns of user and assistant that end with the user, was {actual}")
    return tuple(merged[:-1]), merged[-1].text


def _merge_system(turns: Sequence[Message]) -> list[Message]:
    """Turns with a leading system message prepended to the next turn."""
    merged = list(turns)
    if merged and merged[0].role == "system":
        system = merged.pop(0).text
        if merged and system:
            merged[0] = Message(merged[0].role, f"{system}\n\n{merged[0].text}".strip())
    return merged


def parse_history(value: object) -> tuple[Message, ...]:
    """Parse a history from a file: messages as a list or JSON text, or pairs of texts.

    Pairs are [user, assistant], as in the field `history` of LLaMA-Factory's alpaca format (its data/README.md).

    Raises:
        ValueError: Another format, roles that do not alternate from user to assistant, or an empty turn.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"must be a list of messages, like {MESSAGES_EXAMPLE}") from None
    if value is None or value == [] or isinstance(value, str):
        return ()
    if isinstance(value, list) and all(isinstance(item, list) and len(item) == len(_PAIR) for item in value):
        value = [{"role": role, "content": text} for pair in value for role, text in zip(_PAIR, pair, strict=True)]
    turns = parse_turns(value)
    check_nonempty_turns(turns)
    merged = _merge_system(turns)
    if [turn.role for turn in merged] != [*_PAIR] * (len(merged) // 2) or not merged:
        actual = ", ".join(turn.role for turn in turns)
        raise ValueError(f"must be turns of user and assistant, the user first and the assistant last, was {actual}")
    return tuple(merged)


def check_nonempty_turns(turns: Sequence[Message]) -> None:
    """Reject empty turns of user or assistant.

    Raises:
        ValueError: An empty turn, numbered from 1.
    """
    for number, turn in enumerate(turns, start=1):
        if turn.role != "system" and not turn.text.strip():
            raise ValueError(f"must have text in every turn, but turn {number} ({turn.role}) is empty")


def parse_dialogue(turns: Sequence[Message]) -> PreferenceDialogue:
    """Parse a complete dialogue whose last turn is the answer.

    Raises:
        ValueError: The last turn is not the assistant's, or as `split_prompt`.
    """
    if not turns or turns[-1].role != "assistant":
        raise ValueError("must end with a turn of the assistant")
    return PreferenceDialogue(*split_prompt(turns[:-1]), turns[-1].text)
