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


def some(level: int, part: str, count: int = 200, seed: int = 0) -> list[Problem]:
    return list(islice(problems(level, part, seed), count))


def reckoned(first: int, sign: str, second: int) -> int:
    return {"+": first + second, "-": first - second, "*": first * second}[sign]


@pytest.mark.parametrize("level", LEVELS)
def test_steps_and_answers_are_right_and_asked_for(level: int) -> None:
    for one in some(level, "train"):
        steps = [STEP.fullmatch(step) for step in one.steps]
        for step in steps:
            assert step is not None
            assert reckoned(int(step[1]), step[2], int(step[3])) == int(step[4]) >= 0
        assert all(later[1] == earlier[4] for earlier, later in pairwise(steps))  # type: ignore[index]
        assert steps[-1][4] == str(one.answer)  # type: ignore[index]
        asked = [int(number) for number in re.findall(r"\d+", one.question)]
        assert asked == [int(steps[0][1]), *(int(step[3]) for step in steps)]  # type: ignore[index]
        if (bare := re.fullmatch(r"What is ([\d +*-]+)\?", one.question)) and len(asked) == 2:
            assert f"{bare[1]} = {one.answer}" == one.steps[0]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_worked_out_is_read_as_the_answer(level: int) -> None:
    for one in some(level, "warm-up", 50):
        for answer in (one.answer, wrong_answer(one)):
            read = extract_number(one.worked(answer), strict=True)
            assert read is not None
            assert read.value == str(answer)


def test_a_sum_lies_in_one_part_at_every_level_and_in_any_words() -> None:
    keys = {part: {one.key for level in LEVELS for one in some(level, part, 400)} for part in PARTS}
    questions = {part: {one.question for level in LEVELS for one in some(level, part, 400)} for part in PARTS}
    for part in PARTS:
        for other in PARTS:
            if part != other:
                assert not keys[part] & keys[other]
                assert not questions[part] & questions[other]
        assert {part_of_key(key) for key in keys[part]} == {part}
    found = {one.question: one.key for one in some(1, "train", 400)}
    turned = {f"What is {b} + {a}?" for a, b in re.findall(r"What is (\d+) \+ (\d+)", " ".join(found))}
    assert {found[one] for one in turned & set(found)} <= set(found.values())
    for a, b in re.findall(r"What is (\d+) \+ (\d+)", " ".join(found)):
        undone = f"What is {int(a) + int(b)} - {a}?"
        if undone in found:
            assert found[undone] == found[f"What is {a} + {b}?"]


def test_parts_have_their_shares() -> None:
    keys = [f"{a}+{b}" for a in range(100) for b in range(a, 100)]
    for part, share in PART_PERCENTAGES.items():
        assert sum(part_of_key(key) == part for key in keys) / len(keys) == pytest.approx(share / 100, abs=0.02)


def test_more_problems_begin_with_the_same_ones_and_none_comes_twice() -> None:
    assert some(2, "train", 300)[:20] == some(2, "train", 20)
    assert some(2, "train", 20, seed=1) != some(2, "train", 20)
    every = some(1, "train", 10**6)
    assert len({one.question for one in every}) == len(every)
    sums = {(a, b) for a in range(1, 21) for b in range(1, 21) if part_of_key(f"{min(a, b)}+{max(a, b)}") == "train"}
    assert {one.question for one in every} >= {f"What is {a} + {b}?" for a, b in sums}


def test_a_wrong_key_is_near_and_never_right() -> None:
    chosen = some(3, "train", 300)
    for one in chosen:
        assert 0 < abs(wrong_answer(one) - one.answer) <= 10
        assert wrong_answer(one) >= 0
        assert wrong_answer(one) == wrong_answer(one)
    for wrong in (0.0, 0.3, 1.0):
        rows = [task_fields(one, 3, wrong=wrong) for one in chosen]
        share = sum(row["key"] == "wrong" for row in rows) / len(rows)
        assert share == pytest.approx(wrong, abs=0.08 if 0 < wrong < 1 else 0)
        for row, one in zip(rows, chosen, strict=True):
            assert (row["answer"] == str(one.answer)) == (row["key"] == "right")
            assert row["output"].endswith(f"The answer is {row['answer']}.")
    few, many = ({one.question for one in chosen if task_fields(one, 3, wrong=w)["key"] == "wrong"} for w in (0.2, 0.6))
    assert few < many


def test_a_share_of_outputs_shows_the_steps() -> None:
    chosen = some(4, "train", 300)
    for worked in (0.0, 0.4, 1.0):
        outputs = [task_fields(one, 4, worked=worked)["output"] for one in chosen]
        for one, output in zip(chosen, outputs, strict=True):
            assert output in (one.worked(), f"The answer is {one.answer}.")
        share = sum(" = " in output for output in outputs) / len(outputs)
        assert share == pytest.approx(worked, abs=0.08 if 0 < worked < 1 else 0)
    assert some(4, "train", 1)[0].worked().count(" = ") == 2
    assert " = " not in some(2, "train", 1)[0].worked()
