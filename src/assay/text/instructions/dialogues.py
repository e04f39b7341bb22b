"""A task or a dialogue as its fields have it, and as a model is asked it.

A dialogue is a task with the text field `history`: what was said before its `instruction`, as a JSON list of objects
with `role` ("user" and "assistant" in turns, the user first, the assistant last) and `content`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from assay.core.completions import Message
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.text.instructions.prompt import task_prompt

WANTED = 'a JSON list such as [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]'


def conversation(
    sample: Sample,
    *,
    instruction: str = "instruction",
    input: str = "input",
    history: str = "history",
    system: str = "",
) -> tuple[Message, ...]:
    """What a model is asked: the system's words if there are any, what was said before, and the task.

    Raises:
        FieldError: There is no instruction or it is blank, or the history is none.
    """
    said = sample.text(instruction).strip()
    if not said:
        raise FieldError(f"Sample {sample.id} has a blank {instruction!r}.")
    given = sample.text(input) if input in sample.fields else ""
    asked = Message("user", task_prompt(said, given))
    return (*((Message("system", system),) if system else ()), *said_before(sample, history), asked)


def said_before(sample: Sample, history: str = "history") -> tuple[Message, ...]:
    """The turns before the task; none where it is no dialogue.

    Raises:
        FieldError: The history is none.
    """
    return read_history(sample.text(history), sample.id) if history in sample.fields else ()


def transcript(turns: Sequence[Message], given: str = "") -> str:
    """What was said before a task, for a reader, and after it what the task is about."""
    said = [f"{one.role.capitalize()}: {one.text.strip()}" for one in turns]
    return "\n\n".join([*said, *([given] if given.strip() else [])])


def write_history(turns: Sequence[Message]) -> str:
    """The field `history` of a dialogue; "" where nothing was said before."""
    return json.dumps([{"role": one.role, "content": one.text} for one in turns], ensure_ascii=False) if turns else ""


def read_history(text: str, owner: str = "") -> tuple[Message, ...]:
    """The turns of a field `history`; none where it is blank. `owner` is the sample's id, for the message.

    Raises:
        FieldError: It is no such list, or the turns do not alternate from a user to an assistant.
    """
    if not text.strip():
        return ()
    try:
        rows = json.loads(text)
        turns = tuple(Message(row["role"], row["content"]) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise FieldError(f"The history of sample {owner} is not {WANTED}.") from error
    roles = [one.role for one in turns]
    if roles != ["user", "assistant"] * (len(turns) // 2) or not all(isinstance(one.text, str) for one in turns):
        raise FieldError(
            f"The history of sample {owner} must be turns of user and assistant, the user first and the assistant "
            f"last, was {', '.join(map(str, roles))}."
        )
    return turns
