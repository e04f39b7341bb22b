from __future__ import annotations

import re
from itertools import islice, pairwise

import pytest

from assay.text.answers.extraction import extract_number
from assay.text.instructions.arithmetic import (
    LEVELS,
    PART_PERCENTAGES,
    PARTS,
    Problem,
    part_of_key,
    problems,
    task_fields,
    wrong_answer,
)

STEP = re.compile(r"(\d+) ([+*-]) (\d+) = (-?\d+)")


def sample_problems(level: int, part: str, count: int = 200, seed: int = 0) -> list[Problem]:
    return list(islice(problems(level, part, seed), count))


def calculate(first: int, sign: str, second: int) -> int:
    return {"+": first + second, "-": first - second, "*": first * second}[sign]


@pytest.mark.parametrize("level", LEVELS)
def test_steps_and_answers_are_right_and_asked_for(level: int) -> None:
    for problem in sample_problems(level, "train"):
        steps = [STEP.fullmatch(step) for step in problem.steps]
        for step in steps:
            assert step is not None
            assert calculate(int(step[1]), step[2], int(step[3])) == int(step[4]) >= 0
        assert all(later[1] == earlier[4] for earlier, later in pairwise(steps))  # type: ignore[index]
        assert steps[-1][4] == str(problem.answer)  # type: ignore[index]
        numbers = [int(number) for number in re.findall(r"\d+", problem.question)]
        assert numbers == [int(steps[0][1]), *(int(step[3]) for step in steps)]  # type: ignore[index]
        if (bare := re.fullmatch(r"What is ([\d +*-]+)\?", problem.question)) and len(numbers) == 2:
            assert f"{bare[1]} = {problem.answer}" == problem.steps[0]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_worked_out_is_read_as_the_answer(level: int) -> None:
    for problem in sample_problems(level, "warm-up", 50):
        for answer in (problem.answer, wrong_answer(problem)):
            extracted = extract_number(problem.worked(answer), strict=True)
            assert extracted is not None
            assert extracted.value == str(answer)


def test_a_sum_lies_in_one_part_at_every_level_and_in_any_words() -> None:
    keys = {part: {problem.key for level in LEVELS for problem in sample_problems(level, part, 400)} for part in PARTS}
    questions = {
        part: {problem.question for level in LEVELS for problem in sample_problems(level, part, 400)} for part in PARTS
    }
    for part in PARTS:
        for other in PARTS:
            if part != other:
                assert not keys[part] & keys[other]
                assert not questions[part] & questions[other]
        assert {part_of_key(key) for key in keys[part]} == {part}
    key_by_question = {problem.question: problem.key for problem in sample_problems(1, "train", 400)}
    turned = {f"What is {b} + {a}?" for a, b in re.findall(r"What is (\d+) \+ (\d+)", " ".join(key_by_question))}
    assert {key_by_question[question] for question in turned & set(key_by_question)} <= set(key_by_question.values())
    for a, b in re.findall(r"What is (\d+) \+ (\d+)", " ".join(key_by_question)):
        undone = f"What is {int(a) + int(b)} - {a}?"
        if undone in key_by_question:
            assert key_by_question[undone] == key_by_question[f"What is {a} + {b}?"]


def test_parts_have_their_shares() -> None:
    keys = [f"{a}+{b}" for a in range(100) for b in range(a, 100)]
    for part, share in PART_PERCENTAGES.items():
        assert sum(part_of_key(key) == part for key in keys) / len(keys) == pytest.approx(share / 100, abs=0.02)


def test_more_problems_begin_with_the_same_ones_and_none_comes_twice() -> None:
    assert sample_problems(2, "train", 300)[:20] == sample_problems(2, "train", 20)
    assert sample_problems(2, "train", 20, seed=1) != sample_problems(2, "train", 20)
    every = sample_problems(1, "train", 10**6)
    assert len({problem.question for problem in every}) == len(every)
    sums = {(a, b) for a in range(1, 21) for b in range(1, 21) if part_of_key(f"{min(a, b)}+{max(a, b)}") == "train"}
    assert {problem.question for problem in every} >= {f"What is {a} + {b}?" for a, b in sums}


def test_a_wrong_key_is_near_and_never_right() -> None:
    chosen = sample_problems(3, "train", 300)
    for problem in chosen:
        assert 0 < abs(wrong_answer(problem) - problem.answer) <= 10
        assert wrong_answer(problem) >= 0
        assert wrong_answer(problem) == wrong_answer(problem)
    for wrong in (0.0, 0.3, 1.0):
        rows = [task_fields(problem, 3, wrong=wrong) for problem in chosen]
        share = sum(row["key"] == "wrong" for row in rows) / len(rows)
        assert share == pytest.approx(wrong, abs=0.08 if 0 < wrong < 1 else 0)
        for row, problem in zip(rows, chosen, strict=True):
            assert (row["answer"] == str(problem.answer)) == (row["key"] == "right")
            assert row["output"].endswith(f"The answer is {row['answer']}.")
    few, many = (
        {problem.question for problem in chosen if task_fields(problem, 3, wrong=w)["key"] == "wrong"}
        for w in (0.2, 0.6)
    )
    assert few < many


def test_a_share_of_outputs_shows_the_steps() -> None:
    chosen = sample_problems(4, "train", 300)
    for worked in (0.0, 0.4, 1.0):
        outputs = [task_fields(problem, 4, worked=worked)["output"] for problem in chosen]
        for problem, output in zip(chosen, outputs, strict=True):
            assert output in (problem.worked(), f"The answer is {problem.answer}.")
        share = sum(" = " in output for output in outputs) / len(outputs)
        assert share == pytest.approx(worked, abs=0.08 if 0 < worked < 1 else 0)
    assert sample_problems(4, "train", 1)[0].worked().count(" = ") == 2
    assert " = " not in sample_problems(2, "train", 1)[0].worked()
