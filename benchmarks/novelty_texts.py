"""Instructions for novelty.py: real ones as they are, and as many more as wanted, made of them by a seed."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

SEED = 20221220
ALPACA = "alpaca-9k.jsonl"


def alpaca(folder: Path) -> list[str]:
    """The 9,229 instructions in order."""
    return [row["instruction"] for row in _rows(folder)]


def real(folder: Path) -> list[str]:
    """Distinct instructions, and sentences of 3 to 40 words of the inputs and outputs, shuffled."""
    rows = _rows(folder)
    sentences = [
        sentence.strip()
        for row in rows
        for name in ("input", "output")
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", row[name])
        if 3 <= len(sentence.split()) <= 40
    ]
    found = list(dict.fromkeys([row["instruction"] for row in rows] + sentences))
    random.Random(SEED).shuffle(found)
    return found


def made(folder: Path, count: int) -> list[str]:
    """`count` texts: real ones for half of them, as far as there are so many; the rest by turns a splice and a change.

    A splice is the first half of one text and the second half of another. A change is one text of which 1 to 4 times a
    word is replaced, dropped, put in, or changed with its neighbor. All are shuffled.
    """
    rng = random.Random(SEED)
    found = real(folder)[: count // 2]
    words = [text.split() for text in found]
    pool = [word for one in words for word in one]
    for nth in range(count - len(found)):
        one, other = rng.choice(words), rng.choice(words)
        found.append(" ".join(_changed(one, pool, rng) if nth % 2 else one[: len(one) // 2] + other[len(other) // 2 :]))
    rng.shuffle(found)
    return found


def _changed(words: list[str], pool: list[str], rng: random.Random) -> list[str]:
    words = list(words)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words))
        kind = rng.choice(("replace", "drop", "insert", "swap"))
        if kind == "replace":
            words[at] = rng.choice(pool)
        elif kind == "drop" and len(words) > 1:
            del words[at]
        elif kind == "insert":
            words.insert(at, rng.choice(pool))
        elif kind == "swap" and at + 1 < len(words):
            words[at], words[at + 1] = words[at + 1], words[at]
    return words


def _rows(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / ALPACA).read_text(encoding="utf-8").splitlines()]
