"""The layouts of an export that training code for chat models reads: tasks, or prompts and the texts they gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from assay.core.errors import StoreError
from assay.core.sample import Sample
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.text.instructions import task_prompt

Task = tuple[str, str, str]
"""Instruction, input, output."""
FIELDS = (("instruction", "output"), ("prompt", "text"))
"""What is asked and what is answered, of a task and of a text that was written to a prompt."""


def write_alpaca(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.json: one list of objects with instruction, input and output.

    Source: Taori et al. 2023, "Alpaca", alpaca_data.json.
    """
    _write_list(folder, ({"instruction": a, "input": b, "output": c} for a, b, c in _tasks(samples)))


def write_sharegpt(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.json: one list of conversations of a human and gpt, as training code for Vicuna reads it."""
    rows = (
        {"conversations": [{"from": "human", "value": task_prompt(a, b)}, {"from": "gpt", "value": c}]}
        for a, b, c in _tasks(samples)
    )
    _write_list(folder, rows)


def write_messages(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.jsonl: a conversation of user and assistant a line, as chat templates and TRL take it."""
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for instruction, given, output in _tasks(samples):
            said = [
                {"role": "user", "content": task_prompt(instruction, given)},
                {"role": "assistant", "content": output},
            ]
            file.write(json.dumps({"messages": said}, ensure_ascii=False) + "\n")


def _tasks(samples: Sequence[Sample]) -> list[Task]:
    return [_task(sample) for sample in samples]


def _task(sample: Sample) -> Task:
    for asked, answered in FIELDS:
        pair = [value for name in (asked, answered) if isinstance(value := sample.fields.get(name), str)]
        if len(pair) == 2:
            given = sample.fields.get("input", "") if asked == "instruction" else ""
            return pair[0], given if isinstance(given, str) else "", pair[1]
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
