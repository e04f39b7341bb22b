"""Preference pairs from files: the formats of TRL and HH-RLHF, and tasks with two answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from assay.components.sources.files.records import (
    Record,
    check_limit,
    check_path,
    csv_records,
    digest_of,
    json_records,
    jsonl_records,
    shorten,
)
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.text.instructions.dialogues import (
    PreferenceDialogue,
    is_hh_rlhf,
    parse_dialogue,
    parse_history,
    parse_turns,
    split_prompt,
    write_history,
)
from assay.text.prompting.rankings import EQUAL, FIELDS, MISSING, ONE_SIDED, UNREADABLE

_READERS: Mapping[str, Callable[[Path, Sequence[str], str], list[Record]]] = {
    ".jsonl": jsonl_records,
    ".ndjson": jsonl_records,
    ".json": json_records,
    ".csv": csv_records,
}
_SIDES = ("chosen", "rejected")
_COPIED = ("output", "language", "label", *FIELDS[2:])
"""Fields that are copied if a file has them, such as one that assay wrote."""


@dataclass(frozen=True)
class PreferencePairs:
    r"""The first `limit` pairs of a .jsonl, .json or .csv file, in its order: a prompt, a chosen and a rejected answer.

    Each record is {"prompt", "chosen", "rejected"}, or {"history", "instruction", "input", "chosen", "rejected"}, where
    `history` (messages) and `input` are optional. Prompt and answers are texts, or lists of messages, such as {"role":
    "user", "content": "Hi."}. The prompt is optional if both answers are whole dialogues that begin with it, as lists
    or as HH-RLHF's strings ("\n\nHuman: Hi.\n\nAssistant: Hello."); only their last turns are the two answers. A
    system message is put before the first user message.

    Fields: instruction, input, history ("" if there is none), chosen, rejected, origin; verdict, "equal" if both
    answers are the same, else that of the file or ""; and the other fields of a pair if the file has them.

    A pair is broken if an answer is missing, if the answers have different prompts, or if a dialogue is invalid. With
    "refuse" that is an error that names the line; with "drop" it is a sample with the verdict "missing", "one-sided"
    or "unreadable", which the filter `ClearPreference` drops and counts.

    Source: TRL, "Dataset formats and types", preference (standard and conversational, explicit and implicit prompt);
    Bai et al. 2022, Anthropic/hh-rlhf. Difference from TRL's `extract_prompt`: the common prompt consists of whole
    turns, not of the common prefix of two strings.
    """

    path: str
    broken: Literal["refuse", "drop"] = "refuse"
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("PreferencePairs", self.path, "a file of pairs")
        check_limit("PreferencePairs", "limit", self.limit)
        if self.broken not in ("refuse", "drop"):
            raise ValueError(f"PreferencePairs.broken must be one of refuse, drop, was {self.broken!r}.")

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Return the pairs.

        Raises:
            SourceError: The file or a record is invalid; the message names the line, or the item of a list.
        """
        file = Path(self.path)
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise SourceError(f"Expected a {', '.join(_READERS)} file of pairs, was given {file.name!r}.")
        records = reader(file, (), "a file of pairs")
        if not records:
            raise SourceError(f"{file} has no pairs.", hint="Expected prompt, chosen and rejected.")
        return [self._sample(record) for record in records[: self.limit]]

    def _sample(self, record: Record) -> Sample:
        copied = {name: value for name in _COPIED if isinstance(value := record.values.get(name), str)}
        fields = {**dict.fromkeys(FIELDS, ""), **{name: record.whole(value, name) for name, value in copied.items()}}
        try:
            history, instruction, input_text, *sides = _parse(record)
        except _BrokenPair as problem:
            if self.broken == "refuse":
                raise record.problem(
                    problem.message, problem.hint or "`broken: drop` drops and counts such pairs."
                ) from None
            raw = {name: _raw(record, name) for name in ("instruction", "input", *_SIDES)}
            return Sample({**fields, "history": "", **raw, "verdict": problem.verdict, "origin": record.origin})
        answers = [text.strip() for text in sides]
        for name, text in (("prompt", instruction), ("history", history), *zip(_SIDES, answers, strict=True)):
            record.whole(text, name)
        pair = {
            "instruction": instruction,
            "input": input_text,
            "history": history,
            **dict(zip(_SIDES, answers, strict=True)),
        }
        same = answers[0] == answers[1]
        return Sample({**fields, **pair, "verdict": EQUAL if same else fields["verdict"], "origin": record.origin})


class _BrokenPair(Exception):
    """Why a pair is broken, with its verdict."""

    def __init__(self, verdict: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.verdict, self.message, self.hint = verdict, message, hint


def _raw(record: Record, name: str) -> str:
    """Text of a field of a broken record, for inspection."""
    value = record.values.get(name)
    return record.whole(value, name) if isinstance(value, str) else ""


def _parse(record: Record) -> tuple[str, str, str, str, str]:
    """(history, instruction, input, chosen, rejected)."""
    for side in _SIDES:
        if record.values.get(side) in (None, [], "") or _is_blank(record.values[side]):
            raise _BrokenPair(MISSING, f"{side} is missing or blank.", _columns_hint(record))
    if record.values.get("instruction") is not None:
        return _task(record)
    raw = record.values.get("prompt")
    prompt = None if raw is None else _prompt(raw)
    chosen, rejected = (_side(record, side, prompt) for side in _SIDES)
    if (chosen.history, chosen.instruction) != (rejected.history, rejected.instruction):
        raise _BrokenPair(
            ONE_SIDED,
            f"chosen and rejected: prompts differ: {shorten(chosen.instruction)} and {shorten(rejected.instruction)}.",
        )
    return write_history(chosen.history), chosen.instruction, "", chosen.answer, rejected.answer


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def _columns_hint(record: Record) -> str:
    return f"There are {', '.join(record.values)}. `broken: drop` drops and counts such pairs."


def _task(record: Record) -> tuple[str, str, str, str, str]:
    """Read a task with two answers."""
    for name in ("instruction", "input", *_SIDES):
        if not isinstance(value := record.values.get(name, ""), str | None):
            raise _BrokenPair(UNREADABLE, f"{name} must be text if there is an instruction, was {shorten(value)}.")
    values = {name: str(record.values.get(name) or "") for name in ("instruction", "input", *_SIDES)}
    if not values["instruction"].strip():
        raise _BrokenPair(MISSING, "instruction is blank.")
    try:
        history = write_history(parse_history(record.values.get("history")))
    except ValueError as error:
        raise _BrokenPair(UNREADABLE, f"history {error}.") from error
    return history, values["instruction"], values["input"], values["chosen"], values["rejected"]


def _prompt(value: object) -> PreferenceDialogue:
    """The prompt, as an exchange without an answer."""
    if isinstance(value, str) and not is_hh_rlhf(value):
        if not value.strip():
            raise _BrokenPair(MISSING, "prompt is blank.")
        return PreferenceDialogue((), value, "")
    try:
        turns = parse_turns(value)
        if turns and turns[-1].role == "assistant" and not turns[-1].text:
            turns.pop()  # HH-RLHF's prompts end with "Assistant:"
        return PreferenceDialogue(*split_prompt(turns), "")
    except ValueError as error:
        raise _BrokenPair(UNREADABLE, f"prompt {error}.") from error


def _side(record: Record, name: str, prompt: PreferenceDialogue | None) -> PreferenceDialogue:
    """The prompt and the answer of one side."""
    value = record.values[name]
    if isinstance(value, str) and prompt is not None:
        raw = record.values["prompt"]
        repeated = isinstance(raw, str) and is_hh_rlhf(raw)  # then answers may begin with it
        return PreferenceDialogue(prompt.history, prompt.instruction, value.removeprefix(raw) if repeated else value)
    if isinstance(value, str) and not is_hh_rlhf(value):
        raise _BrokenPair(MISSING, "there is no prompt, and the answers are not dialogues.", _columns_hint(record))
    try:
        turns = parse_turns(value)
        if prompt is not None and len(turns) == 1 and turns[0].role == "assistant":
            dialogue = PreferenceDialogue(prompt.history, prompt.instruction, turns[0].text)
        else:
            dialogue = parse_dialogue(turns)
    except ValueError as error:
        raise _BrokenPair(UNREADABLE, f"{name} {error}.") from error
    if not dialogue.answer:
        raise _BrokenPair(MISSING, f"{name} is missing or blank: its last turn is empty.")
    if prompt is not None and dialogue.instruction.strip() != prompt.instruction.strip():
        prompts = f"{shorten(dialogue.instruction)}, not {shorten(prompt.instruction)}"
        raise _BrokenPair(ONE_SIDED, f"{name} has another prompt than `prompt`: {prompts}.")
    return dialogue
