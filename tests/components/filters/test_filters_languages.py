from __future__ import annotations

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
    found = Languages("tongue", ("en", "ko"), "language", 0.5).decide(TABLE)
    assert [(one.keep, one.rule) for one in found] == [
        (True, "tongue is right"),
        (False, "tongue is not what language says"),
        (False, "tongue is not en or ko"),
        (False, "tongue is less sure than 0.5"),
        (False, "tongue is unscored: drop"),
    ]
    assert found[1].reason == "tongue is ko with confidence 0.97, language is 'en'"
    assert found[3].reason == "tongue is en with confidence 0.40"


def test_one_condition_is_enough() -> None:
    assert [one.keep for one in Languages("tongue", ("en",)).decide(TABLE)] == [True, False, False, True, False]
    by_field = Languages("tongue", field="language", unscored="keep").decide(TABLE)
    assert [one.keep for one in by_field] == [True, False, True, True, True]


def test_mistakes_are_named() -> None:
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
