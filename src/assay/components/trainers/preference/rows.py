"""Preference pairs as token rows, and a batch of pairs packed into one sequence without padding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.components.trainers.checks import prompt_digest, split_held_out
from assay.components.trainers.language_model import has_plain_attention, set_attention, supports_packing
from assay.core.errors import FieldError, RecipeError
from assay.core.sample import Sample
from assay.models.text.requests import encode_answer
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    import torch

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
            name=reader.owner,
            samples=len(samples),
            dropped={name: count for name, count in dropped.items() if count},
        )
    training, evaluation = split_held_out(usable, held_out)
    return PairRows(
        tuple(rows[sample.id] for sample in training), tuple(rows[sample.id] for sample in evaluation), dropped
    )


def _row(sample: Sample, reader: PairReader) -> tuple[PairRow | None, str]:
    """The row of a pair, if it is usable, and the reason under which the pair is counted."""
    prompt = conversation(sample)
    answers = (_answer(sample, "chosen"), _answer(sample, "rejected"))
    (chosen, first), (rejected, second) = (
        encode_answer(reader.tokenizer, prompt, answer, reader.model) for answer in answers
    )
    start = min(first, second)
    if chosen == rejected:
        return None, EQUAL
    truncated = tuple(chosen[: reader.max_length]), tuple(rejected[: reader.max_length])
    if start >= reader.max_length or truncated[0] == truncated[1]:
        return None, LONG
    margin = _margin(sample) if reader.margins else 0.0
    row = PairRow(sample.id, prompt_digest(sample), *truncated, start, margin)
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
        raise FieldError(
            f"The margin of sample {sample.id} must be a number of 0 or more, was {text!r}.",
            name="margin",
            sample=sample.id,
            value=text,
        )
    return margin


def accuracy(margins: Sequence[float]) -> float:
    """Fraction of margins above 0; a margin of exactly 0 counts one half."""
    return sum((margin > 0) + 0.5 * (margin == 0) for margin in margins) / len(margins)


PER_PAIR_ATTENTION = "assay_pair_by_pair"
Pair = tuple[int, int, int, int]
"""Positions in the packed sequence: start and end of the common prefix, end of the first row, end of the second."""
SCALED = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
"""Attributes of a configuration that transform logits."""


@dataclass(frozen=True)
class PackedPairs:
    """The rows of a batch, first rows of all pairs and then second rows, packed into one sequence."""

    ids: torch.Tensor
    """(1, n)"""
    positions: torch.Tensor
    """(1, n): position of each token in its row."""
    pairs: tuple[Pair, ...]
    places: torch.Tensor
    """(rows, width): index in the packed sequence of each token of the padded batch; 0 at padding."""


def pack_pairs(ids: torch.Tensor, mask: torch.Tensor) -> PackedPairs:
    """Pack a batch that is padded on the right, (2 pairs, width)."""
    import torch

    rows = [row[: int(length)] for row, length in zip(ids, mask.sum(1), strict=True)]
    half = len(rows) // 2
    places = torch.zeros_like(ids)
    pieces, positions, pairs, begin = list[torch.Tensor](), list[torch.Tensor](), list[Pair](), 0
    for nth in range(half):
        first, second = rows[nth], rows[half + nth]
        shorter = min(len(first), len(second))
        shared = int((first[:shorter] == second[:shorter]).long().cumprod(0).sum())
        middle = begin + len(first)
        end = middle + len(second) - shared
        pieces += [first, second[shared:]]
        positions += [torch.arange(len(first)), torch.arange(shared, len(second))]
        pairs.append((begin, begin + shared, middle, end))
        places[nth, : len(first)] = torch.arange(begin, middle)
        places[half + nth, :shared] = torch.arange(begin, begin + shared)
        places[half + nth, shared : len(second)] = torch.arange(middle, end)
        begin = end
    return PackedPairs(torch.cat(pieces)[None], torch.cat(positions)[None].to(ids.device), tuple(pairs), places)


def supports_pair_packing(model: Any) -> bool:
    """Whether the states and logits of `model` can be computed as in this module."""
    return bool(
        supports_packing(model)
        and has_plain_attention(model)
        and not hasattr(model.config, "output_router_logits")
        and all(getattr(model.config, name, None) is None for name in SCALED)
    )


def use_per_pair_attention(model: Any) -> None:
    """Let `model`, which must support pair packing, attend within each row of a packed sequence."""
    set_attention(model, PER_PAIR_ATTENTION, _per_pair_attention)


def hidden_states(body: Any, packed: PackedPairs) -> torch.Tensor:
    """Last hidden states of a packed sequence, (n, width); `body` must use per-pair attention."""
    output = body(input_ids=packed.ids, position_ids=packed.positions, use_cache=False, pairs=packed.pairs)
    last: torch.Tensor = output.last_hidden_state[0]
    return last


def _per_pair_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: None, **more: Any
) -> tuple[torch.Tensor, None]:
    """Shape: (1, heads, tokens, width) to (1, tokens, heads, width)."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    pairs: tuple[Pair, ...] = more.pop("pairs")
    more.pop("is_causal", None)

    def attend(*parts: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = sdpa_attention_forward(module, *parts, None, is_causal=True, **more)[0]
        return output

    outputs = []
    for begin, shared, middle, end in pairs:
        outputs.append(attend(*(part[:, :, begin:middle] for part in (query, key, value))))
        if middle < end:
            second = ([part[:, :, begin:shared], part[:, :, middle:end]] for part in (query, key, value))
            outputs.append(attend(*(torch.cat(parts, 2) for parts in second))[:, shared - begin :])
    return torch.cat(outputs, 1), None
