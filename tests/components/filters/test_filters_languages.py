from __future__ import annotations

import re

import pytest

from assay.components.filters.languages import Languages
from assay.core.errors import FieldError
from assay.core.roles import ScoreTable
from assay.core.score import Label, Outcome, Score, Unscored
from error_fields import raises

ROWS: tuple[Outcome, ...] = (
    Label("en", "", {"confidence": 0.99}),
    Label("ko", "", {"confidence": 0.97}),
    Label("fr", "", {"confidence": 0.8}),
    Label("en", "", {"confidence": 0.4}),
    Unscored("not_applicable", "The text has no letters."),
)
TABLE = ScoreTable(
    [f"id{nth}" for nth in range(5)],
    {"tongue": ROWS},
    {"language": ["en", "en", "fr", " en ", "en"], "label": ["x"] * 5},
)


def test_language_rules_are_separate() -> None:
    decisions = Languages("tongue", ("en", "ko"), "language", 0.5).decide(TABLE)
    assert [decision.keep for decision in decisions] == [True, False, False, False, False]
    _, by_field, by_languages, by_confidence, by_unscored = rules = [decision.rule for decision in decisions]
    assert len(set(rules)) == 5
    assert re.search(r"\blanguage\b", by_field)
    assert re.search(r"\ben\b.*\bko\b", by_languages)
    assert re.search(r"\b0\.5$", by_confidence)
    assert re.search(r"\bdrop$", by_unscored)
    assert re.search(r"\bko\b.*\b0\.97\b.*'en'", decisions[1].reason)
    assert re.search(r"\ben\b.*\b0\.40$", decisions[3].reason)


def test_one_condition_is_enough() -> None:
    assert [decision.keep for decision in Languages("tongue", ("en",)).decide(TABLE)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    by_field = Languages("tongue", field="language", unscored="keep").decide(TABLE)
    assert [decision.keep for decision in by_field] == [True, False, True, True, True]


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"Languages.languages"):
        Languages("tongue")
    with pytest.raises(ValueError, match=r"Languages.languages .*'en'"):
        Languages("tongue", "en")  # type: ignore[arg-type]
    for least in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"Languages.min_confidence"):
            Languages("tongue", ("en",), min_confidence=least)
    with raises(FieldError, owner="Languages", name="tongue", needed=Label, actual=Score):
        Languages("tongue", ("en",)).decide(ScoreTable(["a"], {"tongue": [Score(1.0)]}))
    with raises(FieldError, name="lang"):
        Languages("tongue", field="lang").decide(TABLE)


def test_empty() -> None:
    assert Languages("tongue", ("en",)).decide(ScoreTable([], {})) == []
