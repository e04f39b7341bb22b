"""Dialogues as preference data have them: lists of messages, or the strings of HH-RLHF, to a prompt and an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.completions import Message, Role

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_SPOKEN: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_PAIR: tuple[Role, Role] = ("user", "assistant")
LIKE = '[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]'


@dataclass(frozen=True)
class Exchange:
    """What was said before, the last words of the user, and the answer to them."""

    history: tuple[Message, ...]
    instruction: str
    answer: str


def is_spoken(text: str) -> bool:
    """Whether a text is a dialogue as HH-RLHF writes it."""
    return text.lstrip("\n").startswith("Human:")


def turns_of(value: object) -> list[Message]:
    r"""The turns of a list of messages, or of a string such as "\n\nHuman: Hi.\n\nAssistant: Hello.".

    Source: the conversational form of TRL's data sets ("Dataset formats and types"); Bai et al. 2022, "Training a
    helpful and harmless assistant", whose data set Anthropic/hh-rlhf has the strings.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        text = "\n\n" + value.strip()
        found = list(_TURN.finditer(text))
        if not found or text[: found[0].start()].strip():
            raise ValueError("is no dialogue that begins with 'Human:'")
        ends = [*(one.start() for one in found[1:]), len(text)]
        return [Message(_SPOKEN[one[1]], text[one.end() : end].strip()) for one, end in zip(found, ends, strict=True)]
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be text or a list of messages, like {LIKE}")
    return [_message(one) for one in value]


def _message(value: object) -> Message:
    role, content = (value.get("role"), value.get("content")) if isinstance(value, dict) else (None, None)
    if role not in _ROLES or not isinstance(content, str):
        raise ValueError(f"must be messages with role (system, user or assistant) and content, like {LIKE}")
    return Message(_ROLES[str(role)], content.strip())


def prompt_of(turns: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """(what was said before, the last words of the user); a system's words stand before the user's first.

    Raises:
        ValueError: User and assistant do not take turns, or the user does not speak last.
    """
    spoken = _without_system(turns)
    roles = [one.role for one in spoken]
    if not roles or roles != (["user", "assistant"] * len(roles))[: len(roles)] or roles[-1] != "user":
        said = ", ".join(one.role for one in turns) or "nothing before it"
        raise ValueError(f"must be turns of user and assistant, the user first and last before the answer, was {said}")
    return tuple(spoken[:-1]), spoken[-1].text


def _without_system(turns: Sequence[Message]) -> list[Message]:
    """User and assistant alone; a system's words stand before those of whoever speaks first."""
    spoken = list(turns)
    if spoken and spoken[0].role == "system":
        system = spoken.pop(0).text
        if spoken and system:
            spoken[0] = Message(spoken[0].role, f"{system}\n\n{spoken[0].text}".strip())
    return spoken


def history_of(value: object) -> tuple[Message, ...]:
    """What was said before a task, as a file has it: messages, as a list or as its JSON text, or pairs of texts.

    Pairs are [user, assistant], as in the field `history` of LLaMA-Factory's alpaca form (its data/README.md).

    Raises:
        ValueError: It is none of these, the turns do not go from a user to an assistant, or one says nothing.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"must be a list of messages, like {LIKE}") from None
    if value is None or value == [] or isinstance(value, str):
        return ()
    if isinstance(value, list) and all(isinstance(one, list) and len(one) == len(_PAIR) for one in value):
        value = [{"role": role, "content": text} for pair in value for role, text in zip(_PAIR, pair, strict=True)]
    turns = turns_of(value)
    check_said(turns)
    spoken = _without_system(turns)
    if [one.role for one in spoken] != [*_PAIR] * (len(spoken) // 2) or not spoken:
        said = ", ".join(one.role for one in turns)
        raise ValueError(f"must be turns of user and assistant, the user first and the assistant last, was {said}")
    return tuple(spoken)


def check_said(turns: Sequence[Message]) -> None:
    """Refuses turns of user or assistant that say nothing.

    Raises:
        ValueError: One does; turns are counted from 1.
    """
    for nth, one in enumerate(turns, start=1):
        if one.role != "system" and not one.text.strip():
            raise ValueError(f"must have words in every turn, and turn {nth} ({one.role}) has none")


def exchange(turns: Sequence[Message]) -> Exchange:
    """A whole dialogue, whose last turn is the answer.

    Raises:
        ValueError: It does not end with the assistant, or as `prompt_of`.
    """
    if not turns or turns[-1].role != "assistant":
        raise ValueError("must end with the assistant, whose answer it is")
    return Exchange(*prompt_of(turns[:-1]), turns[-1].text)
