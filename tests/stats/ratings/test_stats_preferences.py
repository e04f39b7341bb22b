"""Statistics of preference data, against published numbers, definitions and simulated raters."""

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
RATINGS: st.SearchStrategy[list[tuple[Side | None, Side | None]]] = st.lists(
    st.tuples(*[st.sampled_from(["first", "second", "tie", None])] * 2), min_size=1, max_size=30
)


def test_pairs_of_one_prompt_count_as_one_observation() -> None:
    rate = by_prompt([1, 1, 1, 0], ["a", "a", "a", "b"])
    assert rate == wilson(1, 2)
    assert by_prompt([1, 1, 1, 0], "abcd") == wilson(3, 4)
    assert by_prompt([0.1] * 30, ["a"] * 30).estimate == pytest.approx(0.1)
    with pytest.raises(ValueError):  # noqa: PT011
        by_prompt([], [])


def test_length_statistics_of_dependent_and_independent_lengths() -> None:
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
def test_swapped_pairs_have_the_opposite_length_rule(rows: list[tuple[int, int, int]]) -> None:
    chosen, rejected, prompts = (list(column) for column in zip(*rows, strict=True))
    statistics, swapped = length_statistics(chosen, rejected, prompts), length_statistics(rejected, chosen, prompts)
    assert (statistics.chosen, statistics.rejected) == (swapped.rejected, swapped.chosen)
    assert statistics.predicts.estimate >= 0.5 - 1e-12
    assert statistics.predicts.estimate == pytest.approx(swapped.predicts.estimate)
    if statistics.longer_chosen is not None and swapped.longer_chosen is not None:
        assert statistics.longer_chosen.estimate == pytest.approx(1 - swapped.longer_chosen.estimate)


def test_duplicates_and_contradictions_are_counted() -> None:
    rows = [("p", "a", "b"), ("p", "a", "b"), ("p", "b", "a"), ("q", "b", "a"), ("q", "c", "c"), ("q", "c", "c")]
    counts = duplication(rows)
    assert (counts.prompts, counts.most, counts.repeated, counts.turned) == (2, 3, 2, 3)
    none = duplication([])
    assert (none.prompts, none.most, none.repeated, none.turned) == (0, 0, 0, 0)


@given(st.lists(st.tuples(*[st.sampled_from("ab")] * 3), max_size=12))
def test_duplication_equals_a_slow_implementation(rows: list[tuple[str, str, str]]) -> None:
    counts = duplication(rows)
    assert counts.repeated == sum(row in rows[:nth] for nth, row in enumerate(rows))
    assert counts.turned == sum(row[1] != row[2] and (row[0], row[2], row[1]) in rows for row in rows)


def test_label_noise_of_simulated_raters_is_recovered() -> None:
    for right in (0.6, 0.75, 0.95):
        rng = np.random.default_rng(3)
        truth = rng.integers(0, 2, 200_000)
        first, second = (np.where(rng.random(len(truth)) < right, truth, 1 - truth) for _ in range(2))
        noise = label_noise(wilson(int((first == second).sum()), len(truth)))
        assert noise is not None
        assert noise.right == pytest.approx(right, abs=0.01)
        assert noise.low is not None
        assert noise.high is not None
        assert noise.low < right < noise.high
        assert noise.agreed_wrong == pytest.approx(float((first != truth)[first == second].mean()), abs=0.01)


def test_label_noise_is_undefined_below_chance_agreement() -> None:
    assert label_noise(wilson(40, 100)) is None
    edge = label_noise(wilson(50, 100))
    assert edge is not None
    assert (edge.right, edge.low, edge.agreed_wrong) == (0.5, 0.5, 0.5)
    sure = label_noise(wilson(100, 100))
    assert sure is not None
    assert (sure.right, sure.high, sure.agreed_wrong) == (1.0, 1.0, 0.0)
    single = label_noise(wilson(1, 1))
    assert single is not None
    assert (single.low, single.high) == (None, None)


@given(st.floats(0.5, 1))
def test_label_noise_solves_its_equation(agreement: float) -> None:
    noise = label_noise(Effect(agreement, None, None, 9, 0.95, "given"))
    assert noise is not None
    assert noise.right**2 + (1 - noise.right) ** 2 == pytest.approx(agreement)
    assert 0.5 <= noise.right <= 1


def test_agreement_of_all_pairs_of_raters() -> None:
    ratings: dict[str, list[Side | None]] = {
        "a": ["first", "first", "tie", "second", None],
        "b": ["first", "second", "tie", "second", "first"],
        "c": [None, None, None, None, "tie"],
    }
    pairs = agreements(ratings, "vwxyz")
    assert [(pair.one, pair.other, pair.pairs) for pair in pairs] == [("a", "b", 4), ("b", "c", 1)]
    assert pairs[0].same == wilson(3, 4)
    assert pairs[0].decided == wilson(2, 3)
    assert pairs[0].noise == label_noise(wilson(2, 3))
    assert pairs[1].decided is None
    assert pairs[1].noise is None
    with pytest.raises(ValueError):  # noqa: PT011
        agreements(ratings, "vw")


@given(RATINGS)
def test_kappa_of_raters_equals_cohen_kappa(rows: list[tuple[Any, Any]]) -> None:
    both = [row for row in rows if None not in row]
    pairs = agreements({"a": [first for first, _ in rows], "b": [second for _, second in rows]}, range(len(rows)))
    assert bool(pairs) == bool(both)
    if pairs:
        try:
            expected = cohen_kappa(*zip(*both, strict=True), resamples=2).estimate
        except ValueError:
            assert pairs[0].kappa is None
        else:
            assert pairs[0].kappa == pytest.approx(expected)


def test_alpha_of_the_example_of_krippendorff() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, some missing; nominal alpha is 0.743."""
    rows = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    ratings = [[None if label == "." else label for label in row] for row in rows]
    assert krippendorff_alpha(ratings) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_undefined_without_variance_or_common_items() -> None:
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a", None], [None, "b"]]) is None
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a", "b"], ["a", "b"]]) == 1


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", None])] * 3), max_size=12))
def test_alpha_equals_its_definition(items: list[tuple[str | None, ...]]) -> None:
    """One less observed over expected disagreement, from the matrix of coincidences (section C, steps 2 to 4)."""
    alpha = krippendorff_alpha(list(zip(*items, strict=True)))
    matrix = {(a, b): 0.0 for a in "ab" for b in "ab"}
    for item in items:
        labels = [label for label in item if label is not None]
        for i, first in enumerate(labels):
            for j, second in enumerate(labels):
                if i != j:
                    matrix[first, second] += 1 / (len(labels) - 1)
    n_a, n_b = matrix["a", "a"] + matrix["a", "b"], matrix["b", "b"] + matrix["b", "a"]
    if not n_a * n_b:
        assert alpha is None
    else:
        assert alpha == pytest.approx(1 - (n_a + n_b - 1) * matrix["a", "b"] / (n_a * n_b))


def test_win_records_count_wins_losses_and_ties() -> None:
    records = win_records(["a", "a", "b", "a"], ["b", "c", "c", "a"], [1, 0.5, 0, 1], "wxyz")
    assert [(record.name, record.won, record.lost, record.tied) for record in records] == [
        ("a", 1, 0, 1),
        ("c", 1, 0, 1),
        ("b", 0, 2, 0),
    ]
    assert records[0].rate == wilson(1.5, 2)
    assert win_records(["a"], ["a"], [1], "x") == []
