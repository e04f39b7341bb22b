from dataclasses import replace

import pytest
from report_example import example

from assay.analysis import format as words
from assay.analysis.derived import few_rules, histogram
from assay.analysis.measures import ACCURACY
from assay.analysis.proof import Comparison
from assay.analysis.report_data import Confusion, Funnel, LabelFunnel, ScoreColumn, Threshold
from assay.analysis.verdict import answer_sentence, comparison_sentence, limits
from assay.core.effect import Effect
from assay.report.axis import axis_between, axis_over


@pytest.mark.parametrize(
    ("requested", "kept", "dropped", "failed"),
    [(10, 5, {"a": 4}, {}), (10, 5, {"a": 4}, {"b": 2}), (3, 5, {"a": -2}, {}), (5, 5, {"a": 1, "b": -1}, {})],
)
def test_a_funnel_that_does_not_add_up_is_refused(
    requested: int, kept: int, dropped: dict[str, int], failed: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=r"add up|negative"):
        Funnel(requested, kept, dropped, failed)


def test_the_labels_must_add_up_too() -> None:
    Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 4, 2, 1, 1), LabelFunnel("y", 6, 4, 2, 0)))
    with pytest.raises(ValueError, match="label 'x' does not add up"):
        Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 5, 2, 1, 1),))
    with pytest.raises(ValueError, match="labels' kept"):
        Funnel(10, 6, {"a": 3}, {"b": 1}, (LabelFunnel("x", 4, 2, 1, 1),))


def test_the_rules_of_a_filter_must_add_up_too() -> None:
    Funnel(9, 6, {"a": 3}, rules={"a": {"too long": 2, "too short": 1}})
    for rules in ({"a": {"too long": 2}}, {"b": {"too long": 3}}):
        with pytest.raises(ValueError, match=r"The rules of '.' dropped .*, it "):
            Funnel(9, 6, {"a": 3}, rules=rules)


def test_many_rules_are_told_shortly() -> None:
    rules = {f"rule {nth}": 20 - nth for nth in range(10)}
    assert few_rules(dict(list(rules.items())[:8])) == list(rules.items())[:8]
    assert few_rules(rules) == [*list(rules.items())[:7], ("3 other rules", 13 + 12 + 11)]


def test_arms_are_named_once_and_comparisons_name_them() -> None:
    facts = example(seeds=1)
    with pytest.raises(ValueError, match="different names"):
        replace(facts, arms=(facts.arms[0], facts.arms[0]), comparisons=())
    with pytest.raises(ValueError, match="names \\['real\\+synthetic'\\]"):
        replace(facts, comparisons=(replace(facts.comparisons[0], theirs="real+synthetic"),))


def test_a_matrix_has_its_rows_and_columns() -> None:
    with pytest.raises(ValueError, match="2 rows of 2 counts"):
        Confusion(("a", "b"), ("a", "b"), ((1, 2), (3,)))


def test_the_verdict_is_that_of_the_interval() -> None:
    assert example("hurt", seeds=1).verdict == "hurt"
    assert replace(example(seeds=1), comparisons=()).verdict is None


def test_sentences_name_the_arms_and_carry_the_interval() -> None:
    pair = Comparison("a", "b", Effect(-0.012, -0.02, -0.004, 500, 0.95, "paired bootstrap"))
    assert comparison_sentence(pair, ACCURACY) == "a is worse than b: \u22121.2\u00a0points (\u22122.0 to \u22120.4)."
    facts = example("unclear")
    assert "cannot be told apart" in answer_sentence(facts)
    assert "Against as many real samples, filtered is worse" in answer_sentence(facts)
    assert "trained once" not in answer_sentence(example("hurt"))
    assert "other trainings may say otherwise" in answer_sentence(example("hurt", seeds=1))
    assert any("would fit these numbers" in limit for limit in limits(facts))


@pytest.mark.parametrize(
    ("effect", "points", "between"),
    [
        (Effect(0.019, 0.012, 0.026, 10, 0.95, ""), "+1.9", "+1.2 to +2.6"),
        (Effect(0.004, 0.0002, 0.008, 10, 0.95, ""), "+0.40", "+0.02 to +0.80"),
        (Effect(0.0, 0.0, 0.0, 10, 0.95, ""), "+0.0", "+0.0 to +0.0"),
        (Effect(1.0, None, None, 1, 0.95, ""), "+100.0", "no interval below n = 2"),
    ],
)
def test_a_bound_that_is_not_zero_never_reads_as_zero(effect: Effect, points: str, between: str) -> None:
    assert words.points(effect) == f"{points}\u00a0points"
    assert words.points_between(effect) == between


def test_numbers_as_people_read_them() -> None:
    assert [words.number(x) for x in (0.80312, 0.5, 23.14, 1234.5, -3.0, 0.0)] == [
        "0.803",
        "0.5",
        "23.1",
        "1,234",
        "\u22123",
        "0",
    ]
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


def test_a_histogram_counts_everything_and_reaches_its_threshold() -> None:
    column = ScoreColumn("match", "probability", (0.6, 0.7, 0.9), (0.55,), thresholds=(Threshold(0.2, "keep"),))
    found = histogram(column)
    assert found is not None
    assert (sum(found.kept), sum(found.dropped), found.edges[0]) == (3, 1, 0.2)
    assert histogram(ScoreColumn("match", "probability", (), ())) is None
    assert histogram(ScoreColumn("match", "probability", (1.0,), ())) is not None
