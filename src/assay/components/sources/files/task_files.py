"""Files of tasks, in the format of Self-Instruct's seed tasks, of Alpaca or of chats.

One task: {"id": "seed_en_000", "name": "plural_noun", "language": "en", "instruction": "Give the plural form of the
noun.", "instances": [{"input": "knife", "output": "knives"}], "is_classification": false}. One dialogue: {"messages":
[{"role": "user", "content": "Name a fruit."}, {"role": "assistant", "content": "A pear."}]}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assay.components.sources.files.records import Record, json_records, jsonl_records, shorten
from assay.core.completions import Message
from assay.core.errors import SourceError, did_you_mean
from assay.text.instructions.dialogues import (
    PreferenceDialogue,
    check_nonempty_turns,
    parse_dialogue,
    parse_history,
    parse_turns,
    split_prompt,
    write_history,
)

SUFFIXES = (".jsonl", ".ndjson", ".json")
MESSAGES = "messages"
_EXPECTED = "a file of tasks"


@dataclass(frozen=True)
class FileTask:
    """A task of a file."""

    instruction: str
    instances: tuple[tuple[str, str], ...]
    """(input, output) of each; at least one."""
    name: str
    language: str
    classification: str
    origin: str
    id: str
    """"" if the file has none."""
    history: str | None = None
    """Earlier messages, as the field `history` of a sample; None in a file without dialogues."""

    def samples(self, last: int | None) -> Iterator[Mapping[str, str]]:
        """Fields of the first `last` instances, or of all; the origin of the second one ends in #2."""
        for nth, (input_text, output) in enumerate(self.instances[:last], start=1):
            yield {
                **({} if self.history is None else {"history": self.history}),
                "instruction": self.instruction,
                "input": input_text,
                "output": output,
                "name": self.name,
                "language": self.language,
                "classification": self.classification,
                "origin": self.origin if nth == 1 else f"{self.origin}#{nth}",
            }


def language_of(text: str) -> str:
    """Return "ko" if at least half of the words with letters have a letter of Hangul, else "en".

    By words, as a Korean word has fewer letters, and Korean particles follow foreign names without a space.
    """
    words = [word for word in text.split() if any(letter.isalpha() for letter in word)]
    korean = sum(any(_hangul(letter) for letter in word) for word in words)
    return "ko" if words and 2 * korean >= len(words) else "en"


def _hangul(letter: str) -> bool:
    """Whether a character is a syllable, a compatibility letter or a combining letter of Hangul."""
    return "가" <= letter <= "힣" or "\u3131" <= letter <= "\u318e" or "\u1100" <= letter <= "\u11ff"


def read_tasks(file: Path, *, skip_blank: bool = False) -> list[FileTask]:
    """Read all tasks of a .jsonl or .json file; with `skip_blank`, without instances whose output is blank.

    Raises:
        SourceError: The file or a task is invalid, an id is duplicated, or there is no task; the message names the
            line.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"Expected a {', '.join(SUFFIXES)} file of tasks, was given {str(file)!r}.",
            hint=did_you_mean(suffix, SUFFIXES) if suffix else "",
            path=str(file),
        )
    records = (json_records if suffix == ".json" else jsonl_records)(file, (), _EXPECTED)
    tasks = []
    origins: dict[str, str] = {}
    for record in records:
        task = _task(record, skip_blank)
        if task.id and origins.setdefault(task.id, record.origin) != record.origin:
            raise record.problem(f"the id {shorten(task.id)} is a duplicate of {origins[task.id]}.")
        if task.instances:
            tasks.append(task)
    if not tasks:
        raise SourceError(
            f"{file} has no task{' with an output' if records else ''}.", path=str(file), records=len(records)
        )
    if any(task.history is not None for task in tasks):
        # Filters read only fields that every sample has.
        tasks = [replace(task, history=task.history or "") for task in tasks]
    return tasks


def _task(record: Record, skip_blank: bool) -> FileTask:
    history: str | None = None
    if MESSAGES in record.values:
        history, instruction, output = _chat(record, skip_blank)
        instances = [("", output)]
    else:
        instruction = record.text("instruction")
        instances = [_instance(instance, skip_blank) for instance in _instances(record)]
        history = read_history_cell(record) if "history" in record.values else None
    return FileTask(
        instruction,
        tuple(instance for instance in instances if instance[1]),
        _optional(record, "name"),
        _language(record, instruction),
        _classification(record),
        record.origin,
        _optional(record, "id"),
        history,
    )


def _chat(record: Record, skip_blank: bool) -> tuple[str, str, str]:
    """(history, instruction, output); the output is "" if there is no answer and `skip_blank` is set."""
    try:
        turns = parse_turns(record.values[MESSAGES])
        check_nonempty_turns(turns[:-1])
        if turns[-1].role == "assistant" and turns[-1].text:
            dialogue = parse_dialogue(turns)
        elif skip_blank:
            dialogue = PreferenceDialogue(*split_prompt(turns[:-1] if turns[-1].role == "assistant" else turns), "")
        else:
            raise record.problem(
                f"{MESSAGES} must end with the assistant, whose answer is the output.",
                "`unanswered: skip` skips them.",
            )
    except ValueError as error:
        raise record.problem(f"{MESSAGES} {error}.") from error
    for message in (*dialogue.history, Message("user", dialogue.instruction), Message("assistant", dialogue.answer)):
        record.whole(message.text, MESSAGES)
    return write_history(dialogue.history), dialogue.instruction, dialogue.answer


def _instances(record: Record) -> Iterator[Record]:
    """Objects with an input and an output: those of Self-Instruct's format, or the task itself."""
    if "instances" not in record.values:
        if "output" not in record.values:
            raise record.problem(
                "there is neither 'instances', as in Self-Instruct's files, nor 'output', as in Alpaca's.",
                f"There are {_names(record)}.",
            )
        yield record
        return
    values = record.values["instances"]
    if not isinstance(values, list) or not values:
        raise record.problem(f"instances must be a list with at least one input and output, was {shorten(values)}.")
    for nth, value in enumerate(values, start=1):
        place = replace(record, place=f"{record.place}, instance {nth}", values={})
        if not isinstance(value, dict):
            raise place.problem(f"must be an object with input, output, was {shorten(value)}.")
        yield replace(place, values=value)


def _instance(record: Record, skip_blank: bool) -> tuple[str, str]:
    """(input, output); a blank output that is allowed is ""."""
    if "input" not in record.values:
        raise record.problem("there is no 'input'.", f'Write "" for no input. There are {_names(record)}.')
    input_text = _string(record, "input")
    blank = isinstance(output := record.values.get("output"), str) and not output.strip()
    if blank and not skip_blank:
        raise record.problem("output is blank.", "`unanswered: skip` skips them.")
    return input_text, "" if blank else record.text("output")


def _string(record: Record, key: str) -> str:
    """Text; "" if it is blank."""
    value = record.values[key]
    if not isinstance(value, str):
        raise record.problem(f"{key} must be text, was {shorten(value)}.")
    return record.whole(value, key) if value.strip() else ""


def _names(record: Record) -> str:
    return shorten(", ".join(record.values))[1:-1]


def _optional(record: Record, key: str) -> str:
    return "" if record.values.get(key) is None else _string(record, key)


def _language(record: Record, instruction: str) -> str:
    value = record.values.get("language")
    if value is None:
        return language_of(instruction)
    if value not in ("en", "ko"):
        raise record.problem(
            f"language must be 'en' or 'ko', was {shorten(value)}.",
            "Without it, the language is detected from the instruction's script.",
        )
    return str(value)


def _classification(record: Record) -> str:
    value = record.values.get("is_classification")
    if value is None:
        return ""
    if not isinstance(value, bool):
        raise record.problem(f"is_classification must be true or false, was {shorten(value)}.")
    return "yes" if value else "no"


def read_history_cell(record: Record, column: str = "history") -> str:
    """Return the field `history` from a list of messages, its JSON text, or pairs of texts; "" if there is none.

    Raises:
        SourceError: It has another form, user and assistant do not alternate, or a message is empty.
    """
    try:
        turns = parse_history(record.values.get(column))
    except ValueError as error:
        raise record.problem(f"{column} {error}.") from error
    for message in turns:
        record.whole(message.text, column)
    return write_history(turns)
