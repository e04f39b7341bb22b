"""Self-preference of simulated judges and of better model families."""

from __future__ import annotations

import numpy as np
import pytest

from assay.stats.ratings.agreement import self_preference

FAMILIES = [("red", "blue"), ("blue", "red")] * 60


def verdicts(better: float, favor: dict[str, float], judges: list[str], seed: int = 0) -> np.ndarray:
    """Red wins with probability `better`; each judge adds its `favor` to the probability of its family."""
    rng = np.random.default_rng(seed)
    rows = []
    for judge in judges:
        lean = {"red": 1, "blue": -1}.get(judge, 0) * favor.get(judge, 0.0)
        red = rng.random(len(FAMILIES)) < better + lean
        rows.append([float(won == (sides[0] == "red")) for won, sides in zip(red, FAMILIES, strict=True)])
    return np.array(rows)


def test_self_preference_is_detected_with_a_neutral_judge() -> None:
    judges = ["red", "green"]
    red, green = self_preference(verdicts(0.5, {"red": 0.4}, judges), judges, FAMILIES)
    assert green is None  # no pair has an answer of its family
    assert red is not None
    assert red.significant
    assert red.neutral == red.own.n == 120
    assert red.difference.estimate == pytest.approx(red.own.estimate - red.others.estimate)
    assert 0.25 < red.difference.estimate < 0.55


def test_a_better_family_is_not_self_preference() -> None:
    judges = ["red", "green"]
    red = self_preference(verdicts(0.9, {}, judges), judges, FAMILIES)[0]
    assert red is not None
    assert red.own.estimate > 0.8
    assert not red.significant


def test_without_a_neutral_judge_both_preferences_are_included() -> None:
    judges = ["red", "blue"]
    results = self_preference(verdicts(0.5, {"red": 0.3, "blue": 0.3}, judges), judges, FAMILIES)
    for result in results:
        assert result is not None
        assert result.neutral == 0
        assert 0.4 < result.difference.estimate < 0.8


def test_neutral_judges_replace_rivals() -> None:
    judges = ["red", "blue", "green"]
    red = self_preference(verdicts(0.5, {"blue": 0.5}, judges), judges, FAMILIES)[0]
    assert red is not None
    assert red.neutral == 120
    assert not red.significant


def test_missing_verdicts_are_excluded_and_one_judge_is_not_enough() -> None:
    worth = verdicts(0.5, {}, ["red", "green"])
    worth[0, :100] = np.nan
    red = self_preference(worth, ["red", "green"], FAMILIES)[0]
    assert red is not None
    assert red.own.n == 20
    assert self_preference(worth[:1], ["red"], FAMILIES) == [None]
    assert self_preference(worth, ["red", "green"], [("red", "red")] * 120) == [None, None]
    with pytest.raises(ValueError):  # noqa: PT011
        self_preference(worth, ["red"], FAMILIES)
