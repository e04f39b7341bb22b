"""What preference data are like: against published numbers, by what must hold, and on raters whose errors are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.effect import Effect
from assay.stats.inference.intervals import wilson
from assay.stats.ratings.agreement import cohen_kappa
from assay.stats.ratings.preferences import (
    Side,
    agreements,
    by_prompt,
    duplication,
    krippendorff_alpha,
    label_noise,
    length_statistics,
    win_records,
)

LENGTHS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30)
SAID: st.SearchStrategy[list[tuple[Side | None, Side | None]]] = st.lists(
    st.tuples(*[st.sampled_from(["first", "second", "tie", None])] * 2), min_size=1, max_size=30
)


def test_pairs_of_one_prompt_are_one_witness() -> None:
    found = by_prompt([1, 1, 1, 0], ["a", "a", "a", "b"])
    assert found == wilson(1, 2)
    assert by_prompt([1, 1, 1, 0], "abcd") == wilson(3, 4)
    assert by_prompt([0.1] * 30, ["a"] * 30).estimate == pytest.approx(0.1)
    with pytest.raises(ValueError):  # noqa: PT011
        by_prompt([], [])


def test_length_that_tells_everything_and_length_that_tells_nothing() -> None:
    prompts = [str(nth) for nth in range(40)]
    longer = length_statistics([9.0] * 40, [3.0] * 40, prompts)
    assert (longer.chosen, longer.rejected, longer.rule) == (9, 3, "longer")
    assert longer.longer_chosen == longer.predicts == wilson(40, 40)
    shorter = length_statistics([3.0] * 40, [9.0] * 40, prompts)
    assert shorter.longer_chosen == wilson(0, 40)
    assert (shorter.rule, shorter.predicts) == ("shorter", wilson(40, 40))
    even = length_statistics([3.0] * 40, [3.0] * 40, prompts)
    assert even.longer_chosen is None
    assert even.predicts == wilson(20, 40)
    some = length_statistics([5.0, 5, 5, 1], [1.0, 5, 5, 5], prompts[:4])
    assert some.longer_chosen == wilson(1, 2)
    assert some.predicts == wilson(2, 4)
    with pytest.raises(ValueError, match="had 1, 2, 1"):
        length_statistics([1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="had 0, 0, 0"):
        length_statistics([], [], [])


@given(LENGTHS)
def test_turning_every_pair_round_turns_the_rule(rows: list[tuple[int, int, int]]) -> None:
    one, two, prompts = (list(column) for column in zip(*rows, strict=True))
    found, turned = length_statistics(one, two, prompts), length_statistics(two, one, prompts)
    assert (found.chosen, found.rejected) == (turned.rejected, turned.chosen)
    assert found.predicts.estimate >= 0.5 - 1e-12
    assert found.predicts.estimate == pytest.approx(turned.predicts.estimate)
    if found.longer_chosen is not None and turned.longer_chosen is not None:
        assert found.longer_chosen.estimate == pytest.approx(1 - turned.longer_chosen.estimate)


def test_what_comes_twice_and_what_contradicts() -> None:
    rows = [("p", "a", "b"), ("p", "a", "b"), ("p", "b", "a"), ("q", "b", "a"), ("q", "c", "c"), ("q", "c", "c")]
    found = duplication(rows)
    assert (found.prompts, found.most, found.repeated, found.turned) == (2, 3, 2, 3)
    none = duplication([])
    assert (none.prompts, none.most, none.repeated, none.turned) == (0, 0, 0, 0)


@given(st.lists(st.tuples(*[st.sampled_from("ab")] * 3), max_size=12))
def test_doubles_are_those_that_a_loop_finds(rows: list[tuple[str, str, str]]) -> None:
    found = duplication(rows)
    assert found.repeated == sum(row in rows[:nth] for nth, row in enumerate(rows))
    assert found.turned == sum(row[1] != row[2] and (row[0], row[2], row[1]) in rows for row in rows)


def test_the_noise_of_two_equally_good_raters_is_found_again() -> None:
    for right in (0.6, 0.75, 0.95):
        rng = np.random.default_rng(3)
        truth = rng.integers(0, 2, 200_000)
        one, two = (np.where(rng.random(len(truth)) < right, truth, 1 - truth) for _ in range(2))
        found = label_noise(wilson(int((one == two).sum()), len(truth)))
        assert found is not None
        assert found.right == pytest.approx(right, abs=0.01)
        assert found.low is not None
        assert found.high is not None
        assert found.low < right < found.high
        assert found.agreed_wrong == pytest.approx(float((one != truth)[one == two].mean()), abs=0.01)


def test_noise_is_not_defined_where_raters_disagree_more_than_blind_ones() -> None:
    assert label_noise(wilson(40, 100)) is None
    edge = label_noise(wilson(50, 100))
    assert edge is not None
    assert (edge.right, edge.low, edge.agreed_wrong) == (0.5, 0.5, 0.5)
    sure = label_noise(wilson(100, 100))
    assert sure is not None
    assert (sure.right, sure.high, sure.agreed_wrong) == (1.0, 1.0, 0.0)
    one = label_noise(wilson(1, 1))
    assert one is not None
    assert (one.low, one.high) == (None, None)


@given(st.floats(0.5, 1))
def test_noise_solves_its_equation(agreement: float) -> None:
    found = label_noise(Effect(agreement, None, None, 9, 0.95, "given"))
    assert found is not None
    assert found.right**2 + (1 - found.right) ** 2 == pytest.approx(agreement)
    assert 0.5 <= found.right <= 1


def test_agreement_of_every_two_raters() -> None:
    said: dict[str, list[Side | None]] = {
        "a": ["first", "first", "tie", "second", None],
        "b": ["first", "second", "tie", "second", "first"],
        "c": [None, None, None, None, "tie"],
    }
    found = agreements(said, "vwxyz")
    assert [(one.one, one.other, one.pairs) for one in found] == [("a", "b", 4), ("b", "c", 1)]
    assert found[0].same == wilson(3, 4)
    assert found[0].decided == wilson(2, 3)
    assert found[0].noise == label_noise(wilson(2, 3))
    assert found[1].decided is None
    assert found[1].noise is None
    with pytest.raises(ValueError):  # noqa: PT011
        agreements(said, "vw")


@given(SAID)
def test_kappa_is_that_of_the_judges_audit(rows: list[tuple[Any, Any]]) -> None:
    both = [row for row in rows if None not in row]
    found = agreements({"a": [one for one, _ in rows], "b": [two for _, two in rows]}, range(len(rows)))
    assert bool(found) == bool(both)
    if found:
        try:
            expected = cohen_kappa(*zip(*both, strict=True), resamples=2).estimate
        except ValueError:
            assert found[0].kappa is None
        else:
            assert found[0].kappa == pytest.approx(expected)


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, some missing; nominal alpha is 0.743."""
    rows = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    said = [[None if one == "." else one for one in row] for row in rows]
    assert krippendorff_alpha(said) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_not_defined_where_nothing_varies_or_nobody_meets() -> None:
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a", None], [None, "b"]]) is None
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a", "b"], ["a", "b"]]) == 1


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", None])] * 3), max_size=12))
def test_alpha_is_that_of_the_definition(items: list[tuple[str | None, ...]]) -> None:
    """One less observed over expected disagreement, from the matrix of coincidences (section C, steps 2 to 4)."""
    found = krippendorff_alpha(list(zip(*items, strict=True)))
    matrix = {(a, b): 0.0 for a in "ab" for b in "ab"}
    for item in items:
        labels = [label for label in item if label is not None]
        for i, one in enumerate(labels):
            for j, other in enumerate(labels):
                if i != j:
                    matrix[one, other] += 1 / (len(labels) - 1)
    n_a, n_b = matrix["a", "a"] + matrix["a", "b"], matrix["b", "b"] + matrix["b", "a"]
    if not n_a * n_b:
        assert found is None
    else:
        assert found == pytest.approx(1 - (n_a + n_b - 1) * matrix["a", "b"] / (n_a * n_b))


def test_who_wins() -> None:
    found = win_records(["a", "a", "b", "a"], ["b", "c", "c", "a"], [1, 0.5, 0, 1], "wxyz")
    assert [(one.name, one.won, one.lost, one.tied) for one in found] == [
        ("a", 1, 0, 1),
        ("c", 1, 0, 1),
        ("b", 0, 2, 0),
    ]
    assert found[0].rate == wilson(1.5, 2)
    assert win_records(["a"], ["a"], [1], "x") == []
