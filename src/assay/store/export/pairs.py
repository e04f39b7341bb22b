"""The layout of an export that trainers of preferences read: a prompt, the answer that was chosen, and the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from assay.core.errors import StoreError
from assay.core.sample import Sample
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.text.instructions.dialogues import conversation
from assay.text.prompting.rankings import SENTENCES

_SIDES = ("chosen", "rejected")


def write_preference(samples: Sequence[Sample], images: StoredImages, folder: Path) -> None:
    """data.jsonl: prompt, chosen and rejected a line, each a list of messages; a dialogue's history is in the prompt.

    Source: TRL, "Dataset formats and types", the conversational preference format with an explicit prompt.

    Raises:
        StoreError: A sample is no pair, or none of which an answer is preferred.
        FieldError: A pair has a blank instruction, or a history that is none.
    """
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(_row(sample), ensure_ascii=False) + "\n")


def _row(sample: Sample) -> dict[str, list[dict[str, str]]]:
    sides = [value for name in _SIDES if isinstance(value := sample.fields.get(name), str)]
    if len(sides) < len(_SIDES):
        raise StoreError(
            f"Sample {sample.id} is no pair of answers: it has no text fields chosen and rejected.",
            hint=f"It has {', '.join(sorted(sample.fields)) or 'none'}. Export it as hf or jsonl.",
        )
    verdict = sample.text("verdict") if "verdict" in sample.fields else ""
    verdict = verdict or ("" if all(side.strip() for side in sides) else "missing")
    if verdict or sides[0].strip() == sides[1].strip():
        why = SENTENCES.get(verdict or "equal", f"It is {verdict!r}.")
        raise StoreError(
            f"No answer of pair {sample.id} is preferred. {why}",
            hint="Keep with Preferred, or export it as hf or jsonl.",
        )
    asked = [{"role": turn.role, "content": turn.text} for turn in conversation(sample)]
    answers = [[{"role": "assistant", "content": side}] for side in sides]
    return {"prompt": asked, "chosen": answers[0], "rejected": answers[1]}
