"""Longest common subsequence (LCS) of token sequences, bit-parallel.

A row of the dynamic programming table is one Python integer: bit i is 0 if the LCS length increases at position i. A
row costs a few additions of long integers; two sequences of 150,000 tokens take seconds.

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
"""Positions per integer in `lcs_length`: longer integers cost less per bit, but there is one mask per distinct
token."""


def token_masks(sequence: Sequence[Token]) -> dict[Token, int]:
    """Positions of each token as a bit mask: bit i for position i."""
    masks: dict[Token, int] = {}
    bit = 1
    for token in sequence:
        masks[token] = masks.get(token, 0) | bit
        bit <<= 1
    return masks


def lcs_length_by_masks(masks: Mapping[Token, int], size: int, other: Sequence[Token]) -> int:
    """LCS length of `other` and a sequence of length `size` with these `token_masks`.

    For one short sequence against many; use `lcs_length` for long sequences.
    """
    row = full = (1 << size) - 1
    for token in other:
        matched = row & masks.get(token, 0)
        if matched:
            # Carries above bit `size` are ignored and masked once at the end.
            row = (row + matched) | (row ^ matched)
    return size - (row & full).bit_count()


def lcs_length(a: Sequence[Token], b: Sequence[Token]) -> int:
    """Length of the longest common subsequence."""
    shared = set(a) & set(b)
    first = [token for token in a if token in shared]
    second = [token for token in b if token in shared]
    prefix = _common_prefix_length(first, second)
    first, second = first[prefix:], second[prefix:]
    suffix = _common_prefix_length(first[::-1], second[::-1])
    first, second = first[: len(first) - suffix], second[: len(second) - suffix]
    if len(first) > len(second):
        first, second = second, first
    if len(first) <= BLOCK:
        return prefix + suffix + lcs_length_by_masks(token_masks(first), len(first), second)
    # The carry of a block (0 or 1) at each token of `second` is an input of the next block.
    carries, length = bytearray(len(second)), prefix + suffix
    for start in range(0, len(first), BLOCK):
        length += _block(first[start : start + BLOCK], second, carries)
    return length


def _block(part: Sequence[Token], other: Sequence[Token], carries: bytearray) -> int:
    """LCS length that the positions of one block contribute; updates `carries`."""
    masks, size = token_masks(part), len(part)
    row = full = (1 << size) - 1
    for i, token in enumerate(other):
        matched = row & masks.get(token, 0)
        if matched or carries[i]:
            total = row + matched + carries[i]
            carries[i] = total >> size
            row = (total & full) | (row ^ matched)
    return size - row.bit_count()


def _common_prefix_length(a: Sequence[Token], b: Sequence[Token]) -> int:
    """Length of the common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def lcs_positions(masks: Mapping[Token, int], size: int, other: Sequence[Token]) -> int:
    """Positions of one longest common subsequence as a bit mask, the same one that rouge_score selects.

    Args:
        masks: `token_masks` of the sequence whose positions are returned.
        size: Length of that sequence.
        other: Sequence to compare with.

    There may be several LCS. rouge_score backtracks from the end of the table: diagonally if tokens are equal, else one
    token back in `other` if only that keeps the length, else one position back. So at each token of `other` the next
    position is the last one that matches it or at which the row increases.
    """
    columns, full = [masks.get(token, 0) for token in other], (1 << size) - 1

    def next_row(row: int, column: int) -> int:
        matched = row & column
        return ((row + matched) | (row ^ matched)) & full

    # Checkpoints: rows are computed twice, so that memory is proportional to the square root of their number.
    step = max(256, isqrt(len(columns)))
    checkpoints = [full]
    for start in range(0, len(columns) - step, step):
        *_, row = accumulate(columns[start : start + step], next_row, initial=checkpoints[-1])
        checkpoints.append(row)
    chosen, below = 0, size
    for i in reversed(range(len(checkpoints))):
        part = columns[i * step : (i + 1) * step]
        rows = list(accumulate(part, next_row, initial=checkpoints[i]))
        for row, column in zip(rows[:0:-1], reversed(part), strict=True):
            below = (((row ^ full) | column) & ((1 << below) - 1)).bit_length()
            if not below:
                return chosen
            if column >> (below - 1) & 1:
                below -= 1
                chosen |= 1 << below
    return chosen
