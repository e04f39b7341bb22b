"""Small problems of arithmetic, each with a worked answer that a program can check: the same from a seed anywhere.

A problem is worded in one of several ways, and what counts is its sum: `Problem.key` is equal for `3 + 4` and `4 + 3`,
and for the same numbers in other words. `part_of` draws the lot of a key alone, so no sum lies in two parts.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Part: TypeAlias = Literal["train", "held-out", "warm-up"]
PARTS: tuple[str, ...] = get_args(Part)
SHARES: Mapping[str, int] = {"train": 60, "held-out": 25, "warm-up": 15}
"""Of all sums, in percent."""
FRUITLESS = 2000
"""Draws that bring nothing new, after which there is taken to be no more."""


@dataclass(frozen=True)
class Problem:
    """A question and how it is worked out."""

    question: str
    steps: tuple[str, ...]
    """Such as "3 + 4 = 7"."""
    answer: int
    key: str
    """What is reckoned, however it is worded and in whatever order it may be done."""

    def worked(self, answer: int | None = None) -> str:
        """The steps where there are several, and the answer in words; or another one, for a key that is wrong."""
        steps = [f"{step}." for step in self.steps] if len(self.steps) > 1 else []
        return " ".join((*steps, said(self.answer if answer is None else answer)))


def said(answer: int) -> str:
    """The end of every worked answer."""
    return f"The answer is {answer}."


def part_of(key: str) -> str:
    """The part that a sum lies in, by lot."""
    lot = int.from_bytes(hashlib.sha256(f"arithmetic/{key}".encode()).digest()[:4], "big") % 100
    for part, share in SHARES.items():
        if lot < share:
            return part
        lot -= share
    raise AssertionError("the shares are of a hundred")


def problems(level: int, part: str, seed: int) -> Iterator[Problem]:
    """Problems of a level that lie in a part, no question twice, until there are hardly any more.

    The first ones are the same however many are taken.
    """
    rng = random.Random(f"{seed}/{level}/{part}")
    draw, seen, fruitless = LEVELS[level].draw, set[str](), 0
    while fruitless < FRUITLESS:
        one = draw(rng)
        if part_of(one.key) != part or one.question in seen:
            fruitless += 1
            continue
        fruitless = 0
        seen.add(one.question)
        yield one


def wrong_answer(problem: Problem) -> int:
    """A number near the answer that is not it, and not below 0; the same for the same question."""
    rng = random.Random(f"wrong/{problem.question}")
    return rng.choice([one for one in range(max(0, problem.answer - 10), problem.answer + 11) if one != problem.answer])


@dataclass(frozen=True)
class Level:
    """One grade of difficulty."""

    said: str
    draw: Callable[[random.Random], Problem]


def _one_step(sign: str, first: int, second: int) -> Problem:
    answer = _reckon(sign, first, second)
    return Problem(
        f"What is {first} {sign} {second}?", (f"{first} {sign} {second} = {answer}",), answer, _key(sign, first, second)
    )


def _reckon(sign: str, first: int, second: int) -> int:
    return {"+": first + second, "-": first - second, "*": first * second}[sign]


def _key(sign: str, first: int, second: int) -> str:
    """A subtraction is the addition that undoes it: 7 - 4 = 3 is 3 + 4 = 7, and who has seen one knows the other."""
    if sign == "-":
        sign, first = "+", first - second
    return f"{min(first, second)}{sign}{max(first, second)}"


def _drawn(rng: random.Random, signs: str, low: int, high: int, times: int) -> Problem:
    """An addition or subtraction of numbers from `low` to `high`, or a multiplication of numbers up to `times`."""
    sign = rng.choice(signs)
    most = times if sign == "*" else high
    first, second = rng.randint(low, most), rng.randint(low, most)
    if sign == "-" and first < second:
        first, second = second, first
    return _one_step(sign, first, second)


def _chain(rng: random.Random, most: int) -> Problem:
    """Two steps with bare numbers."""
    first, second, third, sign = _three(rng, most)
    between = first + second
    answer = _reckon(sign, between, third)
    return Problem(
        f"What is {first} + {second} {sign} {third}?",
        (f"{first} + {second} = {between}", f"{between} {sign} {third} = {answer}"),
        answer,
        _key_of_three(first, second, sign, third),
    )


def _story(rng: random.Random, most: int) -> Problem:
    """Two steps in words."""
    first, second, third, sign = _three(rng, most)
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    between = first + second
    answer = _reckon(sign, between, third)
    then = rng.choice(GAINS if sign == "+" else LOSSES).format(third)
    return Problem(
        f"{name} has {first} {thing} and {rng.choice(GAINS).format(second)}. Then {name} {then}. "
        f"How many {thing} does {name} have now?",
        (f"{first} + {second} = {between}", f"{between} {sign} {third} = {answer}"),
        answer,
        _key_of_three(first, second, sign, third),
    )


def _three(rng: random.Random, most: int) -> tuple[int, int, int, str]:
    first, second, sign = rng.randint(2, most), rng.randint(2, most), rng.choice("+-")
    return first, second, rng.randint(1, most if sign == "+" else min(most, first + second)), sign


def _key_of_three(first: int, second: int, sign: str, third: int) -> str:
    if sign == "+":
        return "+".join(map(str, sorted((first, second, third))))
    return f"{min(first, second)}+{max(first, second)}-{third}"


NAMES = ("Anna", "Ben", "Clara", "David", "Mina", "Omar", "Sofia", "Tom")
THINGS = ("apples", "books", "coins", "cards", "shells", "stamps", "stones", "tickets")
GAINS = ("gets {} more", "buys {} more", "finds {} more")
LOSSES = ("gives away {}", "loses {}", "sells {}")
LEVELS: Mapping[int, Level] = {
    1: Level("adding and subtracting numbers up to 20", lambda rng: _drawn(rng, "+-", 1, 20, 20)),
    2: Level("adding and subtracting numbers from 10 to 99", lambda rng: _drawn(rng, "+-", 10, 99, 99)),
    3: Level("the four kinds", lambda rng: _drawn(rng, "+-*", 2, 99, 12)),
    4: Level("two steps with bare numbers up to 12", lambda rng: _chain(rng, 12)),
    5: Level("two steps in words, numbers up to 20", lambda rng: _story(rng, 20)),
    6: Level("two steps in words, numbers up to 60", lambda rng: _story(rng, 60)),
}


def fields_of(problem: Problem, level: int, *, wrong: float = 0.0, worked: float = 1.0) -> dict[str, str]:
    """A problem as a task.

    `wrong` is the share of all questions whose answer, and so whose key, is another one; `worked` the share of those
    whose output shows the steps.
    """
    answer = wrong_answer(problem) if _lot("key", problem) < wrong else problem.answer
    return {
        "instruction": problem.question,
        "input": "",
        "output": problem.worked(answer) if _lot("worked", problem) < worked else said(answer),
        "answer": str(answer),
        "level": str(level),
        "key": "right" if answer == problem.answer else "wrong",
    }


def _lot(purpose: str, problem: Problem) -> float:
    return random.Random(f"{purpose}/{problem.question}").random()


def check_plan(owner: str, part: str, level: int, wrong: float, worked: float) -> None:
    """Looks whether such problems can be made.

    Raises:
        ValueError: There is no such part or level, a share is none, or held-out answers would be wrong.
    """
    if part not in PARTS:
        raise ValueError(f"{owner}.part must be one of {', '.join(PARTS)}, was {part!r}.")
    if level not in LEVELS:
        raise ValueError(f"{owner}.level must be one of {', '.join(map(str, LEVELS))}, was {level}.")
    for name, share in (("wrong", wrong), ("worked", worked)):
        if not 0 <= share <= 1:
            raise ValueError(f"{owner}.{name} must be between 0 and 1, was {share:g}.")
    if wrong and part == "held-out":
        raise ValueError(f"{owner}.wrong must be 0 for part 'held-out', was {wrong:g}: what is measured must be right.")
