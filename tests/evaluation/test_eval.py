"""Evaluations: grid, counting rules, comparisons, and reuse of stored answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
from assay.core.errors import UserError
from assay.core.score import Score, Unscored
from assay.evaluation.plan import EvalCell, cells, parse_prompt_setup
from assay.evaluation.results import comparisons, result, task_averages, to_data
from assay.evaluation.run import EvaluatedCell, Evaluation
from assay.evaluation.tasks import parse_task
from assay.store.run_folder import RunFolder
from error_fields import raises
from labs import TinyModels

SUMS = [{"question": f"What is {nth} + {nth}?", "answer": str(2 * nth)} for nth in range(1, 9)]
CITIES = [
    {"question": f"Which is city {nth}?", "choices": ["Rome", "Oslo", "Lima"], "answer": "ABC"[nth % 3], "subject": s}
    for nth, s in enumerate(["north", "north", "south", "south", "south", "south"])
]


@dataclass
class ScriptedModel:
    """Doubles numbers below `limit`, gives no number at 7, and fails at 8 if `down`; prefers the first choice."""

    limit: int = 5
    prompts: list[str] = field(default_factory=list)
    down: bool = True
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._complete_one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...]]:
        self.prompts += [str(request.prompt) for request in asked]
        return [tuple(Likelihood(-1.0 - nth, 1) for nth in range(len(request.texts))) for request in asked]

    def _complete_one(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        question = next(turn.text for turn in reversed(request.prompt) if "What" in turn.text)
        self.prompts.append(question)
        number = int(question.split()[2])
        if number == 8 and self.down:
            return NotCompleted("gone", "the server is down")
        text = "I like apples." if number == 7 else f"The answer is {number * 2 if number < self.limit else 0}."
        return Completion((Answer(text, "stop", 5),), 9, 0.25)


@dataclass(frozen=True)
class ScriptedModels(TinyModels):
    models: dict[str, ScriptedModel] = field(default_factory=dict)

    def text_model(self, reference: str) -> ScriptedModel:
        return self.models[reference]

    likelihood_model = text_model


def tasks(folder: Path, name: str, rows: Sequence[object]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def run(folder: Path, models: dict[str, ScriptedModel], grid: Sequence[EvalCell]) -> list[EvaluatedCell]:
    return Evaluation(grid, RunFolder.open(folder / "run", create=True), ScriptedModels(models=models)).run()


def test_unparsed_answers_count_as_incorrect_and_failures_are_asked_again(tmp_path: Path) -> None:
    task = parse_task(tasks(tmp_path, "sums", SUMS), None)
    assert task.kind == "number"
    model = ScriptedModel()
    grid = cells(["a"], [task], [parse_prompt_setup("zero-shot")], [Decoding()])
    (entry,) = run(tmp_path, {"a": model}, grid)
    first = result(entry)
    assert [type(outcome) for outcome in entry.outcomes] == [Score] * 6 + [Unscored] * 2
    assert (first.n, first.scored, first.unparsed, first.failed) == (8, 6, 1, 1)
    assert first.accuracy is not None
    assert (first.accuracy.estimate, first.accuracy.n) == (pytest.approx(4 / 7), 7)
    assert (first.tokens, first.dollars) == (7 * 5, 7 * 0.25)
    assert first.chance is None

    # A second run asks only the failed question; the cost of the first run is counted once.
    before, model.down = len(model.prompts), False
    (entry,) = run(tmp_path, {"a": model}, grid)
    second = result(entry)
    assert model.prompts[before:] == ["What is 8 + 8?"]
    assert (second.scored, second.failed, second.dollars) == (7, 0, 8 * 0.25)
    assert second.prompt == first.prompt


def test_likelihoods_of_choices_give_accuracy_chance_and_macro_average(tmp_path: Path) -> None:
    task = parse_task(tasks(tmp_path, "cities", CITIES), None)
    model = ScriptedModel()
    grid = cells(["a"], [task], [parse_prompt_setup("letter"), parse_prompt_setup("text")], [Decoding()])
    letter, text = run(tmp_path, {"a": model}, grid)
    letter_result = result(letter)
    assert letter_result.accuracy is not None
    assert letter_result.accuracy.estimate == pytest.approx(2 / 6)
    assert letter_result.chance == pytest.approx(1 / 3)
    assert letter_result.subjects is not None
    # North holds A and B, south C, A, B, C: half of one and a quarter of the other are "A".
    assert (letter_result.subjects.mean, letter_result.subjects.low, letter_result.subjects.high) == (0.375, 0.25, 0.5)
    assert "A. Rome" in model.prompts[0]
    assert "Rome" not in model.prompts[-1]
    assert result(text).prompt != letter_result.prompt


def test_compared_cells_differ_in_one_factor(tmp_path: Path) -> None:
    sums, cities = (parse_task(tasks(tmp_path, *source), None) for source in (("sums", SUMS), ("cities", CITIES)))
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("zero-shot-cot")]
    decodings = [Decoding(), Decoding("sample", temperature=0.5)]
    grid = cells(["a", "b"], [sums], setups, decodings)
    assert len(grid) == 8
    entries = run(tmp_path, {"a": ScriptedModel(), "b": ScriptedModel(limit=9)}, grid)
    pairs = comparisons(entries)
    assert {(pair.what, pair.n) for pair in pairs} == {("model", 7), ("prompt", 7), ("decoding", 7)}
    for pair in pairs:
        compared_names = [(cell.model, cell.setup.name, cell.decoding) for cell in (pair.ours, pair.theirs)]
        assert sum(a != b for a, b in zip(*compared_names, strict=True)) == 1
    better = next(pair for pair in pairs if pair.what == "model")
    assert better.compared.effect.estimate == pytest.approx(2 / 7)
    json.dumps(to_data([result(entry) for entry in entries], pairs), allow_nan=False)

    letter_grid = cells(
        ["a"],
        [cities, parse_task(tasks(tmp_path, "more", CITIES[:3]), None)],
        [parse_prompt_setup("letter")],
        [Decoding()],
    )
    ((_, macro),) = task_averages([result(entry) for entry in run(tmp_path, {"a": ScriptedModel()}, letter_grid)])
    assert macro.mean == pytest.approx(1 / 3)
    assert macro.groups == 2


def test_errors_are_raised_before_any_model_is_called(tmp_path: Path) -> None:
    task = parse_task(tasks(tmp_path, "sums", SUMS), None)
    with raises(UserError, kind="prompt", name="few-shots") as caught:
        parse_prompt_setup("few-shots:3")
    assert "'few-shot'" in caught.value.hint
    with pytest.raises(UserError, match="'few-shot:"):
        parse_prompt_setup("few-shot:many")
    with pytest.raises(UserError, match="'zero-shot'"):
        parse_prompt_setup("zero-shot:3")
    with raises(UserError, kind="prompt", name="letter"):
        cells(["a"], [task], [parse_prompt_setup("letter")], [Decoding()])
    with raises(UserError, kind="model", name="a"):
        cells(["a", "a"], [task], [parse_prompt_setup("zero-shot")], [Decoding()])
    with raises(UserError, kind="task", name="mmul") as caught:
        parse_task("mmul:somewhere", None)
    assert "'mmlu'" in caught.value.hint
    with pytest.raises(UserError, match="mmlu:PATH"):
        parse_task("mmlu:", None)
