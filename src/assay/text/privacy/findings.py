"""Things that should not be published: where they stand in a text, and how to speak of them without saying them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH = 20_000
"""Characters that are looked at together: patterns of others were written for lines."""
OVERLAP = 600
"""Characters that two stretches share, so that nothing is cut in two."""


@dataclass(frozen=True)
class PrivacyFinding:
    """One of them."""

    kind: str
    value: str
    start: int
    """Character of the text, from 0."""

    @property
    def masked(self) -> str:
        """Enough to find it again, not enough to use it."""
        return mask(self.value)


def mask(value: str) -> str:
    """An e-mail address as "j…@e….com", anything else as its first two characters, or of digits its last two."""
    name, at, host = value.partition("@")
    if at and "." in host and not value.startswith("@"):
        first, _, last = host.rpartition(".")
        return f"{name[:1]}…@{first[:1]}….{last}"
    if sum(one.isalpha() for one in value) < len(value) / 2 and not value[:2].isalpha():
        return f"…{value[-2:]}"
    return f"{value[:2]}… ({len(value)} characters)"


def text_windows(text: str) -> Iterator[tuple[int, str]]:
    """(where it begins, stretch): lines that are not blank, and of a long line pieces that overlap."""
    start = 0
    for line in text.split("\n"):
        if len(line) <= WIDTH:
            if line.strip():
                yield start, line
        else:
            for at in range(0, len(line), WIDTH - OVERLAP):
                yield start + at, line[at : at + WIDTH]
        start += len(line) + 1


def without_overlaps(found: Sequence[PrivacyFinding]) -> list[PrivacyFinding]:
    """In order of place; of several that overlap the one that stands first in `found`, and each place once."""
    rank = {one: nth for nth, one in reversed(list(enumerate(found)))}
    kept: list[PrivacyFinding] = []
    for one in sorted(rank, key=lambda one: (one.start, rank[one])):
        if kept and one.start < kept[-1].start + len(kept[-1].value):
            if rank[one] < rank[kept[-1]]:
                kept[-1] = one
            continue
        kept.append(one)
    return kept


def counts_by_kind(found: Sequence[PrivacyFinding]) -> dict[str, int]:
    """How many there are of each kind, the most frequent first."""
    return dict(Counter(one.kind for one in found).most_common())


def findings_summary(found: Sequence[PrivacyFinding], shown: int = 3) -> str:
    """Kinds, numbers and a few masked examples, in a sentence."""
    parts = []
    for kind, n in counts_by_kind(found).items():
        examples = list(dict.fromkeys(one.masked for one in found if one.kind == kind))[:shown]
        parts.append(f"{kind} x{n} ({', '.join(examples)})")
    return "; ".join(parts)
