"""Self-preference: found where it was planted, and not where a family is simply better."""

from __future__ import annotations

import numpy as np
import pytest

from assay.stats.ratings.agreement import self_preference

FAMILIES = [("red", "blue"), ("blue", "red")] * 60


def verdicts(better: float, favor: dict[str, float], judges: list[str], seed: int = 0) -> np.ndarray:
    """Red wins with probability `better`; each judge adds its favor to its own family's."""
    rng = np.random.default_rng(seed)
    rows = []
    for judge in judges:
        lean = {"red": 1, "blue": -1}.get(judge, 0) * favor.get(judge, 0.0)
        red = rng.random(len(FAMILIES)) < better + lean
        rows.append([float(won == (sides[0] == "red")) for won, sides in zip(red, FAMILIES, strict=True)])
    return np.array(rows)


def test_a_judge_that_favors_its_own_is_found_beside_a_neutral_one() -> None:
    judges = ["red", "green"]
    red, green = self_preference(verdicts(0.5, {"red": 0.4}, judges), judges, FAMILIES)
    assert green is None  # no pair has an answer of its own
    assert red is not None
    assert red.significant
    assert red.neutral == red.own.n == 120
    assert red.difference.estimate == pytest.approx(red.own.estimate - red.others.estimate)
    assert 0.25 < red.difference.estimate < 0.55


def test_a_family_that_is_better_is_no_favor() -> None:
    judges = ["red", "green"]
    red = self_preference(verdicts(0.9, {}, judges), judges, FAMILIES)[0]
    assert red is not None
    assert red.own.estimate > 0.8
    assert not red.significant


def test_two_rivals_alone_show_only_the_favors_of_both() -> None:
    judges = ["red", "blue"]
    found = self_preference(verdicts(0.5, {"red": 0.3, "blue": 0.3}, judges), judges, FAMILIES)
    for one in found:
        assert one is not None
        assert one.neutral == 0
        assert 0.4 < one.difference.estimate < 0.8


def test_neutral_judges_take_the_place_of_rivals() -> None:
    judges = ["red", "blue", "green"]
    red = self_preference(verdicts(0.5, {"blue": 0.5}, judges), judges, FAMILIES)[0]
    assert red is not None
    assert red.neutral == 120
    assert not red.significant


def test_what_was_not_judged_is_left_out_and_one_judge_shows_nothing() -> None:
    worth = verdicts(0.5, {}, ["red", "green"])
    worth[0, :100] = np.nan
    red = self_preference(worth, ["red", "green"], FAMILIES)[0]
    assert red is not None
    assert red.own.n == 20
    assert self_preference(worth[:1], ["red"], FAMILIES) == [None]
    assert self_preference(worth, ["red", "green"], [("red", "red")] * 120) == [None, None]
    with pytest.raises(ValueError):  # noqa: PT011
        self_preference(worth, ["red"], FAMILIES)
