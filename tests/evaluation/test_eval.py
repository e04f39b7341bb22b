"""Evaluations: what is crossed, what is counted, and that nobody is asked twice."""

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
class Pupil:
    """Doubles numbers below `knows`, cannot be read at 7, and is not there for 8; it likes the first choice best."""

    knows: int = 5
    asked: list[str] = field(default_factory=list)
    down: bool = True
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._one(request) for request in requests]

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...]]:
        self.asked += [str(one.prompt) for one in asked]
        return [tuple(Likelihood(-1.0 - nth, 1) for nth in range(len(one.texts))) for one in asked]

    def _one(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        question = next(turn.text for turn in reversed(request.prompt) if "What" in turn.text)
        self.asked.append(question)
        number = int(question.split()[2])
        if number == 8 and self.down:
            return NotCompleted("gone", "the server is down")
        told = "I like apples." if number == 7 else f"The answer is {number * 2 if number < self.knows else 0}."
        return Completion((Answer(told, "stop", 5),), 9, 0.25)


@dataclass(frozen=True)
class Pupils(TinyModels):
    pupils: dict[str, Pupil] = field(default_factory=dict)

    def text_model(self, reference: str) -> Pupil:
        return self.pupils[reference]

    likelihood_model = text_model


def tasks(folder: Path, name: str, rows: Sequence[object]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def run(folder: Path, pupils: dict[str, Pupil], chosen: Sequence[EvalCell]) -> list[EvaluatedCell]:
    return Evaluation(chosen, RunFolder.open(folder / "run", create=True), Pupils(pupils)).run()


def test_what_cannot_be_read_is_wrong_and_what_has_no_answer_is_left_out(tmp_path: Path) -> None:
    task = parse_task(tasks(tmp_path, "sums", SUMS), None)
    assert task.kind == "number"
    pupil = Pupil()
    chosen = cells(["a"], [task], [parse_prompt_setup("zero-shot")], [Decoding()])
    (filled,) = run(tmp_path, {"a": pupil}, chosen)
    found = result(filled)
    assert [type(one) for one in filled.outcomes] == [Score] * 6 + [Unscored] * 2
    assert (found.n, found.scored, found.unparsed, found.failed) == (8, 6, 1, 1)
    assert found.accuracy is not None
    assert (found.accuracy.estimate, found.accuracy.n) == (pytest.approx(4 / 7), 7)
    assert (found.tokens, found.dollars) == (7 * 5, 7 * 0.25)
    assert found.chance is None

    # A second run asks for what had no answer, and nothing else; what was paid is counted once.
    before, pupil.down = len(pupil.asked), False
    (filled,) = run(tmp_path, {"a": pupil}, chosen)
    again = result(filled)
    assert pupil.asked[before:] == ["What is 8 + 8?"]
    assert (again.scored, again.failed, again.dollars) == (7, 0, 8 * 0.25)
    assert again.prompt == found.prompt


def test_choices_are_compared_and_nothing_is_written(tmp_path: Path) -> None:
    task = parse_task(tasks(tmp_path, "cities", CITIES), None)
    pupil = Pupil()
    chosen = cells(["a"], [task], [parse_prompt_setup("letter"), parse_prompt_setup("text")], [Decoding()])
    letter, text = run(tmp_path, {"a": pupil}, chosen)
    found = result(letter)
    assert found.accuracy is not None
    assert found.accuracy.estimate == pytest.approx(2 / 6)
    assert found.chance == pytest.approx(1 / 3)
    assert found.subjects is not None
    # North holds A and B, south C, A, B, C: half of one and a quarter of the other are "A".
    assert (found.subjects.mean, found.subjects.low, found.subjects.high) == (0.375, 0.25, 0.5)
    assert "A. Rome" in pupil.asked[0]
    assert "Rome" not in pupil.asked[-1]
    assert result(text).prompt != found.prompt


def test_pairs_differ_in_one_thing_and_share_their_questions(tmp_path: Path) -> None:
    sums, cities = (parse_task(tasks(tmp_path, *one), None) for one in (("sums", SUMS), ("cities", CITIES)))
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("zero-shot-cot")]
    decodings = [Decoding(), Decoding("sample", temperature=0.5)]
    chosen = cells(["a", "b"], [sums], setups, decodings)
    assert len(chosen) == 8
    filled = run(tmp_path, {"a": Pupil(), "b": Pupil(knows=9)}, chosen)
    found = comparisons(filled)
    assert {(one.what, one.n) for one in found} == {("model", 7), ("prompt", 7), ("decoding", 7)}
    for one in found:
        compared_names = [(cell.model, cell.setup.name, cell.decoding) for cell in (one.ours, one.theirs)]
        assert sum(a != b for a, b in zip(*compared_names, strict=True)) == 1
    better = next(one for one in found if one.what == "model")
    assert better.compared.effect.estimate == pytest.approx(2 / 7)
    json.dumps(to_data([result(one) for one in filled], found), allow_nan=False)

    both = cells(
        ["a"],
        [cities, parse_task(tasks(tmp_path, "more", CITIES[:3]), None)],
        [parse_prompt_setup("letter")],
        [Decoding()],
    )
    ((_, macro),) = task_averages([result(one) for one in run(tmp_path, {"a": Pupil()}, both)])
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
