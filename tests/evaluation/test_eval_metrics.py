"""Written answers beside reference texts: what is counted, and that more metrics ask nobody."""

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
SAID = {"Say one.": " A cat lay down.", "Say two.": "the dog ran", "Say three.": "fish swim", "Say nothing.": " \n"}


@dataclass
class Pupil:
    """Says what it was told to, or as well as that the answer is wrong."""

    said: dict[str, str] = field(default_factory=lambda: dict(SAID))
    asked: int = 0
    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> list[Completion | NotCompleted]:
        self.asked += len(requests)
        return [self._one(request.prompt) for request in requests]

    def _one(self, prompt: str | tuple[Message, ...]) -> Completion | NotCompleted:
        assert not isinstance(prompt, str)
        question = next(turn.text for turn in prompt if turn.role == "user").split("\n")[0]
        if question == "Be gone.":
            return NotCompleted("gone", "the server is down")
        return Completion((Answer(self.said.get(question, "a mark"), "stop", 3),))


@dataclass(frozen=True)
class Pupils(TinyModels):
    pupils: dict[str, Pupil] = field(default_factory=dict)

    def text_model(self, reference: str) -> Pupil:
        return self.pupils[reference]


def task_of(folder: Path, name: str = "texts", rows: Sequence[object] = ROWS) -> EvalTask:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return parse_task(str(path), None)


def run(folder: Path, chosen: Sequence[EvalCell], **pupils: Pupil) -> list[EvaluatedCell]:
    return Evaluation(chosen, RunFolder.open(folder / "run", create=True), Pupils(pupils=pupils)).run()


def test_each_measure_reads_the_same_answers(tmp_path: Path) -> None:
    pupil = Pupil()
    names = ("rouge-l", "rouge-1", "chrf", "bleu", "accuracy")
    filled = run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=names), a=pupil)
    assert pupil.asked == len(ROWS)
    wanted = {
        "rouge-l": [rouge(said, refs, ["rougeL"])["rougeL"].f for said, refs in pairs()],
        "rouge-1": [rouge(said, refs, ["rouge1"])["rouge1"].f for said, refs in pairs()],
        "chrf": [sentence_score(chrf(), said, refs).value for said, refs in pairs()],
        "bleu": [sentence_score(bleu(), said, refs).value for said, refs in pairs()],
        "accuracy": [1.0, 0.0, 0.0],
    }
    for one in filled:
        scores = [outcome.value for outcome in one.outcomes[:3] if isinstance(outcome, Score)]
        assert scores == pytest.approx(wanted[one.cell.metric.name])
    assert wanted["rouge-l"][0] == 1.0  # by its second reference

    before = pupil.asked
    run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=["rouge-2"]), a=pupil)
    assert pupil.asked == before + 1  # what had no answer, and nothing else


def pairs() -> list[tuple[str, list[str]]]:
    """What was said to the first three, and their references."""
    wanted = [row["answer"] if isinstance(row["answer"], list) else [row["answer"]] for row in ROWS[:3]]
    return [(SAID[str(row["question"])].strip(), refs) for row, refs in zip(ROWS, wanted, strict=False)]


def test_an_empty_answer_counts_0_and_what_cannot_be_measured_is_left_out(tmp_path: Path) -> None:
    (filled,) = run(tmp_path, cells(["a"], [task_of(tmp_path)], metrics=["rouge-l"]), a=Pupil())
    found = result(filled)
    assert [type(one) for one in filled.outcomes] == [Score] * 3 + [Unscored] * 3
    assert (found.n, found.scored, found.unparsed, found.failed) == (6, 3, 1, 2)
    assert found.failure == "gone: the server is down"
    assert found.accuracy is not None
    scores = [one.value for one in filled.outcomes if isinstance(one, Score)]
    assert found.accuracy.estimate == pytest.approx(sum(scores) / 4)
    assert (found.kind, found.chance, found.accuracy.n) == ("mean", None, 4)
    assert found.accuracy.low is not None
    assert found.accuracy.high is not None
    assert 0 <= found.accuracy.low < found.accuracy.estimate < found.accuracy.high <= 1
    data = to_data([found], [])["cells"][0]
    assert (data["metric"], data["kind"], data["better"], data["chance"]) == ("rouge-l", "mean", "higher", None)
    json.dumps(data, allow_nan=False)


def test_nothing_shared_is_no_proof_of_nothing(tmp_path: Path) -> None:
    """Where all are 0 the bootstrap has no width; Wilson's interval has, on the scale of the metric."""
    pupil = Pupil(dict.fromkeys(SAID, "0"))
    for metric, most in (("chrf", 100.0), ("rouge-l", 1.0)):
        (filled,) = run(tmp_path, cells(["a"], [task_of(tmp_path, rows=ROWS[:3])], metrics=[metric]), a=pupil)
        effect = result(filled).accuracy
        assert effect is not None
        assert effect.high is not None
        assert (effect.estimate, effect.low) == (0, 0)
        assert 0.5 * most < effect.high < 0.6 * most


def test_pairs_are_of_one_measure_and_the_same_questions(tmp_path: Path) -> None:
    worse = Pupil({**SAID, "Say one.": "nothing of it"})
    chosen = cells(["a", "b"], [task_of(tmp_path)], metrics=["rouge-l", "chrf"])
    found = comparisons(run(tmp_path, chosen, a=Pupil(), b=worse))
    assert {(one.what, one.ours.metric.name, one.theirs.metric.name, one.n, one.kind) for one in found} == {
        ("model", "rouge-l", "rouge-l", 4, "mean"),
        ("model", "chrf", "chrf", 5, "mean"),  # "?!" holds no word, but characters
    }
    (words,) = (one for one in found if one.ours.metric.name == "rouge-l")
    assert words.compared.effect.estimate == pytest.approx(-1 / 4)


def test_means_over_tasks_are_of_one_measure(tmp_path: Path) -> None:
    texts = [task_of(tmp_path, name, ROWS[:3]) for name in ("one", "two")]
    sums = task_of(tmp_path, "sums", [{"question": "Say two.", "answer": "2"}])
    filled = run(tmp_path, cells(["a"], [*texts, sums], metrics=["rouge-l"]), a=Pupil())
    assert [one.cell.metric.name for one in filled] == ["rouge-l", "rouge-l", "accuracy"]
    ((cell, macro),) = task_averages([result(one) for one in filled])
    assert (cell.metric.name, macro.groups) == ("rouge-l", 2)


def test_where_reasoning_comes_first_only_the_answer_is_measured(tmp_path: Path) -> None:
    pupil = Pupil({"Say two.": "It was afraid. The answer is: the dog ran away"})
    task = task_of(tmp_path, rows=ROWS[1:2])
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("zero-shot-cot")]
    whole, reasoned = run(tmp_path, cells(["a"], [task], setups, metrics=["rouge-l"]), a=pupil)
    assert [one.outcomes[0].value < 1 for one in (whole, reasoned) if isinstance(one.outcomes[0], Score)] == [
        True,
        False,
    ]


def test_cosine_takes_any_sentence_encoder(tmp_path: Path) -> None:
    task = task_of(tmp_path, rows=ROWS[:2])
    (filled,) = run(tmp_path, cells(["a"], [task], metrics=["cosine:tiny:letters"]), a=Pupil())
    one, two = filled.outcomes
    assert isinstance(one, Score)
    assert isinstance(two, Score)
    assert one.value == pytest.approx(1)
    assert 0.5 < two.value < 1
    pupil = Pupil()
    with pytest.raises(ModelError, match="No model 'nobody'"):
        run(tmp_path, cells(["a"], [task], metrics=["cosine:nobody"]), a=pupil)
    assert pupil.asked == 0


def test_mistakes_are_named(tmp_path: Path) -> None:
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
