"""Preference pairs as token rows, and how many pairs are dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.components.trainers.held_out import prompt_digest, split_held_out
from assay.core.errors import FieldError, RecipeError
from assay.core.sample import Sample
from assay.models.text.chat import answered
from assay.text.instructions.dialogues import conversation

EQUAL, MISSING, UNPREFERRED, LONG, CUT = "equal answers", "missing side", "unpreferred", "too long", "cut"


@dataclass(frozen=True)
class PairRow:
    """Two answers to one prompt, each as the tokens of the whole conversation."""

    id: str
    """Id of the sample."""
    prompt: str
    """Digest of the prompt."""
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    start: int
    """Index of the first answer token: the first token of either conversation that is not of the prompt."""
    margin: float = 0.0


@dataclass(frozen=True)
class PairRows:
    """Training rows, held-out rows, and the number of dropped or cut pairs by reason."""

    learned: tuple[PairRow, ...]
    held_out: tuple[PairRow, ...]
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class PairReader:
    """Settings of the tokenization of pairs."""

    owner: str
    """Name of the trainer, for messages."""
    model: str
    """Reference of the start, for messages."""
    tokenizer: Any
    max_length: int
    """Maximum number of tokens of a prompt and its answer."""
    margins: bool = False
    """Whether to read the margins of pairs."""


def is_usable_pair(sample: Sample) -> bool:
    """Whether a sample has an instruction and two different answers, one of them preferred."""
    return bool(str(sample.fields.get("instruction", "")).strip()) and not drop_reason(sample)


def drop_reason(sample: Sample) -> str:
    """Reason to drop a pair that is known before tokenization; "" if there is none."""
    chosen, rejected = (_answer(sample, side) for side in ("chosen", "rejected"))
    if not (chosen and rejected):
        return MISSING
    if "verdict" in sample.fields and sample.text("verdict"):
        return UNPREFERRED
    return EQUAL if chosen == rejected else ""


def pair_rows(samples: Sequence[Sample], reader: PairReader, held_out: float) -> PairRows:
    """Tokenize pairs and split off those of the fraction `held_out` of the prompts (`split_held_out`).

    Pairs are dropped for the first reason that applies: "missing side" (an answer is missing or blank), "unpreferred"
    (a `verdict` that is not ""), "equal answers" (as texts or as tokens), "too long" (the prompt fills `max_length`
    tokens, or the truncated answers are equal). "cut" counts the pairs that are kept with a truncated answer.

    Raises:
        RecipeError: No pair is usable.
        FieldError: A sample has no instruction, an invalid history, or a margin that is not a number of 0 or more.
        ModelError: The chat template rejects a conversation.
    """
    dropped = dict.fromkeys((EQUAL, MISSING, UNPREFERRED, LONG, CUT), 0)
    usable: list[Sample] = []
    rows: dict[str, PairRow] = {}
    for sample in samples:
        reason, row = drop_reason(sample), None
        if not reason:
            row, reason = _row(sample, reader)
        if reason:
            dropped[reason] += 1
        if row is not None:
            usable.append(sample)
            rows[sample.id] = row
    if not usable:
        counts = ", ".join(f"{count} {name}" for name, count in dropped.items() if count)
        longer = f"Raise {reader.owner}.max_length."
        raise RecipeError(
            f"{reader.owner} cannot learn from any of {len(samples)} pairs: {counts or 'there are none'}.",
            hint=longer if dropped[LONG] else "A pair needs two different answers, one preferred.",
        )
    training, evaluation = split_held_out(usable, held_out)
    return PairRows(tuple(rows[one.id] for one in training), tuple(rows[one.id] for one in evaluation), dropped)


def _row(sample: Sample, reader: PairReader) -> tuple[PairRow | None, str]:
    """The row of a pair, if it is usable, and the reason under which the pair is counted."""
    prompt = conversation(sample)
    answers = (_answer(sample, "chosen"), _answer(sample, "rejected"))
    (chosen, first), (rejected, second) = (
        answered(reader.tokenizer, prompt, answer, reader.model) for answer in answers
    )
    start = min(first, second)
    if chosen == rejected:
        return None, EQUAL
    cut = tuple(chosen[: reader.max_length]), tuple(rejected[: reader.max_length])
    if start >= reader.max_length or cut[0] == cut[1]:
        return None, LONG
    margin = _margin(sample) if reader.margins else 0.0
    row = PairRow(sample.id, prompt_digest(sample), *cut, start, margin)
    return row, CUT if max(len(chosen), len(rejected)) > reader.max_length else ""


def _answer(sample: Sample, side: str) -> str:
    return sample.text(side).strip() if side in sample.fields else ""


def _margin(sample: Sample) -> float:
    text = sample.text("margin")
    try:
        margin = float(text)
    except ValueError:
        margin = math.nan
    if not (math.isfinite(margin) and margin >= 0):
        raise FieldError(f"The margin of sample {sample.id} must be a number of 0 or more, was {text!r}.")
    return margin


def accuracy(margins: Sequence[float]) -> float:
    """Fraction of margins above 0; a margin of exactly 0 counts one half."""
    return sum((margin > 0) + 0.5 * (margin == 0) for margin in margins) / len(margins)
