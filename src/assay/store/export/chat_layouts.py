"""Export layouts for training of chat models: alpaca, ShareGPT, messages and preference pairs."""

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
from assay.text.prompting.rankings import SENTENCES

PROMPT_ANSWER_FIELDS = (("instruction", "output"), ("prompt", "text"))
"""(prompt field, answer field) of tasks and of generated texts."""
_SHAREGPT = {"user": "human", "assistant": "gpt"}


def write_alpaca(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """Write data.json: a list of objects with instruction, input, output and, for dialogues, history.

    Source: Taori et al. 2023, "Alpaca", alpaca_data.json; history as in LLaMA-Factory (data/README.md).
    """
    tasks = _tasks(samples)
    dialogues = any(len(task.turns) > 2 for task in tasks)
    _write_list(folder, (task.alpaca(dialogues) for task in tasks))


def write_sharegpt(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """Write data.json: a list of ShareGPT conversations, as for Vicuna."""
    rows = [[{"from": _SHAREGPT[turn.role], "value": turn.text} for turn in task.turns] for task in _tasks(samples)]
    _write_list(folder, ({"conversations": row} for row in rows))


def write_messages(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """Write data.jsonl: one conversation per line, for chat templates, TRL and `SeedTasks`."""
    tasks = _tasks(samples)
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for task in tasks:
            messages = [{"role": turn.role, "content": turn.text} for turn in task.turns]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class ChatTask:
    """Task or dialogue with its answer."""

    instruction: str
    input: str
    output: str
    turns: tuple[Message, ...]
    """All messages: history, prompt and answer."""

    def alpaca(self, dialogues: bool) -> Mapping[str, object]:
        """Alpaca row; with `dialogues` also the history."""
        row = {"instruction": self.instruction, "input": self.input, "output": self.output}
        texts = [turn.text for turn in self.turns[:-2]]
        pairs = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
        return {**row, "history": pairs} if dialogues else row


def _tasks(samples: Sequence[Sample]) -> list[ChatTask]:
    return [_task(sample) for sample in samples]


def _task(sample: Sample) -> ChatTask:
    for prompt_field, answer_field in PROMPT_ANSWER_FIELDS:
        prompt, answer = sample.fields.get(prompt_field), sample.fields.get(answer_field)
        if isinstance(prompt, str) and isinstance(answer, str):
            has_input = prompt_field == "instruction" and isinstance(sample.fields.get("input"), str)
            input_field = "input" if has_input else ""
            turns = conversation(sample, instruction=prompt_field, input=input_field)
            context = sample.text(input_field) if input_field else ""
            return ChatTask(prompt, context, answer, (*turns, Message("assistant", answer)))
    raise StoreError(
        f"Sample {sample.id} is not a task: it needs text fields instruction and output, or prompt and text.",
        hint=f"It has {', '.join(sorted(sample.fields)) or 'none'}. Export it as hf, jsonl or imagefolder.",
    )


def _write_list(folder: Path, rows: Iterator[Mapping[str, object]]) -> None:
    """Stream a JSON list with one object per line."""
    with disk_errors(folder), (folder / "data.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for nth, row in enumerate(rows):
            file.write((",\n" if nth else "\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")


_ANSWER_FIELDS = ("chosen", "rejected")


def write_preference(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """Write data.jsonl: prompt (with history), chosen and rejected per line, each a list of messages.

    Source: TRL, "Dataset formats and types", conversational preference format with explicit prompt.

    Raises:
        StoreError: A sample is not a pair, or has no preferred answer.
        FieldError: A blank instruction or a malformed history.
    """
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(_row(sample), ensure_ascii=False) + "\n")


def _row(sample: Sample) -> dict[str, list[dict[str, str]]]:
    sides = [value for name in _ANSWER_FIELDS if isinstance(value := sample.fields.get(name), str)]
    if len(sides) < len(_ANSWER_FIELDS):
        raise StoreError(
            f"Sample {sample.id} is not a preference pair: it needs text fields chosen and rejected.",
            hint=f"It has {', '.join(sorted(sample.fields)) or 'none'}. Export it as hf or jsonl.",
        )
    verdict = sample.text("verdict") if "verdict" in sample.fields else ""
    verdict = verdict or ("" if all(side.strip() for side in sides) else "missing")
    if verdict or sides[0].strip() == sides[1].strip():
        why = SENTENCES.get(verdict or "equal", f"It is {verdict!r}.")
        raise StoreError(
            f"No answer of pair {sample.id} is preferred. {why}",
            hint="Keep with ClearPreference, or export it as hf or jsonl.",
        )
    prompt = [{"role": turn.role, "content": turn.text} for turn in conversation(sample)]
    answers = [[{"role": "assistant", "content": side}] for side in sides]
    return {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}
