"""Pairs of a chosen and a rejected answer as tokens, and how many of them nothing can be learned from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.components.trainers.preference.held_out import held_back, prompt_of
from assay.core.errors import FieldError, RecipeError
from assay.core.sample import Sample
from assay.models.text.chat import answered
from assay.text.instructions.dialogues import conversation

EQUAL, MISSING, UNPREFERRED, LONG, CUT = "equal answers", "missing side", "unpreferred", "too long", "cut"


@dataclass(frozen=True)
class PairRow:
    """Two answers to one prompt, each as the tokens of the whole conversation."""

    id: str
    """Of the sample."""
    prompt: str
    """Digest of what is asked."""
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    start: int
    """Where the answers begin: at the first token that is no more of the prompt in one of them."""
    margin: float = 0.0


@dataclass(frozen=True)
class PairRows:
    """What is learned from, what is held back, and how many pairs were left out or cut."""

    learned: tuple[PairRow, ...]
    held: tuple[PairRow, ...]
    left: Mapping[str, int]


@dataclass(frozen=True)
class Reader:
    """By what pairs are read as tokens."""

    owner: str
    """The trainer, as messages name it."""
    model: str
    """Reference of the start, as messages name it."""
    tokenizer: Any
    max_length: int
    """Tokens of a prompt and its answer."""
    margins: bool = False
    """Whether the margins of pairs are read too."""


def learnable(sample: Sample) -> bool:
    """Whether it is a pair, of two answers of which one is preferred, to something that is asked."""
    return bool(str(sample.fields.get("instruction", "")).strip()) and not unlearnable(sample)


def unlearnable(sample: Sample) -> str:
    """Why nothing can be learned from a pair, before it is read as tokens; "" where something can be."""
    chosen, rejected = (_said(sample, side) for side in ("chosen", "rejected"))
    if not (chosen and rejected):
        return MISSING
    if "verdict" in sample.fields and sample.text("verdict"):
        return UNPREFERRED
    return EQUAL if chosen == rejected else ""


def pair_rows(samples: Sequence[Sample], reader: Reader, held_out: float) -> PairRows:
    """`samples` as rows; those of `held_out` of the prompts apart (`held_back`).

    Left out, by the first reason that holds: "missing side" (an answer is missing or blank), "unpreferred" (a `verdict`
    that is not ""), "equal answers" (they look alike, or give the same tokens), "too long" (the prompt fills
    `max_length` tokens, or the answers are equal in what is left of them). "cut" counts pairs that are learned from and
    whose longer answer lost its end.

    Raises:
        RecipeError: No pair is left to learn from.
        FieldError: A sample has no instruction or a history that is none, or a margin that is wanted is no number of 0
            or more.
        ModelError: The chat template refuses a conversation.
    """
    left = dict.fromkeys((EQUAL, MISSING, UNPREFERRED, LONG, CUT), 0)
    usable: list[Sample] = []
    rows: dict[str, PairRow] = {}
    for sample in samples:
        why, row = unlearnable(sample), None
        if not why:
            row, why = _row(sample, reader)
        if why:
            left[why] += 1
        if row is not None:
            usable.append(sample)
            rows[sample.id] = row
    if not usable:
        told = ", ".join(f"{count} {name}" for name, count in left.items() if count)
        longer = f"Raise {reader.owner}.max_length."
        raise RecipeError(
            f"{reader.owner} cannot learn from any of {len(samples)} pairs: {told or 'there are none'}.",
            hint=longer if left[LONG] else "A pair needs two different answers, one preferred.",
        )
    learned, held = held_back(usable, held_out)
    return PairRows(tuple(rows[one.id] for one in learned), tuple(rows[one.id] for one in held), left)


def _row(sample: Sample, reader: Reader) -> tuple[PairRow | None, str]:
    """The row, if there is one, and what is counted of it."""
    asked = conversation(sample)
    answers = (_said(sample, "chosen"), _said(sample, "rejected"))
    (chosen, first), (rejected, second) = (
        answered(reader.tokenizer, asked, answer, reader.model) for answer in answers
    )
    start = min(first, second)
    if chosen == rejected:
        return None, EQUAL
    ends = tuple(chosen[: reader.max_length]), tuple(rejected[: reader.max_length])
    if start >= reader.max_length or ends[0] == ends[1]:
        return None, LONG
    margin = _margin(sample) if reader.margins else 0.0
    row = PairRow(sample.id, prompt_of(sample), *ends, start, margin)
    return row, CUT if max(len(chosen), len(rejected)) > reader.max_length else ""


def _said(sample: Sample, side: str) -> str:
    return sample.text(side).strip() if side in sample.fields else ""


def _margin(sample: Sample) -> float:
    written = sample.text("margin")
    try:
        margin = float(written)
    except ValueError:
        margin = math.nan
    if not (math.isfinite(margin) and margin >= 0):
        raise FieldError(f"The margin of sample {sample.id} must be a number of 0 or more, was {written!r}.")
    return margin


def accuracy(margins: Sequence[float]) -> float:
    """Share of margins above 0; one of exactly 0 counts half, as a guess would be right half of the time."""
    return sum((margin > 0) + 0.5 * (margin == 0) for margin in margins) / len(margins)
