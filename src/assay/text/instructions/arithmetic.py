"""Generated arithmetic problems with worked, checkable answers; deterministic by seed.

`Problem.key` identifies the calculation: it is equal for `3 + 4` and `4 + 3`, and for the same numbers in other words.
`part_of_key` assigns parts by a hash of the key, so no calculation is in two parts.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

ArithmeticPart: TypeAlias = Literal["train", "held-out", "warm-up"]
PARTS: tuple[str, ...] = get_args(ArithmeticPart)
PART_PERCENTAGES: Mapping[str, int] = {"train": 60, "held-out": 25, "warm-up": 15}
"""Percentage of keys by part."""
MAX_FAILED_DRAWS = 2000
"""Consecutive draws without a new problem after which generation stops."""


@dataclass(frozen=True)
class Problem:
    """Question with its worked answer."""

    question: str
    steps: tuple[str, ...]
    """Such as "3 + 4 = 7"."""
    answer: int
    key: str
    """Canonical form of the calculation."""

    def worked(self, answer: int | None = None) -> str:
        """Steps, if there are several, and the answer sentence; `answer` replaces the correct answer."""
        steps = [f"{step}." for step in self.steps] if len(self.steps) > 1 else []
        return " ".join((*steps, answer_sentence(self.answer if answer is None else answer)))


def answer_sentence(answer: int) -> str:
    """Last sentence of every worked answer."""
    return f"The answer is {answer}."


def part_of_key(key: str) -> str:
    """Part of a key, by hash."""
    bucket = int.from_bytes(hashlib.sha256(f"arithmetic/{key}".encode()).digest()[:4], "big") % 100
    for part, percentage in PART_PERCENTAGES.items():
        if bucket < percentage:
            return part
        bucket -= percentage
    raise AssertionError("percentages must sum to 100")


def problems(level: int, part: str, seed: int) -> Iterator[Problem]:
    """Distinct problems of a level and part, until `MAX_FAILED_DRAWS` draws give none.

    The first n problems do not depend on how many are taken.
    """
    rng = random.Random(f"{seed}/{level}/{part}")
    draw, seen, failed = LEVELS[level].draw, set[str](), 0
    while failed < MAX_FAILED_DRAWS:
        problem = draw(rng)
        if part_of_key(problem.key) != part or problem.question in seen:
            failed += 1
            continue
        failed = 0
        seen.add(problem.question)
        yield problem


def wrong_answer(problem: Problem) -> int:
    """Wrong answer within 10 of the correct one, at least 0; deterministic by question."""
    rng = random.Random(f"wrong/{problem.question}")
    return rng.choice([n for n in range(max(0, problem.answer - 10), problem.answer + 11) if n != problem.answer])


@dataclass(frozen=True)
class Level:
    """Level of difficulty."""

    description: str
    draw: Callable[[random.Random], Problem]


def _one_step(sign: str, first: int, second: int) -> Problem:
    answer = _calculate(sign, first, second)
    return Problem(
        f"What is {first} {sign} {second}?", (f"{first} {sign} {second} = {answer}",), answer, _key(sign, first, second)
    )


def _calculate(sign: str, first: int, second: int) -> int:
    return {"+": first + second, "-": first - second, "*": first * second}[sign]


def _key(sign: str, first: int, second: int) -> str:
    """Canonical key; a subtraction has the key of its inverse addition: 7 - 4 = 3 that of 3 + 4 = 7."""
    if sign == "-":
        sign, first = "+", first - second
    return f"{min(first, second)}{sign}{max(first, second)}"


def _one_operation(rng: random.Random, signs: str, low: int, high: int, times: int) -> Problem:
    """Addition or subtraction of numbers from `low` to `high`, or multiplication of numbers up to `times`."""
    sign = rng.choice(signs)
    most = times if sign == "*" else high
    first, second = rng.randint(low, most), rng.randint(low, most)
    if sign == "-" and first < second:
        first, second = second, first
    return _one_step(sign, first, second)


def _two_operations(rng: random.Random, most: int) -> Problem:
    """Two operations, as an expression."""
    first, second, third, sign = _three_operands(rng, most)
    between = first + second
    answer = _calculate(sign, between, third)
    return Problem(
        f"What is {first} + {second} {sign} {third}?",
        (f"{first} + {second} = {between}", f"{between} {sign} {third} = {answer}"),
        answer,
        _key_of_two_operations(first, second, sign, third),
    )


def _word_problem(rng: random.Random, most: int) -> Problem:
    """Two operations, as a word problem."""
    first, second, third, sign = _three_operands(rng, most)
    name, thing = rng.choice(NAMES), rng.choice(OBJECTS)
    between = first + second
    answer = _calculate(sign, between, third)
    then = rng.choice(GAINS if sign == "+" else LOSSES).format(third)
    return Problem(
        f"{name} has {first} {thing} and {rng.choice(GAINS).format(second)}. Then {name} {then}. "
        f"How many {thing} does {name} have now?",
        (f"{first} + {second} = {between}", f"{between} {sign} {third} = {answer}"),
        answer,
        _key_of_two_operations(first, second, sign, third),
    )


def _three_operands(rng: random.Random, most: int) -> tuple[int, int, int, str]:
    first, second, sign = rng.randint(2, most), rng.randint(2, most), rng.choice("+-")
    return first, second, rng.randint(1, most if sign == "+" else min(most, first + second)), sign


def _key_of_two_operations(first: int, second: int, sign: str, third: int) -> str:
    if sign == "+":
        return "+".join(map(str, sorted((first, second, third))))
    return f"{min(first, second)}+{max(first, second)}-{third}"


NAMES = ("Anna", "Ben", "Clara", "David", "Mina", "Omar", "Sofia", "Tom")
OBJECTS = ("apples", "books", "coins", "cards", "shells", "stamps", "stones", "tickets")
GAINS = ("gets {} more", "buys {} more", "finds {} more")
LOSSES = ("gives away {}", "loses {}", "sells {}")
LEVELS: Mapping[int, Level] = {
    1: Level("adding and subtracting numbers up to 20", lambda rng: _one_operation(rng, "+-", 1, 20, 20)),
    2: Level("adding and subtracting numbers from 10 to 99", lambda rng: _one_operation(rng, "+-", 10, 99, 99)),
    3: Level("the four kinds", lambda rng: _one_operation(rng, "+-*", 2, 99, 12)),
    4: Level("two steps with bare numbers up to 12", lambda rng: _two_operations(rng, 12)),
    5: Level("two steps in words, numbers up to 20", lambda rng: _word_problem(rng, 20)),
    6: Level("two steps in words, numbers up to 60", lambda rng: _word_problem(rng, 60)),
}


def task_fields(problem: Problem, level: int, *, wrong: float = 0.0, worked: float = 1.0) -> dict[str, str]:
    """Task fields of a problem.

    `wrong` is the fraction of questions with a wrong answer, `worked` the fraction of outputs that show the steps.
    """
    answer = wrong_answer(problem) if _uniform("key", problem) < wrong else problem.answer
    return {
        "instruction": problem.question,
        "input": "",
        "output": problem.worked(answer) if _uniform("worked", problem) < worked else answer_sentence(answer),
        "answer": str(answer),
        "level": str(level),
        "key": "right" if answer == problem.answer else "wrong",
    }


def _uniform(purpose: str, problem: Problem) -> float:
    return random.Random(f"{purpose}/{problem.question}").random()


def check_options(owner: str, part: str, level: int, wrong: float, worked: float) -> None:
    """Check the options of an arithmetic component.

    Raises:
        ValueError: Unknown part or level, a fraction outside 0 to 1, or wrong answers in the held-out part.
    """
    if part not in PARTS:
        raise ValueError(f"{owner}.part must be one of {', '.join(PARTS)}, was {part!r}.")
    if level not in LEVELS:
        raise ValueError(f"{owner}.level must be one of {', '.join(map(str, LEVELS))}, was {level}.")
    for name, fraction in (("wrong", wrong), ("worked", worked)):
        if not 0 <= fraction <= 1:
            raise ValueError(f"{owner}.{name} must be between 0 and 1, was {fraction:g}.")
    if wrong and part == "held-out":
        raise ValueError(f"{owner}.wrong must be 0 for part 'held-out', was {wrong:g}: held-out answers are correct.")
