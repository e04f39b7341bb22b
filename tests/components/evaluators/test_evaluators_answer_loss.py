"""AnswerLoss: loss and answer as by transformers, and unscored tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.evaluators.answer_loss import NO_ANSWER, NO_INSTRUCTION, AnswerLoss
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.errors import FieldError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.text.instructions.dialogues import write_history
from error_fields import raises
from labs import real_lab, tiny_lab

TASKS = [
    Sample({"instruction": "Add the numbers.", "input": "3 and 4", "output": "7, of course."}),
    Sample({"instruction": " 강 이름을 말해 주세요.\n", "input": " ", "output": "한강"}),
    Sample({"instruction": "Name a river.", "output": " The Danube\n"}),
]
PROMPTS = ["Add the numbers.\n\n3 and 4", "강 이름을 말해 주세요.", "Name a river."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("chat"))


def evaluate(folder: Path, tasks: list[Sample], **more: Any) -> list[Any]:
    evaluator = AnswerLoss(decoding=Decoding(max_tokens=6), **more)
    return list(evaluator.evaluate(Artifact(str(folder), "text-model", ""), tasks, real_lab()))


@pytest.mark.parametrize("system", ["", "Be brief."])
def test_loss_and_answer_equal_those_of_transformers(folder: Path, system: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for task, prompt, outcome in zip(TASKS, PROMPTS, evaluate(folder, TASKS, system=system), strict=True):
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": prompt})
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        before = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = tokenizer(task.text("output").strip(), add_special_tokens=False)["input_ids"]
        labels = torch.tensor([[-100] * len(before) + answer])
        with torch.no_grad():
            loss = float(model(input_ids=torch.tensor([before + answer]), labels=labels).loss)
            generated = model.generate(torch.tensor([before]), max_new_tokens=6, do_sample=False, pad_token_id=0)
        assert isinstance(outcome, Score)
        assert outcome.value == pytest.approx(loss, abs=1e-5)
        assert outcome.evidence["tokens"] == len(answer)
        assert outcome.answer == tokenizer.decode(generated[0][len(before) :], skip_special_tokens=True).strip()


def test_task_without_answer_or_over_context_is_unscored(folder: Path) -> None:
    blank = Sample({"instruction": "Say it.", "output": " \n"})
    long = Sample({"instruction": "Say it.", "output": "very " * 200})
    prompted = Sample({"instruction": "very " * 200, "output": "so"})
    outcomes = evaluate(folder, [blank, TASKS[0], long, prompted])
    assert [type(outcome) for outcome in outcomes] == [Unscored, Score, Unscored, Unscored]
    assert [outcome.cause for outcome in outcomes if isinstance(outcome, Unscored)] == ["not_applicable"] * 3
    assert outcomes[0] == NO_ANSWER
    assert outcomes[2].reason.startswith("context:")
    assert evaluate(folder, []) == []


def test_truncated_answer_is_kept_and_marked() -> None:
    tasks = [Sample({"instruction": text, "output": "red"}) for text in ("Say it.", "Say it at long last.")]
    whole, truncated = AnswerLoss().evaluate(Artifact("tiny:author", "text-model", ""), tasks, tiny_lab())
    assert isinstance(whole, Score)
    assert isinstance(truncated, Score)
    assert (whole.evidence["whole"], truncated.evidence["whole"]) == (1.0, 0.0)
    assert len(truncated.answer.split()) == 3


def test_missing_fields_raise(folder: Path) -> None:
    with raises(FieldError, name="output"):
        evaluate(folder, [Sample({"instruction": "Say it."})])
    with raises(FieldError, name="instruction"):
        evaluate(folder, [Sample({"output": "It."})])


def test_decoding_must_give_one_answer() -> None:
    with pytest.raises(ValueError, match=r"AnswerLoss\.decoding .*2"):
        AnswerLoss(decoding=Decoding("sample", answers=2))


def test_dialogue_history_is_in_the_prompt_and_blank_tasks_are_skipped(folder: Path) -> None:
    turns_before = (Message("user", "Name a river."), Message("assistant", "The Rhine"))
    task = Sample({"instruction": "One more.", "output": "The Danube"})
    dialogue = Sample({**task.fields, "history": write_history(turns_before)})
    whole, alone, blank = evaluate(folder, [dialogue, task, Sample({"instruction": " ", "output": "x"})])
    assert blank == NO_INSTRUCTION
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [
        {"role": message.role, "content": message.text} for message in (*turns_before, Message("user", "One more."))
    ]
    before = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    answer = tokenizer("The Danube", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        ids, labels = torch.tensor([before + answer]), torch.tensor([[-100] * len(before) + answer])
        assert whole.value == pytest.approx(float(model(input_ids=ids, labels=labels).loss), abs=1e-5)
    assert abs(whole.value - alone.value) > 1e-4
