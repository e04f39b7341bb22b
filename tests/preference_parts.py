"""Answerers whose words are in their reference, rankers that need no model, and prompts: `preference_parts:Words`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from assay.components.generators.preference_calls import Answerer
from assay.core.completions import Answer, Capabilities, Completion, End, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.model_kinds import TextModel
from assay.core.sample import Made, Sample
from assay.core.score import Label, Outcome, Scale, Score, Unscored
from labs import MemoryImages, TinyModels


@dataclass(frozen=True)
class Prompts:
    """Tasks: (instruction, input) each, with a history where there is one."""

    tasks: tuple[tuple[str, str], ...] = (("Name a fruit.", ""), ("Say it.", "long"))
    history: str = ""
    reference: str = "a pear"

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        more = {"history": self.history} if self.history else {}
        return [
            Sample({"instruction": instruction, "input": input_text, "output": self.reference, **more}, nth=nth)
            for nth, (instruction, input_text) in enumerate(self.tasks)
        ]


@dataclass(frozen=True)
class Words:
    """Words of `text`; what holds `mute` it cannot score, for the cause given."""

    better: Literal["higher", "lower", "neither"] = "higher"
    mute: str = ""
    cause: Literal["not_applicable", "unparsed", "failed"] = "failed"
    label: bool = False
    whole: bool = False

    version: ClassVar[int] = 1

    @property
    def scale(self) -> Scale:
        return Scale("words", 0.0, better=self.better)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._count(sample.text("text")) for sample in samples]

    def _count(self, text: str) -> Outcome:
        if self.mute and self.mute in text:
            return Unscored(self.cause, "it is down")
        return Label("long") if self.label else Score(len(text.split()))


@dataclass(frozen=True)
class Likes:
    """Prefers the answer that holds `word`, in both orders, or in one alone where it is `torn`."""

    word: str
    torn: bool = False
    mute: bool = False

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale("wins", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [self._compare(sample) for sample in samples]

    def _compare(self, sample: Sample) -> Outcome:
        if self.mute:
            return Unscored("unparsed", "it says nothing that can be read")
        first, second = (self.word in sample.text(name) for name in ("output_a", "output_b"))
        if self.torn:
            return Score(0.5, "the orders disagree", {"as given": 1.0, "swapped": 0.0, "conflict": 1.0})
        worth = 0.5 + (first - second) / 2
        return Score(worth, "", {"as given": worth, "swapped": worth, "conflict": 0.0})


class Voice:
    """Says its own words; "down", "empty", "no" and "broke" go wrong, "cut ..." is cut, "any" hangs on the seed."""

    means = Capabilities(reproducible=True)

    def __init__(self, words: str, asked: list[tuple[str, TextRequest]]) -> None:
        self._words, self._asked = words, asked

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        self._asked += [(f"says:{self._words}", request) for request in requests]
        return [self._answer(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Any:
        raise ModelError("It cannot say.")

    def _answer(self, request: TextRequest) -> Completion | NotCompleted:
        if self._words == "down":
            return NotCompleted("gone", "the server is down")
        if self._words == "broke":
            return NotCompleted("budget", "the budget is spent")
        ends: dict[str, End] = {"empty": "empty", "no": "refusal"}
        end: End = "length" if self._words.startswith("cut ") else ends.get(self._words, "stop")
        text = f"word {request.decoding.seed % 10**6}" if self._words == "any" else self._words
        return Completion((Answer("" if end == "empty" else f" {text}\n", end, 3),))


@dataclass(frozen=True)
class Voices(TinyModels):
    """`says:WORDS` answers with those words; the others are those of `TinyModels`."""

    asked: list[tuple[str, TextRequest]] = field(default_factory=list)

    def text_model(self, reference: str) -> TextModel:
        kind, _, words = reference.partition(":")
        voice: TextModel = Voice(words, self.asked) if kind == "says" else super().text_model(reference)  # type: ignore[assignment]
        return voice


SAMPLING = Decoding("sample", max_tokens=20)


def voices(*words: str) -> dict[str, Answerer]:
    """An answerer each, called a, b, c, ..."""
    return {"abcdefgh"[nth]: Answerer(f"says:{text}", SAMPLING) for nth, text in enumerate(words)}


def voice_lab(*, seed: int = 7) -> Lab:
    return Lab(seed, Voices(), MemoryImages())


def shown(made: Made) -> tuple[str, str, str]:
    """Verdict, chosen, rejected of a pair."""
    assert isinstance(made, Sample), made
    return made.text("verdict"), made.text("chosen"), made.text("rejected")
