"""Consistency of the report data, and the verdict in sentences."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from assay.analysis.models.classifiers import Confusion
from assay.analysis.proof import ArmComparison, readable
from assay.analysis.verdict import HEADLINES, answer_sentence, limits, result_sentences
from assay.core.effect import Effect
from report_example import example


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
    assert data.verdict == "no significant difference"
    assert answer.startswith(f"{HEADLINES[data.verdict]}. filtered ")
    assert re.search(r"\bn = 10,000\b", answer)
    against_real = next(pair for pair in data.comparisons if (pair.ours, pair.theirs) == ("filtered", "real"))
    assert against_real.sentence in answer
    assert len(result_sentences(example("hurt", seeds=1))) == len(result_sentences(example("hurt"))) + 1
    low, high = data.comparisons[0].difference.low, data.comparisons[0].difference.high
    assert low is not None
    assert high is not None
    assert any(f" {100 * max(-low, high):.1f} " in limit for limit in limits(data))
    assert readable("filtered@large") == "filtered (large)"
