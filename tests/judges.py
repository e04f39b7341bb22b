"""Judges that are code: each is biased in one way that is known, so that an audit must find it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    End,
    Likelihood,
    LogProbs,
    NotCompleted,
    TextRequest,
)
from assay.core.errors import ModelError
from assay.text.prompting.delimiters import delimited_texts

Pick = Callable[[Mapping[str, str]], str]
"""What stands between the marks, to a letter or grade."""


def first(parts: Mapping[str, str]) -> str:
    """Looks at places alone."""
    return "A"


def longer(parts: Mapping[str, str]) -> str:
    """Looks at length alone."""
    return "A" if len(parts["ANSWER A"]) >= len(parts["ANSWER B"]) else "B"


def knows(right: str) -> Pick:
    """Takes the answer that holds `right`; a tie where both or neither do."""

    def pick(parts: Mapping[str, str]) -> str:
        a, b = (right in parts[f"ANSWER {side}"] for side in "AB")
        return "C" if a == b else "A" if a else "B"

    return pick


@dataclass
class CodeJudge:
    """Answers as it is asked to; `say` makes the answer, and `missing` says where there is none."""

    pick: Pick
    say: str = "ID {own}: {said}"
    end: End = "stop"
    steps_end: End = "stop"
    missing: Callable[[Mapping[str, str]], bool] = lambda parts: False
    asked: list[str] = field(default_factory=list)
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._answer(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        raise ModelError("It cannot say.")

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        return [self._shares(continuations) for continuations in asked]

    def _shares(self, continuations: Continuations) -> tuple[Likelihood, ...]:
        assert not isinstance(continuations.prompt, str)
        self.asked.append(continuations.prompt[-1].text)
        letter = self.pick(delimited_texts(continuations.prompt[-1].text)[1])
        return tuple(Likelihood(math.log(0.6 if word == letter else 0.1), 1) for word in continuations.texts)

    def _answer(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        prompt = request.prompt[-1].text
        self.asked.append(prompt)
        if "<<<" not in prompt:
            return Completion((Answer("1. Read it.\n2. Grade it.", self.steps_end, 8),), 20, 0.01)
        number, parts = delimited_texts(prompt)
        if self.missing(parts):
            return NotCompleted("gone", "the server is down")
        text = self.say.format(own=number, said=self.pick(parts))
        return Completion((Answer(text, self.end, 9),) * request.decoding.answers, 100, 0.25)


@dataclass(frozen=True)
class Judges:
    """Opens judges by name."""

    known: Mapping[str, CodeJudge]

    def text_model(self, reference: str) -> CodeJudge:
        return self.known[reference]

    def likelihood_model(self, reference: str) -> CodeJudge:
        return self.known[reference]
