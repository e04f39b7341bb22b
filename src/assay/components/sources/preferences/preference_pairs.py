"""Ready-made pairs of answers: the preference data sets of TRL and of HH-RLHF, and tasks with two answers."""

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
    shown,
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
_TOLD = ("output", "language", "label", *FIELDS[2:])
"""Fields that are taken over where a file has them, such as one that assay wrote."""


@dataclass(frozen=True)
class PreferencePairs:
    r"""The first `limit` pairs of a .jsonl, .json or .csv file, in its order: a prompt, what was chosen, what rejected.

    Each record is {"prompt", "chosen", "rejected"}, or {"history", "instruction", "input", "chosen", "rejected"}, where
    `history` (messages) and `input` may lack. Prompt and answers are texts, or lists of messages, such as {"role":
    "user", "content": "Hi."}. The prompt may lack where both answers are whole dialogues that begin with it, as lists
    or as HH-RLHF's strings ("\n\nHuman: Hi.\n\nAssistant: Hello."); only their last turns are the two answers. A
    system's words stand before the user's first.

    Fields: instruction, input, history ("" where nothing was said before), chosen, rejected, origin; verdict, "equal"
    where both answers are the same, else what the file says or ""; the others of a pair as far as the file has them.

    A pair is broken where a side is missing, where the two answer different prompts, or where a dialogue cannot be
    read. With "refuse" that is an error that names the line; with "drop" it is a sample with the verdict "missing",
    "one-sided" or "unreadable", so that the filter `ClearPreference` drops and counts it.

    Source: TRL, "Dataset formats and types", preference (standard and conversational, explicit and implicit prompt);
    Bai et al. 2022, Anthropic/hh-rlhf. Where we differ from TRL's `extract_prompt`: a prompt is found by whole turns,
    never by the characters that two strings begin with.
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
        """The pairs.

        Raises:
            SourceError: The file or a record is not as expected; the message names the line, or the item of a list.
        """
        file = Path(self.path)
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise SourceError(f"Expected a {', '.join(_READERS)} file of pairs, was given {file.name!r}.")
        records = reader(file, (), "a file of pairs")
        if not records:
            raise SourceError(f"{file} holds no pair.", hint="Expected prompt, chosen and rejected.")
        return [self._sample(record) for record in records[: self.limit]]

    def _sample(self, record: Record) -> Sample:
        told = {name: value for name in _TOLD if isinstance(value := record.values.get(name), str)}
        fields = {**dict.fromkeys(FIELDS, ""), **{name: record.whole(value, name) for name, value in told.items()}}
        try:
            history, instruction, given, *sides = _read(record)
        except _Broken as wrong:
            if self.broken == "refuse":
                raise record.problem(
                    wrong.message, wrong.hint or "`broken: drop` drops and counts such pairs."
                ) from None
            raw = {name: _raw(record, name) for name in ("instruction", "input", *_SIDES)}
            return Sample({**fields, "history": "", **raw, "verdict": wrong.verdict, "origin": record.origin})
        answers = [text.strip() for text in sides]
        for name, text in (("prompt", instruction), ("history", history), *zip(_SIDES, answers, strict=True)):
            record.whole(text, name)
        pair = {
            "instruction": instruction,
            "input": given,
            "history": history,
            **dict(zip(_SIDES, answers, strict=True)),
        }
        same = answers[0] == answers[1]
        return Sample({**fields, **pair, "verdict": EQUAL if same else fields["verdict"], "origin": record.origin})


class _Broken(Exception):
    """Why a pair is none."""

    def __init__(self, verdict: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.verdict, self.message, self.hint = verdict, message, hint


def _raw(record: Record, name: str) -> str:
    """What a broken record has as text, for whoever looks at it."""
    value = record.values.get(name)
    return record.whole(value, name) if isinstance(value, str) else ""


def _read(record: Record) -> tuple[str, str, str, str, str]:
    """History, instruction, input, chosen and rejected."""
    for side in _SIDES:
        if record.values.get(side) in (None, [], "") or _blank(record.values[side]):
            raise _Broken(MISSING, f"{side} is missing or blank.", _has(record))
    if record.values.get("instruction") is not None:
        return _task(record)
    told = record.values.get("prompt")
    prompt = None if told is None else _prompt(told)
    one, two = (_side(record, side, prompt) for side in _SIDES)
    if (one.history, one.instruction) != (two.history, two.instruction):
        raise _Broken(
            ONE_SIDED,
            f"chosen and rejected answer different prompts: {shown(one.instruction)} and {shown(two.instruction)}.",
        )
    return write_history(one.history), one.instruction, "", one.answer, two.answer


def _blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def _has(record: Record) -> str:
    return f"There are {', '.join(record.values)}. `broken: drop` drops and counts such pairs."


def _task(record: Record) -> tuple[str, str, str, str, str]:
    """A task with two answers."""
    for name in ("instruction", "input", *_SIDES):
        if not isinstance(value := record.values.get(name, ""), str | None):
            raise _Broken(UNREADABLE, f"{name} must be text where there is an instruction, was {shown(value)}.")
    values = {name: str(record.values.get(name) or "") for name in ("instruction", "input", *_SIDES)}
    if not values["instruction"].strip():
        raise _Broken(MISSING, "instruction is blank.")
    try:
        history = write_history(parse_history(record.values.get("history")))
    except ValueError as error:
        raise _Broken(UNREADABLE, f"history {error}.") from error
    return history, values["instruction"], values["input"], values["chosen"], values["rejected"]


def _prompt(value: object) -> PreferenceDialogue:
    """What `prompt` says; no answer yet."""
    if isinstance(value, str) and not is_hh_rlhf(value):
        if not value.strip():
            raise _Broken(MISSING, "prompt is blank.")
        return PreferenceDialogue((), value, "")
    try:
        turns = parse_turns(value)
        if turns and turns[-1].role == "assistant" and not turns[-1].text:
            turns.pop()  # HH-RLHF's prompts end with "Assistant:"
        return PreferenceDialogue(*split_prompt(turns), "")
    except ValueError as error:
        raise _Broken(UNREADABLE, f"prompt {error}.") from error


def _side(record: Record, name: str, prompt: PreferenceDialogue | None) -> PreferenceDialogue:
    """The prompt of one side, and its answer."""
    value = record.values[name]
    if isinstance(value, str) and prompt is not None:
        told = record.values["prompt"]
        spoken = isinstance(told, str) and is_hh_rlhf(told)  # then answers may begin with it
        return PreferenceDialogue(prompt.history, prompt.instruction, value.removeprefix(told) if spoken else value)
    if isinstance(value, str) and not is_hh_rlhf(value):
        raise _Broken(
            MISSING, "there is no prompt, and the answers are no dialogues that begin with one.", _has(record)
        )
    try:
        turns = parse_turns(value)
        if prompt is not None and len(turns) == 1 and turns[0].role == "assistant":
            found = PreferenceDialogue(prompt.history, prompt.instruction, turns[0].text)
        else:
            found = parse_dialogue(turns)
    except ValueError as error:
        raise _Broken(UNREADABLE, f"{name} {error}.") from error
    if not found.answer:
        raise _Broken(MISSING, f"{name} is missing or blank: its last turn says nothing.")
    if prompt is not None and found.instruction.strip() != prompt.instruction.strip():
        both = f"{shown(found.instruction)}, not {shown(prompt.instruction)}"
        raise _Broken(ONE_SIDED, f"{name} answers another prompt than the one given: {both}.")
    return found
