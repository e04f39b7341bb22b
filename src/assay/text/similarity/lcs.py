"""The longest common subsequence of two sequences of tokens, a whole row of its table at once.

The table's rows are kept as bits of Python's integers: bit i of a row is 0 where the subsequence grows at place i. So a
row costs a few additions of long integers, and 150,000 tokens are compared with 150,000 in seconds.

Source: Crochemore et al. 2001, "A fast and practical bit-vector algorithm for the longest common subsequence problem";
Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from math import isqrt
from typing import TypeVar

Token = TypeVar("Token", bound=Hashable)

BLOCK = 8192
"""Places in an integer of `lcs_length`: long ones are cheap by the bit, and one mask a different token must fit."""


def masks_of(sequence: Sequence[Token]) -> dict[Token, int]:
    """Where each token stands: bit i for place i."""
    found: dict[Token, int] = {}
    bit = 1
    for token in sequence:
        found[token] = found.get(token, 0) | bit
        bit <<= 1
    return found


def length_by_masks(masks: Mapping[Token, int], size: int, other: Sequence[Token]) -> int:
    """How many tokens the longest common subsequence of `other` and one whose `masks_of` are known has.

    For one short sequence against many; `lcs_length` is for long ones.
    """
    row = full = (1 << size) - 1
    for token in other:
        matched = row & masks.get(token, 0)
        if matched:
            # What is carried above `size` counts for nothing, and is cut once at the end.
            row = (row + matched) | (row ^ matched)
    return size - (row & full).bit_count()


def lcs_length(a: Sequence[Token], b: Sequence[Token]) -> int:
    """How many tokens the longest common subsequence has."""
    shared = set(a) & set(b)
    first = [token for token in a if token in shared]
    second = [token for token in b if token in shared]
    same = _same_start(first, second)
    first, second = first[same:], second[same:]
    left = _same_start(first[::-1], second[::-1])
    first, second = first[: len(first) - left], second[: len(second) - left]
    if len(first) > len(second):
        first, second = second, first
    if len(first) <= BLOCK:
        return same + left + length_by_masks(masks_of(first), len(first), second)
    # What a block carries over at each token of `second` is where the next one begins: 0 or 1.
    carries, found = bytearray(len(second)), same + left
    for start in range(0, len(first), BLOCK):
        found += _block(first[start : start + BLOCK], second, carries)
    return found


def _block(part: Sequence[Token], other: Sequence[Token], carries: bytearray) -> int:
    """What places of one block add to the length."""
    masks, size = masks_of(part), len(part)
    row = full = (1 << size) - 1
    for nth, token in enumerate(other):
        matched = row & masks.get(token, 0)
        if matched or carries[nth]:
            total = row + matched + carries[nth]
            carries[nth] = total >> size
            row = (total & full) | (row ^ matched)
    return size - row.bit_count()


def _same_start(a: Sequence[Token], b: Sequence[Token]) -> int:
    """How many tokens both begin with."""
    return next((nth for nth, (one, two) in enumerate(zip(a, b, strict=False)) if one != two), min(len(a), len(b)))


def lcs_places(masks: Mapping[Token, int], size: int, other: Sequence[Token]) -> int:
    """The places of one longest common subsequence, as bits: the very one that rouge_score finds.

    Args:
        masks: `masks_of` the sequence whose places are meant.
        size: Its length.
        other: The sequence it is compared with.

    There may be several of one length. rouge_score walks the table back from its end: diagonally where tokens are the
    same, else one token less of `other` where only that keeps the length, else one place less. So at each token of
    `other` the next place is the last one that matches it or at which the row grows.
    """
    columns, full = [masks.get(token, 0) for token in other], (1 << size) - 1

    def grown(row: int, column: int) -> int:
        matched = row & column
        return ((row + matched) | (row ^ matched)) & full

    # Rows are made twice, so that only about the root of them are kept at once.
    step = max(256, isqrt(len(columns)))
    kept = [full]
    for start in range(0, len(columns) - step, step):
        *_, row = accumulate(columns[start : start + step], grown, initial=kept[-1])
        kept.append(row)
    chosen, below = 0, size
    for nth in reversed(range(len(kept))):
        part = columns[nth * step : (nth + 1) * step]
        rows = list(accumulate(part, grown, initial=kept[nth]))
        for row, column in zip(rows[:0:-1], reversed(part), strict=True):
            below = (((row ^ full) | column) & ((1 << below) - 1)).bit_length()
            if not below:
                return chosen
            if column >> (below - 1) & 1:
                below -= 1
                chosen |= 1 << below
    return chosen
