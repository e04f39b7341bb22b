from dataclasses import replace

import pytest

from assay.analysis import format as words
from assay.analysis.models.classifiers import Confusion
from assay.analysis.proof import ArmComparison, readable
from assay.analysis.samples.funnel import Funnel, LabelFunnel, few_rules
from assay.analysis.samples.scores import AT_LEAST, ScoreThreshold, histogram, outside
from assay.analysis.verdict import answer_sentence, limits, result_sentences
from assay.core.effect import Effect
from assay.report.axis import axis_between, axis_over
from report_example import example


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


def test_arms_have_different_names_and_comparisons_name_them() -> None:
    data = example(seeds=1)
    with pytest.raises(ValueError, match="'real', 'real'"):
        replace(data, arms=(data.arms[0], data.arms[0]), comparisons=())
    with pytest.raises(ValueError, match="'absent'"):
        replace(data, comparisons=(replace(data.comparisons[0], theirs="absent"),))


def test_a_confusion_matrix_checks_its_shape() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        Confusion(("a", "b"), ("a", "b"), ((1, 2), (3,)))


def test_the_verdict_is_that_of_the_first_comparison() -> None:
    assert example("hurt", seeds=1).verdict == "hurt"
    assert replace(example(seeds=1), comparisons=()).verdict is None


def test_sentences_have_readable_arm_names_and_intervals() -> None:
    pair = ArmComparison("a", "random-subset", Effect(-0.012, -0.02, -0.004, 500, 0.95, "paired bootstrap"))
    assert pair.sentence == "a is worse than random subset: \u22121.2\u00a0pp (95% CI \u22122.0 to \u22120.4)."
    data = example("unclear")
    answer = answer_sentence(data)
    assert answer.startswith("No significant difference. filtered ")
    assert "n = 10,000 real test images)." in answer
    assert "filtered is worse than real" in answer
    assert len(result_sentences(example("hurt", seeds=1))) == len(result_sentences(example("hurt"))) + 1
    low, high = data.comparisons[0].difference.low, data.comparisons[0].difference.high
    assert low is not None
    assert high is not None
    assert any(f"{100 * max(-low, high):.1f} percentage points" in limit for limit in limits(data))
    assert readable("filtered@large") == "filtered (large)"


@pytest.mark.parametrize(
    ("effect", "points", "between"),
    [
        (Effect(0.019, 0.012, 0.026, 10, 0.95, ""), "+1.9", "+1.2 to +2.6"),
        (Effect(0.004, 0.0002, 0.008, 10, 0.95, ""), "+0.40", "+0.02 to +0.80"),
        (Effect(0.0, 0.0, 0.0, 10, 0.95, ""), "+0.0", "+0.0 to +0.0"),
        (Effect(1.0, None, None, 1, 0.95, ""), "+100.0", "no interval: n = 1"),
    ],
)
def test_a_nonzero_bound_is_never_rounded_to_zero(effect: Effect, points: str, between: str) -> None:
    assert words.points(effect) == f"{points}\u00a0pp"
    assert words.points_between(effect) == between


def test_number_formats() -> None:
    assert [words.number(x) for x in (0.80312, 0.5, 23.14, 1234.5, -3.0, 0.0)] == [
        "0.803",
        "0.5",
        "23.1",
        "1,234",
        "\u22123",
        "0",
    ]
    share, level = Effect(0.82, 0.809, 0.83, 5000, 0.95, ""), Effect(0.5, 0.31, 0.62, 9, 0.95, "")
    assert words.percent_ci(share) == "82.0% (95% CI 80.9\u201383.0, n = 5,000)"
    assert words.percent_ci(Effect(1.0, None, None, 1, 0.95, "")) == "100.0% (no interval: n = 1)"
    assert words.number_ci(level) == "0.5 (95% CI 0.31\u20130.62)"
    assert [words.seconds(x) for x in (3.21, 251.3, 7325.0, None)] == [
        "3.2\u00a0s", "4\u00a0min 11\u00a0s", "2\u00a0h 2\u00a0min", "unknown",
    ]  # fmt: skip
    assert [words.p_value(p) for p in (0.0301, 1e-9, None)] == ["0.030", "<\u00a00.001", "not tested"]
    assert (words.dollars(None), words.dollars(0.5), words.tokens(None)) == ("unknown", "$0.50", "unknown")


@pytest.mark.parametrize("values", [(0.1, 0.93), (-3.0, 0.0), (5.0, 5.0), (1e-7, 2e-7), (0, 123456)])
def test_axes_hold_their_values_and_have_round_ticks(values: tuple[float, float]) -> None:
    axis = axis_over(values)
    assert all(axis.holds(value) for value in values)
    assert 2 <= len(axis.ticks) <= 9
    assert 2 <= len(axis_between(min(values), max(values) + 1e-9).ticks) <= 9 or values[0] == values[1]


def test_a_histogram_counts_all_scores_and_covers_the_thresholds() -> None:
    thresholds = (ScoreThreshold(0.2, AT_LEAST),)
    found = histogram((0.6, 0.7, 0.9), (0.55,), thresholds)
    assert found is not None
    assert (sum(found.kept), sum(found.dropped), found.edges[0]) == (3, 1, 0.2)
    assert histogram((), ()) is None
    assert histogram((1.0,), ()) is not None


def test_outside_is_the_fraction_beyond_the_thresholds() -> None:
    found = outside((0.1, 0.2, 0.5, 0.6), (ScoreThreshold(0.2, AT_LEAST),))
    assert found is not None
    assert (found.estimate, found.n) == (0.25, 4)
    assert outside((0.1,), ()) is None
