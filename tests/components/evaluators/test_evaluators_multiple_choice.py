"""MultipleChoice: likelihoods as by transformers, conventions, every source of questions, and invalid input."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
from assay.core.errors import FieldError
from assay.core.roles import Artifact, Source
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.text.prompting.multiple_choice import item_of, mmlu_prompt
from error_fields import raises
from labs import real_lab, tiny_lab
from question_files import question_files

QUESTIONS = [
    Sample({"question": "Name a river.", "choice0": "The Danube", "choice1": "Mont Blanc", "answer": "A"}),
    Sample({"question": "강은?", "choice0": "백두산", "choice1": "한강", "choice2": "a", "answer": "B"}),
    Sample({"question": "Which are numbers?", "choice0": "7", "choice1": "no", "choice2": "3 and 4", "answer": "A,C"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("chat"))


def evaluate(folder: Path | str, samples: list[Sample], *settings: Any, **more: Any) -> list[Any]:
    lab = real_lab() if Path(folder).is_dir() else tiny_lab()
    return list(MultipleChoice(*settings, **more).evaluate(Artifact(str(folder), "text-model", ""), samples, lab))


@pytest.mark.parametrize("convention", ["text", "text-normalized", "letter"])
@pytest.mark.parametrize("system", ["", "Be brief."])
def test_choice_equals_likelihoods_of_transformers(folder: Path, convention: str, system: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for sample, outcome in zip(QUESTIONS, evaluate(folder, QUESTIONS, convention, system), strict=True):
        item = item_of(sample)
        question = mmlu_prompt(item) if convention == "letter" else item.question
        turns = [{"role": "system", "content": system}] if system else []
        rendered = tokenizer.apply_chat_template(
            [*turns, {"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        before = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        texts = "ABC"[: len(item.choices)] if convention == "letter" else item.choices
        sums = []
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                rows = model(input_ids=torch.tensor([before + ids])).logits[0].log_softmax(-1)
            sums.append(sum(float(rows[len(before) + nth - 1, token]) for nth, token in enumerate(ids)))
        lengths = [len(text) if convention == "text-normalized" else 1 for text in texts]
        compared = [log_prob / length for log_prob, length in zip(sums, lengths, strict=True)]
        best = compared.index(max(compared))
        probabilities = [math.exp(log_prob) for log_prob in sums]
        assert isinstance(outcome, Score)
        assert outcome.answer == item.choices[best]
        assert outcome.value == float(best in item.right)
        truth = sum(probabilities[nth] for nth in item.right) / sum(probabilities)
        assert outcome.evidence["probability of the truth"] == pytest.approx(truth, abs=1e-4)


def test_length_normalization_changes_the_choice() -> None:
    # tiny:author: -1 a letter that the question has, -2 one that it has not.
    sample = Sample({"question": "seasons", "choice0": "xy", "choice1": "season", "answer": "B"})
    assert [evaluate("tiny:author", [sample], convention)[0].value for convention in ("text", "text-normalized")] == [
        0.0,
        1.0,
    ]


SOURCES: dict[str, Any] = {
    "mmlu": lambda at: Mmlu(str(at / "mmlu")),
    "truthfulqa": lambda at: TruthfulQa(str(at / "truthfulqa.json")),
    "truthfulqa with several true answers": lambda at: TruthfulQa(str(at / "truthfulqa.json"), "mc2"),
    "a file of one's own": lambda at: Questions(str(at / "own.csv")),
    "misconceptions": lambda at: Misconceptions(limit=3),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("convention", ["text", "text-normalized", "letter"])
def test_every_source_of_multiple_choice_questions_is_scored(
    folder: Path, tmp_path: Path, name: str, convention: str
) -> None:
    question_files(tmp_path)
    source: Source = SOURCES[name](tmp_path)
    samples = list(source.read(tiny_lab()))
    assert [type(outcome) for outcome in evaluate(folder, samples, convention)] == [Score] * len(samples)


def test_question_over_context_is_unscored(folder: Path) -> None:
    long = Sample({"question": "very " * 200, "choice0": "so", "choice1": "no", "answer": "A"})
    outcomes = evaluate(folder, [QUESTIONS[0], long])
    assert isinstance(outcomes[0], Score)
    assert isinstance(outcomes[1], Unscored)
    assert outcomes[1].cause == "not_applicable"
    assert "context" in outcomes[1].reason
    assert evaluate(folder, []) == []


def test_questions_without_choices_raise(tmp_path: Path) -> None:
    question_files(tmp_path)
    numbers = list(Gsm8k(str(tmp_path / "gsm8k.jsonl")).read(tiny_lab()))
    with raises(FieldError, sample=numbers[0].id, names=tuple(numbers[0].fields)) as caught:
        evaluate("tiny:author", numbers)
    assert "Misconceptions" in caught.value.hint
    odd = Sample({"question": "Which?", "choice0": "a", "choice1": "b", "answer": "C"})
    with raises(FieldError, sample=odd.id) as caught:
        evaluate("tiny:author", [odd])
    assert re.search(r"\b2 choices\b.*'C'", str(caught.value.fields["reason"]))
    with raises(FieldError, name="answer"):
        evaluate("tiny:author", [Sample({"question": "Which?", "choice0": "a", "choice1": "b"})])


def test_unknown_convention() -> None:
    with pytest.raises(ValueError, match=r"Choice\.convention .*'word'"):
        MultipleChoice("word")  # type: ignore[arg-type]


def test_misconceptions_file_has_the_format_of_questions(tmp_path: Path) -> None:
    """The shipped file's form is that of `assay eval --task FILE.jsonl` too."""
    source = Misconceptions(limit=2)
    lines = source.file.read_text(encoding="utf-8").splitlines()[:2]
    (tmp_path / "own.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert {tuple(json.loads(line)) for line in lines} == {("id", "subject", "question", "choices", "answer")}
    questions = Questions(str(tmp_path / "own.jsonl")).read(tiny_lab())
    pairs = zip(questions, source.read(tiny_lab()), strict=True)
    assert all({**theirs.fields, "origin": ""} == {**ours.fields, "origin": ""} for theirs, ours in pairs)
