"""AnswerLoss: the loss that transformers gives, the model's own answer, and no number where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.errors import FieldError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.text.instructions.dialogues import write_history
from labs import real_lab, tiny_lab

TASKS = [
    Sample({"instruction": "Add the numbers.", "input": "3 and 4", "output": "7, of course."}),
    Sample({"instruction": " 강 이름을 말해 주세요.\n", "input": " ", "output": "한강"}),
    Sample({"instruction": "Name a river.", "output": " The Danube\n"}),
]
SAID = ["Add the numbers.\n\n3 and 4", "강 이름을 말해 주세요.", "Name a river."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("chat"))


def measured(folder: Path, tasks: list[Sample], **more: Any) -> list[Any]:
    evaluator = AnswerLoss(decoding=Decoding(max_tokens=6), **more)
    return list(evaluator.evaluate(Artifact(str(folder), "text-model", ""), tasks, real_lab()))


@pytest.mark.parametrize("system", ["", "Be brief."])
def test_it_is_the_loss_that_transformers_gives(folder: Path, system: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    words = AutoTokenizer.from_pretrained(folder)
    for task, said, found in zip(TASKS, SAID, measured(folder, TASKS, system=system), strict=True):
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": said})
        text = words.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        before = words(text, add_special_tokens=False)["input_ids"]
        answer = words(task.text("output").strip(), add_special_tokens=False)["input_ids"]
        labels = torch.tensor([[-100] * len(before) + answer])
        with torch.no_grad():
            loss = float(model(input_ids=torch.tensor([before + answer]), labels=labels).loss)
            made = model.generate(torch.tensor([before]), max_new_tokens=6, do_sample=False, pad_token_id=0)
        assert isinstance(found, Score)
        assert found.value == pytest.approx(loss, abs=1e-5)
        assert found.evidence["tokens"] == len(answer)
        assert found.answer == words.decode(made[0][len(before) :], skip_special_tokens=True).strip()


def test_what_has_no_answer_or_does_not_fit_is_unscored(folder: Path) -> None:
    blank = Sample({"instruction": "Say it.", "output": " \n"})
    long = Sample({"instruction": "Say it.", "output": "very " * 200})
    prompted = Sample({"instruction": "very " * 200, "output": "so"})
    found = measured(folder, [blank, TASKS[0], long, prompted])
    assert [type(one) for one in found] == [Unscored, Score, Unscored, Unscored]
    assert [one.cause for one in found if isinstance(one, Unscored)] == ["not_applicable"] * 3
    assert "no answer" in found[0].reason
    assert "context" in found[2].reason
    assert measured(folder, []) == []


def test_truncated_answer_is_kept_and_marked() -> None:
    tasks = [Sample({"instruction": text, "output": "red"}) for text in ("Say it.", "Say it at long last.")]
    whole, cut = AnswerLoss().evaluate(Artifact("tiny:author", "text-model", ""), tasks, tiny_lab())
    assert isinstance(whole, Score)
    assert isinstance(cut, Score)
    assert (whole.evidence["whole"], cut.evidence["whole"]) == (1.0, 0.0)
    assert len(cut.answer.split()) == 3


def test_a_task_without_its_fields_is_a_mistake_in_the_recipe(folder: Path) -> None:
    with pytest.raises(FieldError, match="output"):
        measured(folder, [Sample({"instruction": "Say it."})])
    with pytest.raises(FieldError, match="instruction"):
        measured(folder, [Sample({"output": "It."})])


def test_one_answer_only() -> None:
    with pytest.raises(ValueError, match=r"AnswerLoss\.decoding .*2"):
        AnswerLoss(decoding=Decoding("sample", answers=2))


def test_dialogue_history_is_in_the_prompt_and_blank_tasks_are_skipped(folder: Path) -> None:
    said = (Message("user", "Name a river."), Message("assistant", "The Rhine"))
    task = Sample({"instruction": "One more.", "output": "The Danube"})
    dialogue = Sample({**task.fields, "history": write_history(said)})
    whole, alone, blank = measured(folder, [dialogue, task, Sample({"instruction": " ", "output": "x"})])
    assert blank == Unscored("not_applicable", "The task has a blank instruction.")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    words = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": one.role, "content": one.text} for one in (*said, Message("user", "One more."))]
    before = words.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    answer = words("The Danube", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        ids, labels = torch.tensor([before + answer]), torch.tensor([[-100] * len(before) + answer])
        assert whole.value == pytest.approx(float(model(input_ids=ids, labels=labels).loss), abs=1e-5)
    assert abs(whole.value - alone.value) > 1e-4
