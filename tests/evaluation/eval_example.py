"""Evaluations by models that are code, through the real pipeline, with texts that a page must not trust.

`python tests/report/eval_example.py PAGE.html` writes a page, to look at.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    Likelihood,
    NotCompleted,
    TextRequest,
)
from assay.core.decoding import Decoding
from assay.evaluation.plan import cells, parse_prompt_setup
from assay.evaluation.report import render_eval
from assay.evaluation.results import comparisons, result
from assay.evaluation.run import EvaluatedCell, Evaluation
from assay.evaluation.tasks import parse_task
from assay.store.run_folder import RunFolder
from labs import TinyModels
from page_parts import HOSTILE, KOREAN

SUMS = [
    {"question": f"What is {nth} + {nth}? {HOSTILE if nth == 1 else KOREAN}", "answer": 2 * nth} for nth in range(40)
]
CITIES = [
    {"question": f"City {nth}?", "choices": ["Rome", "Oslo", f"Lima {HOSTILE}"], "answer": "ABC"[nth % 3], "subject": s}
    for s in ("north_of_it", "south", HOSTILE)
    for nth in range(6)
]


@dataclass
class Pupil:
    """Doubles the numbers below `knows`, chats at 38, is not there at 39; of cities it names B or likes one best."""

    knows: int
    likes: int = 0
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...]]:
        return [tuple(Likelihood(-1.0 - (nth != self.likes), 1) for nth in range(len(one.texts))) for one in asked]

    def _one(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        question = request.prompt[0].text
        if question.startswith("City"):
            return Completion((Answer("The answer is (B).", "stop", 5),), 9, 0.25)
        number = int(question.split()[2])
        if number == 39:
            return NotCompleted("gone", f"the server is down {HOSTILE}")
        told = (
            "I like <script>apples</script>."
            if number == 38
            else f"It is {number * 2 if number < self.knows else 7000}."
        )
        return Completion((Answer(told, "length" if number % 4 == 0 else "stop", 5),), 9, 0.25)


@dataclass(frozen=True)
class Pupils(TinyModels):
    known: Mapping[str, Pupil] = field(default_factory=dict)

    def text_model(self, reference: str) -> Pupil:
        return self.known[reference]

    likelihood_model = text_model


def evaluated(
    folder: Path,
    pupils: Mapping[str, Pupil],
    tasks: Mapping[str, Sequence[object]],
    prompts: Sequence[str] = ("zero-shot",),
) -> list[EvaluatedCell]:
    for name, rows in tasks.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    asked = [parse_task(str(folder / f"{name}.jsonl"), None) for name in tasks]
    chosen = cells(list(pupils), asked, [parse_prompt_setup(one) for one in prompts], [Decoding(max_tokens=33)])
    return Evaluation(chosen, RunFolder.open(folder / "run", create=True), Pupils(known=pupils)).run()


def page_of(filled: Sequence[EvaluatedCell]) -> str:
    return render_eval(filled, [result(one) for one in filled], comparisons(filled), {"assay": "1.2.3"})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        pair = {"good": Pupil(38), f"bad {HOSTILE}": Pupil(20, 1)}
        done = evaluated(Path(place), pair, {"sums": SUMS, "cities": CITIES}, ["zero-shot", "letter"])
        Path(sys.argv[1]).write_text(page_of(done), encoding="utf-8")
