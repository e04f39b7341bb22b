"""Counts, histograms and thresholds of the generated samples."""

from __future__ import annotations

import pytest

from assay.analysis.samples.funnel import Funnel, LabelFunnel, few_rules
from assay.analysis.samples.scores import AT_LEAST, ScoreThreshold, histogram, outside


@pytest.mark.parametrize(
    ("requested", "kept", "dropped", "failed"),
    [(10, 5, {"a": 4}, {}), (10, 5, {"a": 4}, {"b": 2}), (3, 5, {"a": -2}, {}), (5, 5, {"a": 1, "b": -1}, {})],
)
def test_a_funnel_that_does_not_add_up_is_refused(
    requested: int, kept: int, dropped: dict[str, int], failed: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=r"requested|negative"):
        Funnel(requested, kept, dropped, failed)


def test_labels_that_do_not_add_up_are_refused() -> None:
    Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 4, 2, 1, 1), LabelFunnel("y", 6, 4, 2, 0)))
    with pytest.raises(ValueError, match=r"'x'.*requested 5"):
        Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 5, 2, 1, 1),))
    with pytest.raises(ValueError, match=r"\[2, 1, 1\].*\[6, 3, 1\]"):
        Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 4, 2, 1, 1),))


def test_rules_of_a_filter_that_do_not_add_up_are_refused() -> None:
    Funnel(9, 6, {"a": 3}, dropped_by_rule={"a": {"too long": 2, "too short": 1}})
    for name, count in (("a", 2), ("b", 3)):
        with pytest.raises(ValueError, match=f"'{name}'.* {count} "):
            Funnel(9, 6, {"a": 3}, dropped_by_rule={name: {"too long": count}})


def test_few_rules_sums_the_last_ones() -> None:
    rules = {f"rule {nth}": 20 - nth for nth in range(10)}
    assert few_rules(dict(list(rules.items())[:8])) == list(rules.items())[:8]
    assert few_rules(rules) == [*list(rules.items())[:7], ("3 other rules", 13 + 12 + 11)]


def test_a_histogram_counts_all_scores_and_covers_the_thresholds() -> None:
    thresholds = (ScoreThreshold(0.2, AT_LEAST),)
    counts = histogram((0.6, 0.7, 0.9), (0.55,), thresholds)
    assert counts is not None
    assert (sum(counts.kept), sum(counts.dropped), counts.edges[0]) == (3, 1, 0.2)
    assert histogram((), ()) is None
    assert histogram((1.0,), ()) is not None


def test_outside_is_the_fraction_beyond_the_thresholds() -> None:
    fraction = outside((0.1, 0.2, 0.5, 0.6), (ScoreThreshold(0.2, AT_LEAST),))
    assert fraction is not None
    assert (fraction.estimate, fraction.n) == (0.25, 4)
    assert outside((0.1,), ()) is None
