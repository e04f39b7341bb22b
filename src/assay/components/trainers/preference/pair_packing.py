"""A batch of pairs packed into one token sequence: no padding, and the common prefix of two answers is read once.

Under causal attention a token's state depends only on the tokens before it, so the state of a prompt is the same for
both answers (Wang and Hegde 2024, "Accelerating Direct Preference Optimization with Prefix Sharing", section 3). They
train two answers in one row with a block mask; here each answer attends to its own tokens by torch's plain causal
attention, which is faster on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.components.trainers.language_model import has_plain_attention, set_attention, supports_packing

if TYPE_CHECKING:
    import torch

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
