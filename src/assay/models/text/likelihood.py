"""How probable texts are after prompts: what many prompts begin with is read once, the rest without any padding.

A few-shot header is most of a prompt, and every question of a subject has the same. Its keys and values are computed
once; the questions and their texts follow in one long row, one behind the other, and none of them sees another.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.completions import Likelihood

if TYPE_CHECKING:
    import torch

SHARED = 32
"""Tokens that prompts must have in common to be worth reading once."""
TOKENS = 512
"""Of a row. Its tokens are compared with one another even where they may not see each other, so more is not faster."""


@dataclass(frozen=True)
class Row:
    """One prompt and its continuations, as tokens."""

    prompt: tuple[int, ...]
    texts: tuple[tuple[int, ...], ...]
    """Each of one token or more."""

    @property
    def length(self) -> int:
        """Tokens that the network is given: nothing is read after the last of a text."""
        return len(self.prompt) + sum(len(text) - 1 for text in self.texts)


def likelihoods(model: Any, rows: Sequence[Row]) -> list[tuple[Likelihood, ...]]:
    """The log-probability of each text after its prompt, in order, for a causal model of transformers.

    A model that cannot be told which tokens see which (one with a recurrent state, or its own kind of positions) is
    found out by a trial and reads every prompt anew for every text.

    Source: the sums are those of lm-evaluation-harness (`HFLM.loglikelihood`), which reads every prompt anew for every
    text of more than one token.
    """
    import torch

    found: dict[int, tuple[Likelihood, ...]] = {}
    with torch.inference_mode():
        long = max((row.length for row in rows), default=0)
        if rows and not _heeds_masks(model, long):
            return [_one_by_one(model, row) for row in rows]
        for header, members in _groups(rows):
            cache = _read(model, rows[members[0]].prompt[:header]) if header else None
            for batch in _batches(rows, members, header):
                found |= zip(batch, _answers(model, [rows[nth] for nth in batch], header, cache), strict=True)
    return [found[nth] for nth in range(len(rows))]


def _groups(rows: Sequence[Row]) -> Iterator[tuple[int, list[int]]]:
    """(tokens in common, rows): runs, in the order of the alphabet, of prompts that begin alike."""
    order = sorted(range(len(rows)), key=lambda nth: rows[nth].prompt)
    members: list[int] = []
    common = 0
    for nth in order:
        # At least one token of each prompt is left: its logits tell of the first token of a text.
        room = len(rows[nth].prompt) - 1
        shared = min(common, room, _common(rows[members[0]].prompt, rows[nth].prompt)) if members else 0
        # A header that shrinks to much less than it was is another one.
        if members and shared >= max(SHARED, common // 2 if len(members) > 1 else 0):
            members.append(nth)
            common = shared
            continue
        if members:
            yield (common if len(members) > 1 else 0), members
        members, common = [nth], room
    if members:
        yield (common if len(members) > 1 else 0), members


def _common(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens they begin with that are the same."""
    for at, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return at
    return min(len(one), len(two))


def _batches(rows: Sequence[Row], members: Sequence[int], header: int) -> Iterator[list[int]]:
    """As many as fit into one row; at least one."""
    batch: list[int] = []
    total = 0
    for nth in members:
        own = rows[nth].length - header
        if batch and total + own > TOKENS:
            yield batch
            batch, total = [], 0
        batch.append(nth)
        total += own
    if batch:
        yield batch


def _read(model: Any, ids: Sequence[int]) -> Any:
    """Keys and values of a header."""
    import torch

    tensor = torch.tensor([list(ids)], device=model.device)
    return model(input_ids=tensor, use_cache=True, logits_to_keep=1).past_key_values


def _answers(model: Any, batch: Sequence[Row], header: int, cache: Any) -> list[tuple[Likelihood, ...]]:
    import torch

    ids: list[int] = []
    positions: list[int] = []
    blocks: list[_Block] = []
    for row in batch:
        blocks.append(_Block(row, header, len(ids)))
        ids += [*row.prompt[header:], *(token for text in row.texts for token in text[:-1])]
        positions += blocks[-1].positions()
    wanted = [place for block in blocks for place in block.places()]
    kept = {place: nth for nth, place in enumerate(sorted(set(wanted)))}
    made = model(
        input_ids=torch.tensor([ids], device=model.device),
        position_ids=torch.tensor([positions], device=model.device),
        attention_mask=_mask(model, blocks, header, len(ids)),
        past_key_values=None if cache is None else _copied(cache),
        use_cache=cache is not None,
        logits_to_keep=torch.tensor(list(kept), device=model.device),
    )
    tokens = [token for row in batch for text in row.texts for token in text]
    told = iter(_told(made.logits[0], [kept[place] for place in wanted], tokens))
    return [tuple(_summed([next(told) for _ in text]) for text in row.texts) for row in batch]


def _told(logits: torch.Tensor, places: Sequence[int], tokens: Sequence[int]) -> list[tuple[float, bool]]:
    """The log-probability of each token by the logits at its place, and whether it is the most probable one."""
    import torch

    logits = logits.float()
    at, own = torch.tensor(places, device=logits.device), torch.tensor(tokens, device=logits.device)
    values = logits[at, own] - logits.logsumexp(-1)[at]
    best = logits.argmax(-1)[at] == own
    return list(zip(values.tolist(), best.tolist(), strict=True))


def _summed(told: Sequence[tuple[float, bool]]) -> Likelihood:
    return Likelihood(sum(value for value, _ in told), len(told), all(best for _, best in told))


def _copied(cache: Any) -> Any:
    """A cache that can be written to without changing `cache`; layers that only grow need no copy of their numbers."""
    from transformers.cache_utils import DynamicLayer

    if not all(type(layer) is DynamicLayer for layer in cache.layers):
        return copy.deepcopy(cache)
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    return copied


@dataclass(frozen=True)
class _Block:
    """Where a prompt and its texts lie in a long row."""

    row: Row
    header: int
    start: int

    @property
    def own(self) -> int:
        """Tokens of the prompt after the header."""
        return len(self.row.prompt) - self.header

    def spans(self) -> Iterator[tuple[int, int]]:
        """From and to of each text's tokens that are read: all but its last."""
        start = self.start + self.own
        for text in self.row.texts:
            yield start, (start := start + len(text) - 1)

    def positions(self) -> list[int]:
        """Of each token, as if every text came right after its prompt."""
        after = len(self.row.prompt)
        return [
            *range(self.header, after),
            *(at for text in self.row.texts for at in range(after, after + len(text) - 1)),
        ]

    def places(self) -> list[int]:
        """Whose logits tell of each token of each text."""
        last = self.start + self.own - 1
        return [place for start, end in self.spans() for place in (last, *range(start, end))]


def _mask(model: Any, blocks: Sequence[_Block], header: int, width: int) -> torch.Tensor:
    """(1, 1, width, header + width), added to attention scores: 0 where a place sees another, else the lowest number.

    A place sees the header, and what comes before it in its own prompt and text.
    """
    import torch

    seen = torch.zeros(width, header + width, dtype=torch.bool, device=model.device)
    seen[:, :header] = True
    for block in blocks:
        first, end = block.start, block.start + block.own
        for start, stop in ((first, end), *block.spans()):
            seen[start:stop, header + first : header + end] = True
            seen[start:stop, header + start : header + stop] = True
    seen &= torch.ones_like(seen).tril(header)
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(seen.shape, dtype=model.dtype, device=model.device).masked_fill(~seen, lowest)[None, None]


def _heeds_masks(model: Any, longest: int) -> bool:
    """Whether reading many in one row gives what reading one by one does; tried once a model.

    Layers that see a window only are given the same mask as others, so nothing may be longer than the window.
    """
    window = getattr(model.config, "sliding_window", None)
    if window and longest > window:
        return False
    if not hasattr(model, _TRIED):
        setattr(model, _TRIED, _trial(model))
    return bool(getattr(model, _TRIED))


_TRIED = "_assay_heeds_masks"


def _trial(model: Any) -> bool:
    few = min(int(model.config.vocab_size) - 1, 97)
    start = tuple(1 + 7 * nth % few for nth in range(12))
    rows = [Row((*start, 1 + 11 * nth % few, 2), ((3, 1), (2, 3, 1), (1,))) for nth in range(3)]
    try:
        found = _answers(model, rows, len(start), _read(model, start))
    except Exception:  # whatever a model of another kind does with a mask, or with a cache that it does not have
        return False
    # In 16 bit two ways to the same number differ by a hundredth of it.
    share = 1e-4 if model.dtype.itemsize > 2 else 2e-2
    pairs = [
        pair for row, own in zip(rows, found, strict=True) for pair in zip(own, _one_by_one(model, row), strict=True)
    ]
    return all(abs(one.log_prob - two.log_prob) <= share * max(1.0, abs(two.log_prob)) for one, two in pairs)


def _one_by_one(model: Any, row: Row) -> tuple[Likelihood, ...]:
    """Each text after its prompt in a network call of its own; texts that differ in their last token share one."""
    import torch

    read: dict[tuple[int, ...], torch.Tensor] = {}
    found = []
    for text in row.texts:
        if text[:-1] not in read:
            ids = torch.tensor([[*row.prompt, *text[:-1]]], device=model.device)
            read[text[:-1]] = model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 :]
        found.append(_summed(_told(read[text[:-1]], range(len(text)), text)))
    return tuple(found)
