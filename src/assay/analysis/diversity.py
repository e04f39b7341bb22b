"""How varied what was kept is, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.text.similarity.diversity import Pairs

GENERATED, KEPT, BLIND, REAL = "generated", "kept", "as many picked blindly", "real"
MEASURES = {
    "verbs": "verbs",
    "pairs": "pairs of verb and object",
    "words": "words",
    "distinct_2": "distinct-2",
    "clusters": "clusters",
    "vendi": "Vendi score",
}
"""What is measured, as a sentence names it."""


@dataclass(frozen=True)
class VarietyOf:
    """One set of texts."""

    name: str
    n: int
    measures: Mapping[str, float]
    """By the names in `MEASURES`; only those that the texts have."""
    with_verb: int | None = None
    """Texts in which a verb was found; None where nobody looked."""


@dataclass(frozen=True)
class Variety:
    """What was generated, what was kept, and as many picked blindly."""

    read_from: str
    """The field of the texts."""
    sets: tuple[VarietyOf, ...]
    draws: int = 0
    """Blind picks; their mean is a set, and their ends are `spread`. 0 where everything was kept."""
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Measure to the lowest and the highest of all blind picks."""
    column: str = ""
    """Of the fingerprints that clusters and the Vendi score are taken from; empty where there is none."""
    clusters: int = 0
    """Groups that all texts together were put into."""
    verbs: Pairs = ()
    """Of what was kept, the most frequent first, with their most frequent objects."""

    def set(self, name: str) -> VarietyOf | None:
        """The set of that name."""
        return next((one for one in self.sets if one.name == name), None)
