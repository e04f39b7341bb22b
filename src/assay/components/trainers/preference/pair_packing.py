"""A batch of pairs in one line of tokens: no padding, and what the two answers of a pair begin with is read once.

Under causal attention a token's state depends on what came before it alone, so the state of a prompt is the same before
both of its answers (Wang and Hegde 2024, "Accelerating Direct Preference Optimization with Prefix Sharing", section 3).
They train two answers in one row by a mask of blocks; here each answer attends to its own words by torch's plain causal
attention, which is quicker on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.components.trainers.sft.model import attend_by, attends_plainly, lies_in_a_line

if TYPE_CHECKING:
    import torch

PAIR_BY_PAIR = "assay_pair_by_pair"
Pair = tuple[int, int, int, int]
"""Places in a line: where what is shared begins, where it ends, where the first row ends, where the second one does."""
SCALED = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
"""What the configuration of a model has that does something to logits before they are used."""


@dataclass(frozen=True)
class Line:
    """Rows of a batch, the first of every pair and then the second ones, in a line."""

    ids: torch.Tensor
    """(1, n)"""
    positions: torch.Tensor
    """(1, n): in its own row."""
    pairs: tuple[Pair, ...]
    places: torch.Tensor
    """(rows, width): where in the line a token of the padded batch lies; 0 where that is padding."""


def in_a_line(ids: torch.Tensor, mask: torch.Tensor) -> Line:
    """Of a batch that is padded on the right, (2 pairs, width)."""
    import torch

    rows = [row[: int(length)] for row, length in zip(ids, mask.sum(1), strict=True)]
    half = len(rows) // 2
    places = torch.zeros_like(ids)
    pieces, positions, pairs, begin = list[torch.Tensor](), list[torch.Tensor](), list[Pair](), 0
    for nth in range(half):
        one, two = rows[nth], rows[half + nth]
        least = min(len(one), len(two))
        shared = int((one[:least] == two[:least]).long().cumprod(0).sum())
        middle = begin + len(one)
        end = middle + len(two) - shared
        pieces += [one, two[shared:]]
        positions += [torch.arange(len(one)), torch.arange(shared, len(two))]
        pairs.append((begin, begin + shared, middle, end))
        places[nth, : len(one)] = torch.arange(begin, middle)
        places[half + nth, :shared] = torch.arange(begin, begin + shared)
        places[half + nth, shared : len(two)] = torch.arange(middle, end)
        begin = end
    return Line(torch.cat(pieces)[None], torch.cat(positions)[None].to(ids.device), tuple(pairs), places)


def fits_in_a_line(model: Any) -> bool:
    """Whether `model` is one whose states and logits are made as this module makes them."""
    return bool(
        lies_in_a_line(model)
        and attends_plainly(model)
        and not hasattr(model.config, "output_router_logits")
        and all(getattr(model.config, name, None) is None for name in SCALED)
    )


def attend_pair_by_pair(model: Any) -> None:
    """Lets `model`, one that fits, attend within each row of a line by itself."""
    attend_by(model, PAIR_BY_PAIR, _pair_by_pair)


def states(body: Any, line: Line) -> torch.Tensor:
    """The last layer's states of a line, (n, width), by the body of a model that attends pair by pair."""
    found = body(input_ids=line.ids, position_ids=line.positions, use_cache=False, pairs=line.pairs)
    last: torch.Tensor = found.last_hidden_state[0]
    return last


def _pair_by_pair(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: None, **more: Any
) -> tuple[torch.Tensor, None]:
    """Shape: (1, heads, tokens, width) to (1, tokens, heads, width)."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    pairs: tuple[Pair, ...] = more.pop("pairs")
    more.pop("is_causal", None)

    def attended(*parts: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = sdpa_attention_forward(module, *parts, None, is_causal=True, **more)[0]
        return seen

    found = []
    for begin, shared, middle, end in pairs:
        found.append(attended(*(part[:, :, begin:middle] for part in (query, key, value))))
        if middle < end:
            second = ([part[:, :, begin:shared], part[:, :, middle:end]] for part in (query, key, value))
            found.append(attended(*(torch.cat(parts, 2) for parts in second))[:, shared - begin :])
    return torch.cat(found, 1), None
