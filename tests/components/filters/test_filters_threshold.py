from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.threshold import LabelIs, Threshold
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.core.score import Fingerprint, Label, Score, Unscored
from error_fields import raises

TABLE = ScoreTable(
    ids=["a", "b", "c"],
    columns={
        "match": [Score(0.25), Score(0.75), Unscored("failed", "no image")],
        "expert": [Label("agrees"), Label("disagrees", "it says 'bag'"), Unscored("failed", "no image")],
        "vector": [Fingerprint((1.0,))] * 3,
    },
)


def test_threshold_keeps_scores_within_bounds() -> None:
    decisions = Threshold("match", low=0.5).decide(TABLE)
    assert [decision.keep for decision in decisions] == [False, True, False]
    assert (decisions[0].rule, decisions[0].reason) == ("match >= 0.5", "match is 0.25")
    assert decisions[2].rule not in ("", decisions[0].rule)
    assert decisions[2].reason.startswith("failed:")
    assert [d.keep for d in Threshold("match", low=0.25, high=0.75).decide(TABLE)] == [True, True, False]
    assert Threshold("match", low=0.1, high=0.5).decide(TABLE)[0].rule == "0.1 <= match <= 0.5"
    assert Threshold("match", high=0.5).decide(TABLE)[0].rule == "match <= 0.5"


def test_unscored_option() -> None:
    assert [d.keep for d in Threshold("match", low=0.5, unscored="keep").decide(TABLE)] == [False, True, True]
    assert [d.keep for d in LabelIs("expert", unscored="keep").decide(TABLE)] == [True, False, True]


@given(st.lists(st.floats(-1, 1)), st.floats(-1, 1), st.floats(-1, 1))
def test_threshold_is_a_comparison(values: list[float], first: float, second: float) -> None:
    low, high = sorted((first, second))
    table = ScoreTable([str(i) for i in range(len(values))], {"x": [Score(value) for value in values]})
    assert [d.keep for d in Threshold("x", low, high).decide(table)] == [low <= value <= high for value in values]


def test_label_filter_keeps_allowed_labels() -> None:
    decisions = LabelIs("expert").decide(TABLE)
    assert [decision.keep for decision in decisions] == [True, False, False]
    assert re.search(r"\bdisagrees\b.*'bag'$", decisions[1].reason)
    assert [d.keep for d in LabelIs("expert", allowed=("agrees", "disagrees")).decide(TABLE)] == [True, True, False]


def test_wrong_kind_of_column_is_named() -> None:
    with raises(FieldError, owner="Threshold", name="vector", needed=Score, actual=Fingerprint):
        Threshold("vector", low=0).decide(TABLE)
    with raises(FieldError, owner="LabelIs", name="match", needed=Label, actual=Score):
        LabelIs("match").decide(TABLE)
    with raises(FieldError, name="mach") as caught:
        Threshold("mach", low=0).decide(TABLE)
    assert "'match'" in caught.value.hint


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"Threshold.low"):
        Threshold("match")
    with pytest.raises(ValueError, match=r"Threshold\.low .*\b1 .*\bhigh 0\b"):
        Threshold("match", low=1, high=0)
    with pytest.raises(ValueError, match=r"Threshold\.low .*\bnan\b"):
        Threshold("match", low=float("nan"))
    with pytest.raises(ValueError, match=r"Threshold.unscored .*'kept'"):
        Threshold("match", low=0, unscored="kept")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"LabelIs.allowed"):
        LabelIs("expert", allowed=())
