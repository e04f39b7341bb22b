"""InstructionDifficulty: equal to the losses of transformers, and unscored samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.filters.fractions import TopFraction
from assay.components.filters.threshold import Threshold
from assay.components.scorers.language_model.instruction_difficulty import InstructionDifficulty
from assay.core.completions import Continuations, FailureKind, Likelihood, Message, NotCompleted
from assay.core.errors import FieldError, ModelError
from assay.core.lab import Lab
from assay.core.roles import ScoreTable
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.text.instructions.dialogues import write_history
from error_fields import raises
from labs import MemoryImages, TinyModels, real_lab

TASKS = [
    Sample({"instruction": "Add the numbers.", "input": "3 and 4", "output": "7, of course."}),
    Sample({"instruction": "Name a river.", "input": "", "output": "The Danube"}),
    Sample({"instruction": " 강 이름을 하나 말해 주세요.\n", "input": " ", "output": "한강입니다."}),
    Sample({"instruction": "Say <|end|> twice.", "input": "", "output": "<|end|><|end|>"}),
    Sample({"instruction": "Say it.", "output": " A space before it\n"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.language(tmp_path_factory.mktemp("language"))


def mean_loss(model: Any, before: list[int], answer: list[int]) -> float:
    """Loss of transformers for the tokens of an answer; those before it are masked."""
    labels = torch.tensor([[-100] * len(before) + answer])
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([before + answer]), labels=labels).loss)


def test_difficulty_is_the_ratio_of_transformers_losses(folder: Path) -> None:
    model, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompts = ["Add the numbers.\n\n3 and 4", "Name a river.", "강 이름을 하나 말해 주세요.", "Say  twice.", "Say it."]
    whole = InstructionDifficulty(str(folder)).score(TASKS, real_lab())
    direct = [mean_loss_of(model, words, "", task.text("output")) for task in TASKS]
    conditional = [
        mean_loss_of(model, words, user, task.text("output")) for user, task in zip(prompts, TASKS, strict=True)
    ]
    for outcome, after, without, task in zip(whole, conditional, direct, TASKS, strict=True):
        assert isinstance(outcome, Score)
        assert outcome.value == pytest.approx(after / without, abs=1e-5)
        assert outcome.evidence["given"] == pytest.approx(after, abs=1e-5)
        assert outcome.evidence["alone"] == pytest.approx(without, abs=1e-5)
        assert outcome.evidence["tokens"] == len(task.text("output").encode())  # a byte is a token here
    assert len({round(outcome.value, 6) for outcome in whole if isinstance(outcome, Score)}) == len(TASKS)


def mean_loss_of(model: Any, words: Any, user: str, answer: str) -> float:
    before = words.apply_chat_template(
        [{"role": "user", "content": user}], add_generation_prompt=True, return_dict=False
    )
    return mean_loss(model, before, words(answer, split_special_tokens=True)["input_ids"])


def test_difficulty_is_independent_of_the_batch(folder: Path) -> None:
    scorer, lab = InstructionDifficulty(str(folder)), real_lab()
    whole = list(scorer.score(TASKS, lab))
    assert [scorer.score([task], lab)[0] for task in TASKS] == whole
    assert list(scorer.score(TASKS[::-1], lab))[::-1] == whole


def test_incomplete_or_too_long_samples_are_unscored(folder: Path) -> None:
    lacking = [
        Sample({"instruction": "Say it.", "input": "", "output": ""}),
        Sample({"instruction": "Say it.", "input": "", "output": " \n"}),
        Sample({"instruction": " ", "input": "something", "output": "An answer"}),
        Sample({"instruction": "Say it.", "input": "", "output": "x"}),
        Sample({"instruction": "Say it.", "input": "word " * 60, "output": "An answer"}),
        Sample({"instruction": "Say it.", "input": "", "output": "word " * 60}),
    ]
    outcomes = InstructionDifficulty(str(folder)).score([*lacking, TASKS[1]], real_lab())
    expected = [
        ("not_applicable", "answer"),
        ("not_applicable", "answer"),
        ("not_applicable", "instruction"),
        ("not_applicable", "tokens"),
        ("failed", "context"),
        ("failed", "context"),
    ]
    for outcome, (cause, word) in zip(outcomes[:-1], expected, strict=True):
        assert isinstance(outcome, Unscored)
        assert outcome.cause == cause
        assert word in outcome.reason
    assert isinstance(outcomes[-1], Score)
    assert InstructionDifficulty(str(folder)).score([], real_lab()) == []


@dataclass(frozen=True)
class Certain(TinyModels):
    """Model with the same log-probability of every answer, with an instruction and without."""

    direct: float = 0.0
    conditional: float = -3.0
    lack: FailureKind | None = None

    def likelihood_model(self, reference: str) -> Certain:  # type: ignore[override]
        return self

    def likelihoods(self, requests: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        if self.lack:
            return [NotCompleted(self.lack, "it is so") for _ in requests]
        return [(Likelihood(self.conditional if request.prompt[0].text else self.direct, 3),) for request in requests]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("direct", "conditional", "reason"),
    [
        (0.0, -3.0, "sure of the answer"),
        (1e-9, -3.0, "sure of the answer"),
        (-1e-320, -3.0, "sure of the answer"),
        (float("-inf"), -3.0, "no finite probability"),
        (-3.0, float("nan"), "no finite probability"),
    ],
)
def test_non_finite_ratio_is_unscored(direct: float, conditional: float, reason: str) -> None:
    (outcome,) = InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(direct, conditional), MemoryImages()))
    assert isinstance(outcome, Unscored)
    assert reason in outcome.reason


def test_certain_answer_scores_zero() -> None:
    (outcome,) = InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(-3.0, 1e-9), MemoryImages()))
    assert outcome == Score(0.0, evidence={"given": 0.0, "alone": 1.0, "tokens": 3.0})


def test_fatal_error_raises() -> None:
    with raises(ModelError, model="any", lack="model", reason="it is so"):
        InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(lack="model"), MemoryImages()))


def test_missing_fields_and_missing_template_raise(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="'output'"):
        InstructionDifficulty(str(folder)).score([Sample({"instruction": "Say it.", "text": "x"})], real_lab())
    with pytest.raises(FieldError, match="'instruction'"):
        InstructionDifficulty(str(folder)).score([Sample({"output": "x"})], real_lab())
    mute = checkpoints.language(tmp_path / "mute")
    (mute / "chat_template.jinja").unlink()
    with raises(ModelError, name="chat_template", model=str(mute)):
        InstructionDifficulty(str(mute)).score(TASKS, real_lab())


def test_selection_of_the_paper_by_filters() -> None:
    ids = ["a", "b", "c", "d"]
    table = ScoreTable(ids, {"following": [Score(1.2), Score(0.3), Score(0.95), Unscored("failed", "x")]})
    belongs = [decision.keep for decision in Threshold("following", high=1.0).decide(table)]
    assert belongs == [False, True, True, False]
    subset = ScoreTable(["b", "c"], {"following": [Score(0.3), Score(0.95)]})
    assert [decision.keep for decision in TopFraction("following", 0.1, per=None).decide(subset)] == [False, True]


def test_difficulty_with_a_history(folder: Path) -> None:
    history = (Message("user", "Name a river."), Message("assistant", "The Rhine"))
    sample = Sample({"instruction": "One more.", "output": "The Danube", "history": write_history(history)})
    model, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    turns = [{"role": message.role, "content": message.text} for message in (*history, Message("user", "One more."))]
    before = words.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    (outcome,) = InstructionDifficulty(str(folder)).score([sample], real_lab())
    assert isinstance(outcome, Score)
    answer = words("The Danube", split_special_tokens=True)["input_ids"]
    assert outcome.evidence["given"] == pytest.approx(mean_loss(model, before, answer), rel=1e-5)
    assert outcome.evidence["alone"] == pytest.approx(mean_loss_of(model, words, "", "The Danube"), rel=1e-5)
