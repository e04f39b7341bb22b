"""Evaluations of scripted models through the real pipeline, with texts that a page must escape.

`PYTHONPATH=tests python tests/evaluation/eval_example.py PAGE.html` writes the page.
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
class ScriptedModel:
    """Doubles numbers below `limit`, gives no number at 38, fails at 39; answers B on cities, or prefers `favorite`."""

    limit: int
    favorite: int = 0
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._complete_one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...]]:
        return [
            tuple(Likelihood(-1.0 - (nth != self.favorite), 1) for nth in range(len(request.texts)))
            for request in asked
        ]

    def _complete_one(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        question = request.prompt[0].text
        if question.startswith("City"):
            return Completion((Answer("The answer is (B).", "stop", 5),), 9, 0.25)
        number = int(question.split()[2])
        if number == 39:
            return NotCompleted("gone", f"the server is down {HOSTILE}")
        text = (
            "I like <script>apples</script>."
            if number == 38
            else f"It is {number * 2 if number < self.limit else 7000}."
        )
        return Completion((Answer(text, "length" if number % 4 == 0 else "stop", 5),), 9, 0.25)


@dataclass(frozen=True)
class ScriptedModels(TinyModels):
    models: Mapping[str, ScriptedModel] = field(default_factory=dict)

    def text_model(self, reference: str) -> ScriptedModel:
        return self.models[reference]

    likelihood_model = text_model


def evaluated(
    folder: Path,
    models: Mapping[str, ScriptedModel],
    tasks: Mapping[str, Sequence[object]],
    prompts: Sequence[str] = ("zero-shot",),
) -> list[EvaluatedCell]:
    for name, rows in tasks.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    parsed_tasks = [parse_task(str(folder / f"{name}.jsonl"), None) for name in tasks]
    grid = cells(list(models), parsed_tasks, [parse_prompt_setup(name) for name in prompts], [Decoding(max_tokens=33)])
    return Evaluation(grid, RunFolder.open(folder / "run", create=True), ScriptedModels(models=models)).run()


def page_of(entries: Sequence[EvaluatedCell]) -> str:
    return render_eval(entries, [result(entry) for entry in entries], comparisons(entries), {"assay": "1.2.3"})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        models = {"good": ScriptedModel(38), f"bad {HOSTILE}": ScriptedModel(20, 1)}
        entries = evaluated(Path(folder), models, {"sums": SUMS, "cities": CITIES}, ["zero-shot", "letter"])
        Path(sys.argv[1]).write_text(page_of(entries), encoding="utf-8")
