"""Questions that people often answer falsely: TruthfulQA (Lin et al. 2022), and assay's own misconceptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal

from assay.components.sources.files.records import (
    Record,
    check_limit,
    check_path,
    digest_of,
    json_records,
    lettered,
    shorten,
)
from assay.components.sources.tasks.questions import Questions
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
            raise SourceError(f"{self.path} has no questions.")
        return [self._sample(record, record.values[name]) for record in records]

    def _sample(self, record: Record, targets: object) -> Sample:
        # Numbers are parsed as text.
        if not isinstance(targets, dict) or not all(value in ("0", "1") for value in targets.values()):
            raise record.problem(f"{self.targets}_targets must be answers with 0 or 1 each, was {shorten(targets)}.")
        targets = {text: value for text, value in targets.items() if text.strip()}
        right = [nth for nth, value in enumerate(targets.values()) if value == "1"]
        if not right or (self.targets == "mc1" and len(right) > 1):
            expected = "one true answer" if self.targets == "mc1" else "a true answer"
            raise record.problem(f"{self.targets}_targets must have {expected}, had {len(right)}.")
        fields = lettered(record, list(targets), right)
        return Sample({"question": record.text("question"), **fields, "origin": record.origin})


SHIPPED = "misconceptions.jsonl"


@dataclass(frozen=True)
class Misconceptions:
    """The first `limit` questions, or all, each with one true answer and plausible false ones.

    By default the questions that ship with assay (recipes/AUXILIARY_EVALUATION.md); or a .csv or .jsonl file as
    `Questions` reads it, in which every question has choices and one correct answer; or TruthfulQA's mc_task.json.

    Fields: question, choice0, choice1, ..., answer (the letter of the true one), subject if there is one, origin.

    Source: modeled on mc1 of TruthfulQA (Lin et al. 2022), without its questions. Differences: neither position nor
    length reveals the true answer, and there are always four choices.
    """

    path: str = ""
    """Path of a file; "" for the data that ships with assay."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_limit("Misconceptions", "limit", self.limit)

    @property
    def file(self) -> Path:
        """Path of the file."""
        return Path(self.path) if self.path else Path(str(resources.files("assay.recipes"))) / SHIPPED

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([self.file])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Return the questions.

        Raises:
            SourceError: The file is invalid, or a question has no choices or several correct answers; names the line.
        """
        kind = TruthfulQa if self.file.suffix.lower() == ".json" else Questions
        samples = kind(str(self.file)).read(lab)
        for sample in samples:
            if "choice0" not in sample.fields:
                place = sample.text("origin")
                raise SourceError(f"{place}: the question has no choices.", place=place, name="choices")
            if "," in sample.text("answer"):
                place, answer = sample.text("origin"), sample.text("answer")
                raise SourceError(
                    f"{place}: a question must have one true answer, had {answer}.",
                    place=place,
                    name="answer",
                    value=answer,
                )
        return samples[: self.limit]
