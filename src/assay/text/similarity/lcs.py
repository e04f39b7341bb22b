"""Longest common subsequence (LCS): its length by RapidFuzz, and the positions that rouge_score selects.

To find the positions, a row of the dynamic programming table is one Python integer: bit i is 0 if the LCS length
increases at position i. A row costs a few additions of long integers.

Source: Crochemore et al. 2001, "A fast and practical bit-vector algorithm for the longest common subsequence problem";
Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from math import isqrt
from typing import TypeVar

from rapidfuzz.distance import LCSseq

Token = TypeVar("Token", bound=Hashable)


def token_masks(sequence: Sequence[Token]) -> dict[Token, int]:
    """Positions of each token as a bit mask: bit i for position i."""
    masks: dict[Token, int] = {}
    bit = 1
    for token in sequence:
        masks[token] = masks.get(token, 0) | bit
        bit <<= 1
    return masks


def lcs_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    RapidFuzz compares tokens by their hash, of 64 bits: exact for token ids, and for strings unless two hashes collide.
    """
    return int(LCSseq.similarity(a, b))


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
