"""Tasks, and rewards of a few lines, to reinforce a tiny model by."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Scale, Score, Unscored


@dataclass(frozen=True)
class Even:
    """Share of an answer's characters whose number divides by `by`; an answer without any cannot be read."""

    by: int = 2
    better: Literal["higher", "lower"] = "higher"

    version: ClassVar[int] = 1

    @property
    def scale(self) -> Scale:
        return Scale("share", 0.0, 1.0, self.better)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._score_text(sample.text("text")) for sample in samples]

    def _score_text(self, text: str) -> Outcome:
        if not text:
            return Unscored("unparsed", "There is nothing to read.")
        return Score(sum(ord(character) % self.by == 0 for character in text) / len(text))


@dataclass(frozen=True)
class Trouble:
    """A checker that goes wrong in one way or another at answers of some length."""

    how: Literal["raises", "raises at long ones", "hangs", "gives nan", "knows no such thing", "labels", "same"]

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("share", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._score_text(sample.text("text")) for sample in samples]

    def _score_text(self, text: str) -> Outcome:
        if self.how == "raises" or (self.how == "raises at long ones" and len(text) % 2):
            raise ZeroDivisionError("division by zero")
        if self.how == "hangs":
            time.sleep(0.001)
            return Unscored("failed", "It took longer than 1 ms.")
        if self.how == "knows no such thing":
            raise ModelError("There is no such judge.")
        if self.how == "labels":
            return Label("good")
        if self.how == "gives nan":
            return Score(float("nan"))
        return Score(0.5 if self.how == "same" else len(text) / 1000)


def tasks(count: int = 5) -> list[Sample]:
    words = ("sea", "hill", "river", "고양이", "a walk")
    return [
        Sample({"instruction": f"Say {words[nth % 5]}.", "input": "" if nth % 2 else "twice"}, nth=nth)
        for nth in range(count)
    ]
