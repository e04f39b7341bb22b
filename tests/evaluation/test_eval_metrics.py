"""Text metrics of generated answers against references: counting rules, and reuse of stored answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from assay.core.completions import Answer, Capabilities, Completion, Message, NotCompleted, TextRequest
from assay.core.errors import ModelError, UserError
from assay.core.score import Score, Unscored
from assay.evaluation.plan import EvalCell, EvalTask, cells, parse_prompt_setup
from assay.evaluation.results import comparisons, result, task_averages, to_data
from assay.evaluation.run import EvaluatedCell, Evaluation
from assay.evaluation.tasks import parse_task
from assay.store.run_folder import RunFolder
from assay.text.similarity.bleu_chrf import bleu, chrf, sentence_score
from assay.text.similarity.rouge import rouge
from error_fields import raises
from labs import TinyModels

ROWS = [
    {"question": "Say one.", "answer": ["the cat sat on the mat", "a cat lay down"]},
    {"question": "Say two.", "answer": "the dog ran away"},
    {"question": "Say three.", "answer": "birds fly south in winter"},
    {"question": "Say nothing.", "answer": "a word"},
    {"question": "Be gone.", "answer": "a word"},
    {"question": "Say marks.", "answer": "?!"},
]
ANSWERS = {"Say one.": " A cat lay down.", "Say two.": "the dog ran", "Say three.": "fish swim", "Say nothing.": " \n"}


@dataclass
class ScriptedModel:
    """Gives the scripted answer to a question, else "a mark"."""

    answers: dict[str, str] = field(default_factory=lambda: dict(ANSWERS))
    calls: int = 0
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> list[Completion | NotCompleted]:
        self.calls += len(requests)
        return [self._complete_one(request.prompt) for request in requests]

    def _complete_one(self, prompt: str | tuple[Message, ...]) -> Completion | NotCompleted:
        assert not isinstance(prompt, str)
        question = next(turn.text for turn in prompt if turn.role == "user").split("\n")[0]
        if question == "Be gone.":
            return NotCompleted("gone", "the server is down")
        return Completion((Answer(self.answers.get(question, "a mark"), "stop", 3),))


@dataclass(frozen=True)
class ScriptedModels(TinyModels):
    models: dict[str, ScriptedModel] = field(default_factory=dict)

    def text_model(self, reference: str) -> ScriptedModel:
        return self.models[reference]


def task_of(folder: Path, name: str = "texts", rows: Sequence[object] = ROWS) -> EvalTask:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return parse_task(str(path), None)


def run(folder: Path, grid: Sequence[EvalCell], **models: ScriptedModel) -> list[EvaluatedCell]:
    return Evaluation(grid, RunFolder.open(folder / "run", create=True), ScriptedModels(models=models)).run()


def test_metrics_share_answers_and_equal_the_scorers(tmp_path: Path) -> None:
    model = ScriptedModel()
    names = ("rouge-l", "rouge-1", "chrf", "bleu", "accuracy")
    entries = run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=names), a=model)
    assert model.calls == len(ROWS)
    expected = {
        "rouge-l": [rouge(text, refs, ["rougeL"])["rougeL"].f for text, refs in answer_pairs()],
        "rouge-1": [rouge(text, refs, ["rouge1"])["rouge1"].f for text, refs in answer_pairs()],
        "chrf": [sentence_score(chrf(), text, refs).value for text, refs in answer_pairs()],
        "bleu": [sentence_score(bleu(), text, refs).value for text, refs in answer_pairs()],
        "accuracy": [1.0, 0.0, 0.0],
    }
    for entry in entries:
        scores = [outcome.value for outcome in entry.outcomes[:3] if isinstance(outcome, Score)]
        assert scores == pytest.approx(expected[entry.cell.metric.name])
    assert expected["rouge-l"][0] == 1.0  # by its second reference

    before = model.calls
    run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=["rouge-2"]), a=model)
    assert model.calls == before + 1  # only the failed question


def answer_pairs() -> list[tuple[str, list[str]]]:
    """Answers to the first three questions, and their references."""
    references = [row["answer"] if isinstance(row["answer"], list) else [row["answer"]] for row in ROWS[:3]]
    return [(ANSWERS[str(row["question"])].strip(), refs) for row, refs in zip(ROWS, references, strict=False)]


def test_empty_answer_counts_0_and_empty_references_are_excluded(tmp_path: Path) -> None:
    (entry,) = run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=["rouge-l"]), a=ScriptedModel())
    cell_result = result(entry)
    assert [type(outcome) for outcome in entry.outcomes] == [Score] * 3 + [Unscored] * 3
    assert (cell_result.n, cell_result.scored, cell_result.unparsed, cell_result.failed) == (6, 3, 1, 2)
    assert cell_result.failure == "gone: the server is down"
    assert cell_result.accuracy is not None
    scores = [outcome.value for outcome in entry.outcomes if isinstance(outcome, Score)]
    assert cell_result.accuracy.estimate == pytest.approx(sum(scores) / 4)
    assert (cell_result.kind, cell_result.chance, cell_result.accuracy.n) == ("mean", None, 4)
    assert cell_result.accuracy.low is not None
    assert cell_result.accuracy.high is not None
    assert 0 <= cell_result.accuracy.low < cell_result.accuracy.estimate < cell_result.accuracy.high <= 1
    data = to_data([cell_result], [])["cells"][0]
    assert (data["metric"], data["kind"], data["better"], data["chance"]) == ("rouge-l", "mean", "higher", None)
    json.dumps(data, allow_nan=False)


def test_interval_of_a_mean_of_0_has_a_width(tmp_path: Path) -> None:
    """If all values are 0, the bootstrap interval has no width; Wilson's has, on the scale of the metric."""
    model = ScriptedModel(dict.fromkeys(ANSWERS, "0"))
    for metric, most in (("chrf", 100.0), ("rouge-l", 1.0)):
        (entry,) = run(tmp_path, cells(["a"], [task_of(tmp_path, rows=ROWS[:3])], metrics=[metric]), a=model)
        effect = result(entry).accuracy
        assert effect is not None
        assert effect.high is not None
        assert (effect.estimate, effect.low) == (0, 0)
        assert 0.5 * most < effect.high < 0.6 * most


def test_compared_cells_have_one_metric_and_the_same_questions(tmp_path: Path) -> None:
    worse = ScriptedModel({**ANSWERS, "Say one.": "nothing of it"})
    grid = cells(["a", "b"], [task_of(tmp_path)], metrics=["rouge-l", "chrf"])
    pairs = comparisons(run(tmp_path, grid, a=ScriptedModel(), b=worse))
    assert {(pair.what, pair.ours.metric.name, pair.theirs.metric.name, pair.n, pair.kind) for pair in pairs} == {
        ("model", "rouge-l", "rouge-l", 4, "mean"),
        ("model", "chrf", "chrf", 5, "mean"),  # "?!" holds no word, but characters
    }
    (words,) = (pair for pair in pairs if pair.ours.metric.name == "rouge-l")
    assert words.compared.effect.estimate == pytest.approx(-1 / 4)


def test_macro_average_over_tasks_is_of_one_metric(tmp_path: Path) -> None:
    texts = [task_of(tmp_path, name, ROWS[:3]) for name in ("one", "two")]
    sums = task_of(tmp_path, "sums", [{"question": "Say two.", "answer": "2"}])
    entries = run(tmp_path, cells(["a"], [*texts, sums], metrics=["rouge-l"]), a=ScriptedModel())
    assert [entry.cell.metric.name for entry in entries] == ["rouge-l", "rouge-l", "accuracy"]
    ((cell, macro),) = task_averages([result(entry) for entry in entries])
    assert (cell.metric.name, macro.groups) == ("rouge-l", 2)


def test_text_metrics_of_a_chain_of_thought_use_the_final_answer(tmp_path: Path) -> None:
    model = ScriptedModel({"Say two.": "It was afraid. The answer is: the dog ran away"})
    task = task_of(tmp_path, rows=ROWS[1:2])
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("zero-shot-cot")]
    whole, reasoned = run(tmp_path, cells(["a"], [task], setups, metrics=["rouge-l"]), a=model)
    scores = [entry.outcomes[0].value for entry in (whole, reasoned) if isinstance(entry.outcomes[0], Score)]
    assert [score == 1 for score in scores] == [False, True]


def test_cosine_accepts_any_sentence_encoder(tmp_path: Path) -> None:
    task = task_of(tmp_path, rows=ROWS[:2])
    (entry,) = run(tmp_path, cells(["a"], [task], metrics=["cosine:tiny:letters"]), a=ScriptedModel())
    equal, similar = entry.outcomes
    assert isinstance(equal, Score)
    assert isinstance(similar, Score)
    assert equal.value == pytest.approx(1)
    assert 0.5 < similar.value < 1
    model = ScriptedModel()
    with pytest.raises(ModelError, match="'nobody'"):
        run(tmp_path, cells(["a"], [task], metrics=["cosine:nobody"]), a=model)
    assert model.calls == 0


def test_unknown_and_inapplicable_metrics_are_errors(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    with raises(UserError, kind="metric", name="rougel") as caught:
        cells(["a"], [task], metrics=["rougel"])
    assert "'rouge-l'" in caught.value.hint
    for metric in ("bleu:xx", "rouge-l:en", "cosine:"):
        name, _, value = metric.partition(":")
        with raises(UserError, name=name, value=value):
            cells(["a"], [task], metrics=[metric])
    with raises(UserError, kind="metric", name="chrf"):
        cells(["a"], [task], metrics=["chrf", "chrf"])
    sums = task_of(tmp_path, "sums", [{"question": "Say two.", "answer": "2"}])
    with raises(UserError, kind="metric", name="chrf") as caught:
        cells(["a"], [sums], metrics=["chrf"])
    assert "sums: accuracy." in caught.value.hint
