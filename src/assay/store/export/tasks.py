"""The layouts of an export that training code for chat models reads: tasks, or prompts and the texts they gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.core.completions import Message
from assay.core.errors import StoreError
from assay.core.sample import Sample
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.text.instructions.dialogues import conversation

FIELDS = (("instruction", "output"), ("prompt", "text"))
"""What is asked and what is answered, of a task and of a text that was written to a prompt."""
_SHAREGPT = {"user": "human", "assistant": "gpt"}


def write_alpaca(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.json: one list of objects with instruction, input and output; of dialogues history too, [user, assistant]s.

    Source: Taori et al. 2023, "Alpaca", alpaca_data.json; the history is LLaMA-Factory's (data/README.md).
    """
    tasks = _tasks(samples)
    dialogues = any(len(task.turns) > 2 for task in tasks)
    _write_list(folder, (task.alpaca(dialogues) for task in tasks))


def write_sharegpt(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.json: one list of conversations of a human and gpt, as training code for Vicuna reads it."""
    rows = [[{"from": _SHAREGPT[one.role], "value": one.text} for one in task.turns] for task in _tasks(samples)]
    _write_list(folder, ({"conversations": row} for row in rows))


def write_messages(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.jsonl: a conversation of user and assistant a line, as chat templates, TRL and `SeedTasks` take it."""
    tasks = _tasks(samples)
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for task in tasks:
            said = [{"role": one.role, "content": one.text} for one in task.turns]
            file.write(json.dumps({"messages": said}, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class ChatTask:
    """A task or a dialogue with its answer."""

    instruction: str
    input: str
    output: str
    turns: tuple[Message, ...]
    """The whole of it: what was said before, what is asked, and the answer."""

    def alpaca(self, dialogues: bool) -> Mapping[str, object]:
        """A row of Alpaca's form; with a history where the others have one too."""
        row = {"instruction": self.instruction, "input": self.input, "output": self.output}
        said = [one.text for one in self.turns[:-2]]
        pairs = [list(pair) for pair in zip(said[::2], said[1::2], strict=True)]
        return {**row, "history": pairs} if dialogues else row


def _tasks(samples: Sequence[Sample]) -> list[ChatTask]:
    return [_task(sample) for sample in samples]


def _task(sample: Sample) -> ChatTask:
    for asked, answered in FIELDS:
        pair = [value for name in (asked, answered) if isinstance(value := sample.fields.get(name), str)]
        if len(pair) == 2:
            given = "input" if asked == "instruction" and isinstance(sample.fields.get("input"), str) else ""
            turns = conversation(sample, instruction=asked, input=given)
            return ChatTask(
                pair[0], sample.text(given) if given else "", pair[1], (*turns, Message("assistant", pair[1]))
            )
    raise StoreError(
        f"Sample {sample.id} is no task: it has no text fields instruction and output, nor prompt and text.",
        hint=f"It has {', '.join(sorted(sample.fields)) or 'none'}. Export it as hf, jsonl or imagefolder.",
    )


def _write_list(folder: Path, rows: Iterator[Mapping[str, object]]) -> None:
    """A JSON list with an object a line, written as it goes."""
    with disk_errors(folder), (folder / "data.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for nth, row in enumerate(rows):
            file.write((",\n" if nth else "\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
