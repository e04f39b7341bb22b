"""Provenance of samples: generator, ancestors, models and scorers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

UNKNOWN = "unknown"
"""License without a statement; licenses are never guessed."""


@dataclass(frozen=True)
class Ancestor:
    """Ancestor of a sample."""

    id: str
    made_by: str = ""
    """Component that made or planned it, or "collected"; "" if unknown."""
    origin: str = ""
    """File and line or other description by its source; "" if none."""


@dataclass(frozen=True)
class Used:
    """Model with its license."""

    model: str
    license: str = UNKNOWN
    part: str = ""
    """Part of the component that uses it, such as one of several answerers; "" for the component itself."""


@dataclass(frozen=True)
class Judged:
    """Scorer of the sample."""

    component: str
    version: int
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Provenance of one sample; deterministic for a run."""

    id: str
    synthetic: bool
    """Whether the run generated it; False for collected samples."""
    made_by: str
    """Generator, as named in a recipe."""
    version: int | None = None
    """Version of the generator; None for collected samples."""
    models: tuple[Used, ...] = ()
    """Models of the generator."""
    prompt: str = ""
    seed: int | None = None
    """Seed of the noise or of sampling; None if there is no single seed."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Scalar arguments of the generator, and its decoding settings."""
    chain: tuple[Ancestor, ...] = ()
    """Ancestors in breadth-first order, without duplicates."""
    more: int = 0
    """Number of farther ancestors that are omitted from the chain."""
    scored_by: Mapping[str, Judged] = field(default_factory=dict)
    """Scorers by column."""
    recipe: str = ""
    recipe_sha256: str = ""
    """SHA-256 of recipe.yaml in the run folder."""
    stage: str = ""
    """Folder of the generate stage; its name ends with the stage key."""
    run_seed: int = 0
    assay: str = ""
    """Version of assay."""
    date: str = ""
    """Completion of the generate stage, ISO 8601; "" if unknown."""

    def record(self) -> dict[str, object]:
        """Plain values, without optional empty ones."""
        record = _without_empty(asdict(self), required=("id", "synthetic", "made_by"))
        record |= {
            name: [_without_empty(entry, ("model", "id")) for entry in record[name]]
            for name in _LISTS
            if name in record
        }
        if self.scored_by:
            scorers = self.scored_by.items()
            record["scored_by"] = {name: _without_empty(asdict(scorer), ("component",)) for name, scorer in scorers}
        return record if self.more else {name: value for name, value in record.items() if name != "more"}

    def json(self) -> str:
        """Record as one line of JSON."""
        return json.dumps(self.record(), ensure_ascii=False, separators=(",", ":"))

    def nearest(self, count: int) -> Provenance:
        """Provenance with only the first `count` ancestors, to limit the size per row."""
        omitted = self.chain[count:]
        return replace(self, chain=self.chain[:count], more=self.more + len(omitted)) if omitted else self


_LISTS = ("models", "chain")


def _without_empty(values: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """Values that are not empty, and required ones."""
    return {name: value for name, value in values.items() if name in required or value not in ("", None, (), {})}
