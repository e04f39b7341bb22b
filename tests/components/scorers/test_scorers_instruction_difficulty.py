"""Following: the same numbers as transformers computes without us, and no number where there is none."""

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
    """What transformers itself says of the labels of an answer, everything before it masked."""
    labels = torch.tensor([[-100] * len(before) + answer])
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([before + answer]), labels=labels).loss)


def test_it_is_the_ratio_of_the_losses_that_transformers_gives(folder: Path) -> None:
    model, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    said = ["Add the numbers.\n\n3 and 4", "Name a river.", "강 이름을 하나 말해 주세요.", "Say  twice.", "Say it."]
    whole = InstructionDifficulty(str(folder)).score(TASKS, real_lab())
    alone = [mean_loss_of(model, words, "", task.text("output")) for task in TASKS]
    given = [mean_loss_of(model, words, user, task.text("output")) for user, task in zip(said, TASKS, strict=True)]
    for found, after, without, task in zip(whole, given, alone, TASKS, strict=True):
        assert isinstance(found, Score)
        assert found.value == pytest.approx(after / without, abs=1e-5)
        assert found.evidence["given"] == pytest.approx(after, abs=1e-5)
        assert found.evidence["alone"] == pytest.approx(without, abs=1e-5)
        assert found.evidence["tokens"] == len(task.text("output").encode())  # a byte is a token here
    assert len({round(one.value, 6) for one in whole if isinstance(one, Score)}) == len(TASKS)


def mean_loss_of(model: Any, words: Any, user: str, answer: str) -> float:
    before = words.apply_chat_template(
        [{"role": "user", "content": user}], add_generation_prompt=True, return_dict=False
    )
    return mean_loss(model, before, words(answer, split_special_tokens=True)["input_ids"])


def test_a_score_is_the_same_to_the_last_bit_whatever_it_is_given_with(folder: Path) -> None:
    scorer, lab = InstructionDifficulty(str(folder)), real_lab()
    whole = list(scorer.score(TASKS, lab))
    assert [scorer.score([task], lab)[0] for task in TASKS] == whole
    assert list(scorer.score(TASKS[::-1], lab))[::-1] == whole


def test_what_has_no_difficulty_is_unscored(folder: Path) -> None:
    lacking = [
        Sample({"instruction": "Say it.", "input": "", "output": ""}),
        Sample({"instruction": "Say it.", "input": "", "output": " \n"}),
        Sample({"instruction": " ", "input": "something", "output": "An answer"}),
        Sample({"instruction": "Say it.", "input": "", "output": "x"}),
        Sample({"instruction": "Say it.", "input": "word " * 60, "output": "An answer"}),
        Sample({"instruction": "Say it.", "input": "", "output": "word " * 60}),
    ]
    found = InstructionDifficulty(str(folder)).score([*lacking, TASKS[1]], real_lab())
    reasons = [(one.cause, one.reason.split(":")[0]) for one in found if isinstance(one, Unscored)]
    assert reasons == [
        ("not_applicable", "The answer is empty."),
        ("not_applicable", "The answer is empty."),
        ("not_applicable", "The instruction is empty."),
        ("not_applicable", "The answer has fewer than two tokens."),
        ("failed", "context"),
        ("failed", "context"),
    ]
    assert isinstance(found[-1], Score)
    assert InstructionDifficulty(str(folder)).score([], real_lab()) == []


@dataclass(frozen=True)
class Certain(TinyModels):
    """Sure of every answer without an instruction, or at a loss about all."""

    alone: float = 0.0
    given: float = -3.0
    lack: FailureKind | None = None

    def likelihood_model(self, reference: str) -> Certain:  # type: ignore[override]
        return self

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        if self.lack:
            return [NotCompleted(self.lack, "it is so") for _ in asked]
        return [(Likelihood(self.given if one.prompt[0].text else self.alone, 3),) for one in asked]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("alone", "given", "told"),
    [
        (0.0, -3.0, "sure of the answer"),
        (1e-9, -3.0, "sure of the answer"),
        (-1e-320, -3.0, "sure of the answer"),
        (float("-inf"), -3.0, "no finite probability"),
        (-3.0, float("nan"), "no finite probability"),
    ],
)
def test_a_ratio_that_is_no_number_is_never_given(alone: float, given: float, told: str) -> None:
    (found,) = InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(alone, given), MemoryImages()))
    assert isinstance(found, Unscored)
    assert told in found.reason


def test_a_certain_answer_is_no_difficulty_and_never_below_nothing() -> None:
    (found,) = InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(-3.0, 1e-9), MemoryImages()))
    assert found == Score(0.0, evidence={"given": 0.0, "alone": 1.0, "tokens": 3.0})


def test_what_stands_in_every_answers_way_stops_it() -> None:
    with raises(ModelError, model="any", lack="model", reason="it is so"):
        InstructionDifficulty("any").score(TASKS[:1], Lab(7, Certain(lack="model"), MemoryImages()))


def test_mistakes_in_a_recipe_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="'output'"):
        InstructionDifficulty(str(folder)).score([Sample({"instruction": "Say it.", "text": "x"})], real_lab())
    with pytest.raises(FieldError, match="'instruction'"):
        InstructionDifficulty(str(folder)).score([Sample({"output": "x"})], real_lab())
    mute = checkpoints.language(tmp_path / "mute")
    (mute / "chat_template.jinja").unlink()
    with raises(ModelError, name="chat_template", model=str(mute)):
        InstructionDifficulty(str(mute)).score(TASKS, real_lab())


def test_the_papers_choice_is_a_threshold_and_a_share() -> None:
    ids = ["a", "b", "c", "d"]
    table = ScoreTable(ids, {"following": [Score(1.2), Score(0.3), Score(0.95), Unscored("failed", "x")]})
    belongs = [one.keep for one in Threshold("following", high=1.0).decide(table)]
    assert belongs == [False, True, True, False]
    left = ScoreTable(["b", "c"], {"following": [Score(0.3), Score(0.95)]})
    assert [one.keep for one in TopFraction("following", 0.1, per=None).decide(left)] == [False, True]


def test_a_dialogue_goes_on_with_what_was_said_before(folder: Path) -> None:
    said = (Message("user", "Name a river."), Message("assistant", "The Rhine"))
    sample = Sample({"instruction": "One more.", "output": "The Danube", "history": write_history(said)})
    model, words = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    turns = [{"role": one.role, "content": one.text} for one in (*said, Message("user", "One more."))]
    before = words.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    (found,) = InstructionDifficulty(str(folder)).score([sample], real_lab())
    assert isinstance(found, Score)
    answer = words("The Danube", split_special_tokens=True)["input_ids"]
    assert found.evidence["given"] == pytest.approx(mean_loss(model, before, answer), rel=1e-5)
    assert found.evidence["alone"] == pytest.approx(mean_loss_of(model, words, "", "The Danube"), rel=1e-5)
