from __future__ import annotations

import math
import re
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.columns import quota
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.core.score import Outcome, Score, Unscored
from error_fields import raises

OUTCOMES = st.one_of(st.sampled_from([0.0, 0.5, 1.0]).map(Score), st.just(Unscored("failed", "no image")))
FRACTIONS = st.integers(1, 100).map(lambda percent: percent / 100)


@st.composite
def tables(draw: st.DrawFn) -> ScoreTable:
    rows = draw(st.lists(st.tuples(OUTCOMES, st.sampled_from(["bag", "boot"])), max_size=25))
    ids = draw(st.permutations([f"{nth:02d}" for nth in range(len(rows))]))
    return ScoreTable(ids, {"x": [row[0] for row in rows]}, {"label": [row[1] for row in rows]})


def naive_top(table: ScoreTable, fraction: Decimal, per: bool, sign: int) -> list[bool]:
    """Keep a row if fewer than the quota of its group beat it."""
    outcomes, labels = table.columns["x"], table.fields["label"]

    def beats(rival: int, other: int) -> bool:
        a, b = outcomes[rival], outcomes[other]
        assert isinstance(a, Score)
        assert isinstance(b, Score)
        return (-sign * a.value, table.ids[rival]) < (-sign * b.value, table.ids[other])

    keeps = []
    for row, outcome in enumerate(outcomes):
        mates = [
            i for i in range(len(table)) if isinstance(outcomes[i], Score) and (not per or labels[i] == labels[row])
        ]
        room = math.ceil(fraction * len(mates))
        keeps.append(isinstance(outcome, Score) and sum(beats(mate, row) for mate in mates) < room)
    return keeps


@given(tables(), st.integers(1, 100), st.booleans(), st.sampled_from(["highest", "lowest"]))
def test_top_fraction_equals_naive_implementation(table: ScoreTable, percent: int, per: bool, best: str) -> None:
    rule = TopFraction("x", percent / 100, best=best, per="label" if per else None)  # type: ignore[arg-type]
    expected = naive_top(table, Decimal(percent) / 100, per, 1 if best == "highest" else -1)
    assert [decision.keep for decision in rule.decide(table)] == expected


def test_top_fraction_reason_has_rank_and_score() -> None:
    table = ScoreTable(["c", "a", "b"], {"x": [Score(0.5), Score(0.5), Score(0.9)]}, {"label": ["bag"] * 3})
    decisions = TopFraction("x", 0.5).decide(table)
    assert [d.keep for d in decisions] == [False, True, True]
    assert re.search(r"\b3 of 3\b.*'bag'.*\b0\.5$", decisions[0].reason)
    assert re.search(r"\b0\.5\b.*\bx\b.*\blabel$", decisions[0].rule)
    ungrouped = TopFraction("x", 0.5, per=None).decide(table)[0]
    assert re.search(r"\b3 of 3\b.*\b0\.5$", ungrouped.reason)
    assert "'bag'" not in ungrouped.reason


@pytest.mark.parametrize(
    ("fraction", "count", "expected"), [(0.07, 100, 7), (0.29, 100, 29), (0.5, 3, 2), (0.01, 3, 1)]
)
def test_quota_counts_in_decimal(fraction: float, count: int, expected: int) -> None:
    assert quota(fraction, count) == expected


@given(tables(), FRACTIONS, st.integers(0, 3))
def test_random_subset_keeps_the_quota_of_each_label(table: ScoreTable, fraction: float, seed: int) -> None:
    decisions = RandomSubset(fraction=fraction, seed=seed).decide(table)
    sizes = Counter(table.fields["label"])
    kept_counts = Counter(
        name for name, decision in zip(table.fields["label"], decisions, strict=True) if decision.keep
    )
    assert {label: kept_counts[label] for label in sizes} == {
        label: quota(fraction, size) for label, size in sizes.items()
    }


@given(tables(), st.randoms())
def test_random_subset_does_not_depend_on_order(table: ScoreTable, random: object) -> None:
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = ScoreTable([table.ids[i] for i in order], {}, {"label": [table.fields["label"][i] for i in order]})
    rule = RandomSubset(keep=4)
    assert [rule.decide(table)[i] for i in order] == list(rule.decide(mixed))


def test_random_subset_ignores_scores() -> None:
    """Over many seeds each row is kept about as often as any other."""
    table = ScoreTable([str(i) for i in range(10)], {}, {"label": ["bag"] * 10})
    counts = [sum(RandomSubset(keep=5, seed=seed).decide(table)[row].keep for seed in range(400)) for row in range(10)]
    assert all(160 < count < 240 for count in counts)


def test_larger_fraction_keeps_all_of_a_smaller_one() -> None:
    table = ScoreTable([str(i) for i in range(50)], {}, {"label": ["bag", "boot"] * 25})
    small, large = RandomSubset(fraction=0.2).decide(table), RandomSubset(fraction=0.6).decide(table)
    assert all(in_large.keep for in_small, in_large in zip(small, large, strict=True) if in_small.keep)


def test_invalid_arguments_are_rejected() -> None:
    table = ScoreTable(["a"], {"x": [Score(1.0)]}, {"label": ["bag"]})
    with pytest.raises(ValueError, match=r"TopFraction.fraction .*50"):
        TopFraction("x", 50)
    with pytest.raises(ValueError, match=r"TopFraction.best .*'high'"):
        TopFraction("x", 0.5, best="high")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"RandomSubset .*\bfraction .*\bkeep\b.*\bNone .*\bNone\b"):
        RandomSubset()
    with pytest.raises(ValueError, match=r"RandomSubset .*\bfraction .*\bkeep\b.*\b0\.5 .*\b3\b"):
        RandomSubset(fraction=0.5, keep=3)
    with pytest.raises(ValueError, match=r"RandomSubset\.keep .*-1"):
        RandomSubset(keep=-1)
    with raises(FieldError, name="lable") as caught:
        TopFraction("x", 0.5, per="lable").decide(table)
    assert "'label'" in caught.value.hint


def test_unscored_option() -> None:
    outcomes: list[Outcome] = [Score(1.0), Unscored("failed", "x")]
    table = ScoreTable(["a", "b"], {"x": outcomes}, {"label": ["bag", "bag"]})
    assert [d.keep for d in TopFraction("x", 1.0).decide(table)] == [True, False]
    assert [d.keep for d in TopFraction("x", 1.0, unscored="keep").decide(table)] == [True, True]
