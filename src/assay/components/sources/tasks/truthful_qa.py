"""TruthfulQA: questions that people often answer falsely, with true and false choices (Lin et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from assay.components.sources.files.records import (
    Record,
    check_limit,
    check_path,
    digest_of,
    json_records,
    lettered,
    shown,
)
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

TARGETS = ("mc1", "mc2")


@dataclass(frozen=True)
class TruthfulQa:
    """The first `limit` questions of mc_task.json, or all, with the answers of one of its multiple-choice tasks.

    Fields: question; choice0, choice1, ... in the order of the file; answer, the letters of the true ones ("A", or
    "A,C" with mc2); origin. The published file lists true answers first: shuffle the choices before showing letters.
    Its blank answers, in some twenty questions, are left out; lm-evaluation-harness and the official code include them
    as a single space.

    Source: https://github.com/sylinrl/TruthfulQA, data/mc_task.json: a list of {"question", "mc1_targets": {text: 0 or
    1}, "mc2_targets"}.
    """

    path: str
    targets: Literal["mc1", "mc2"] = "mc1"
    """One true answer, or several."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("TruthfulQa", self.path, "a file")
        check_limit("TruthfulQa", "limit", self.limit)
        if self.targets not in TARGETS:
            raise ValueError(f"TruthfulQa.targets must be one of {', '.join(TARGETS)}, was {self.targets!r}.")

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        name = f"{self.targets}_targets"
        records = json_records(Path(self.path), ("question", name), "TruthfulQA's mc_task.json")[: self.limit]
        if not records:
            raise SourceError(f"{self.path} holds no questions.")
        return [self._sample(record, record.values[name]) for record in records]

    def _sample(self, record: Record, targets: object) -> Sample:
        # Numbers come as they are written.
        if not isinstance(targets, dict) or not all(value in ("0", "1") for value in targets.values()):
            raise record.problem(f"{self.targets}_targets must be answers with 0 or 1 each, was {shown(targets)}.")
        targets = {text: value for text, value in targets.items() if text.strip()}
        right = [nth for nth, value in enumerate(targets.values()) if value == "1"]
        if not right or (self.targets == "mc1" and len(right) > 1):
            wanted = "one true answer" if self.targets == "mc1" else "a true answer"
            raise record.problem(f"{self.targets}_targets must have {wanted}, had {len(right)}.")
        fields = lettered(record, list(targets), right)
        return Sample({"question": record.text("question"), **fields, "origin": record.origin})
