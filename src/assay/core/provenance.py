"""Where a sample came from: what made it, out of what, and what judged it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

UNKNOWN = "unknown"
"""A license that nobody has stated. It is never guessed."""


@dataclass(frozen=True)
class Ancestor:
    """A sample that another was made from."""

    id: str
    made_by: str = ""
    """The component that made or planned it, or "collected"; "" where nothing is known of it any more."""
    origin: str = ""
    """File and line, or what else its source says; "" where it says nothing."""


@dataclass(frozen=True)
class Used:
    """A model by its reference."""

    model: str
    license: str = UNKNOWN
    part: str = ""
    """Which part of the component asked it, such as one of several answerers; "" for the component itself."""


@dataclass(frozen=True)
class Judged:
    """A scorer that looked at the sample."""

    component: str
    version: int
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that is known of how one sample came to be; equal for every look at the same run."""

    id: str
    synthetic: bool
    """Whether the run made it; False where it was collected, whoever wrote it."""
    made_by: str
    """The generator, as a recipe names it."""
    version: int | None = None
    """Of the generator; None where it is collected."""
    models: tuple[Used, ...] = ()
    """That the generator made it with."""
    prompt: str = ""
    seed: int | None = None
    """Of the noise or the sampling; None where there is no single one. `run_seed` is always there."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Single values among the generator's arguments, and its ways of decoding."""
    chain: tuple[Ancestor, ...] = ()
    """Parents, then theirs, and so on, each once."""
    more: int = 0
    """Ancestors that are left out of the chain, the farthest ones."""
    scored_by: Mapping[str, Judged] = field(default_factory=dict)
    """By column."""
    recipe: str = ""
    recipe_sha256: str = ""
    """Of the file recipe.yaml in the run's folder."""
    stage: str = ""
    """Folder of the generate stage in the run's folder: its name ends in the stage's key."""
    run_seed: int = 0
    assay: str = ""
    """The version that made it."""
    date: str = ""
    """When the generate stage was finished, ISO 8601; "" where no receipt says so."""

    def record(self) -> dict[str, object]:
        """As plain values, without what is empty and need not be said."""
        found = _said(asdict(self), needed=("id", "synthetic", "made_by"))
        found |= {name: [_said(one, ("model", "id")) for one in found[name]] for name in _LISTS if name in found}
        if self.scored_by:
            found["scored_by"] = {name: _said(asdict(one), ("component",)) for name, one in self.scored_by.items()}
        return found if self.more else {name: value for name, value in found.items() if name != "more"}

    def json(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(self.record(), ensure_ascii=False, separators=(",", ":"))

    def nearest(self, count: int) -> Provenance:
        """With the first `count` ancestors alone, so that it stays small wherever every row carries one."""
        left = self.chain[count:]
        return replace(self, chain=self.chain[:count], more=self.more + len(left)) if left else self


_LISTS = ("models", "chain")


def _said(values: Mapping[str, Any], needed: Sequence[str]) -> dict[str, Any]:
    """The values that say something, and those that are needed."""
    return {name: value for name, value in values.items() if name in needed or value not in ("", None, (), {})}
