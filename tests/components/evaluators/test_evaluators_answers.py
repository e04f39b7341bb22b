from __future__ import annotations

from pathlib import Path

import pytest

import checkpoints
from assay.components.evaluators.answers import Answers
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.language_model.perplexity import Perplexity
from assay.components.scorers.reference.metrics import Rouge
from assay.core.completions import Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.text.instructions.dialogues import write_history
from labs import Listening, real_lab, tiny_lab
from reward_parts import Even, Trouble

AUTHOR = Artifact("tiny:author", "text-model", "")


def task(instruction: str, **more: str) -> Sample:
    return Sample({"instruction": instruction, **more})


def test_generated_answer_is_scored_with_task_fields() -> None:
    evaluator = Answers(Rouge("rouge1", references=("reference",)))
    free, equal = (
        evaluator.evaluate(AUTHOR, [task("Name a color.", reference=reference)], tiny_lab())[0]
        for reference in ("blue", "red soft loud cold old")
    )
    assert isinstance(free, Score)
    assert isinstance(equal, Score)
    assert len(free.answer.split()) == 3
    assert free.value == 0
    assert equal.value > 0
    assert evaluator.scale == Rouge("rouge1").scale
    assert free.evidence["whole"] == 1
    assert free.evidence["tokens"] == 3


def test_unscored_answers_have_cause_and_reason() -> None:
    evaluator = Answers(Even())
    truncated, failed, unparsed = evaluator.evaluate(AUTHOR, [task("long"), task("nothing"), task("void")], tiny_lab())
    assert isinstance(truncated, Score)
    assert truncated.evidence["whole"] == 0
    assert isinstance(failed, Unscored)
    assert failed.cause == "failed"
    assert failed.reason.startswith("gone:")
    assert [unparsed] == Even().score([Sample({"text": ""})], tiny_lab())
    scorer = Trouble("hangs")
    timeout = scorer.score([Sample({"text": ""})], tiny_lab())
    assert Answers(scorer).evaluate(AUTHOR, [task("Say it.")], tiny_lab()) == timeout


def test_prompt_has_input_history_and_system_message() -> None:
    listening = Listening()
    before = (Message("user", "Hi."), Message("assistant", "Hello."))
    sample = task("Add.", input="1 and 2", history=write_history(before))
    lab = tiny_lab()
    listening_lab = type(lab)(lab.seed, listening, lab.images)
    Answers(Even(), Decoding(max_tokens=7), system="Be brief.").evaluate(AUTHOR, [sample], listening_lab)
    ((_, request),) = listening.asked
    assert isinstance(request, TextRequest)
    assert request.prompt == (Message("system", "Be brief."), *before, Message("user", "Add.\n\n1 and 2"))
    assert request.decoding.max_tokens == 7


def test_real_checkpoint_with_model_based_scorer(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    evaluator = Answers(Perplexity(start), Decoding(max_tokens=6))
    outcomes = evaluator.evaluate(Artifact(start, "text-model", ""), [task("Say it."), task("And now?")], real_lab())
    assert all(isinstance(outcome, Score | Unscored) for outcome in outcomes)
    assert evaluator.scale.better == "lower"


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Answers\.decoding .*2"):
        Answers(Even(), Decoding("sample", answers=2))
    with pytest.raises(ValueError, match=r"Answers\.by"):
        Answers(RougeNovelty())
