from __future__ import annotations

import json
from typing import Any

import pytest

from assay.components.scorers.text.language import Language
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.core.score import Label, Outcome, Unscored
from assay.text.instructions.languages import COMMON_LANGUAGES, language_codes
from error_fields import raises
from labs import tiny_lab
from shared_data import shared


def outcomes(scorer: Language, *texts: str) -> list[Outcome]:
    return list(scorer.score([Sample({"instruction": text}) for text in texts], tiny_lab()))


def named(scorer: Language, *texts: str) -> list[str | None]:
    return [outcome.value if isinstance(outcome, Label) else None for outcome in outcomes(scorer, *texts)]


KOREAN = (
    "세 가지 과일의 이름을 말해 주세요.",
    "다음 문장을 영어로 번역하세요: The sea is blue.",
    "서울의 인구는?",
    "파이썬으로 피보나치 함수를 작성해줘",
    "이 리뷰는 긍정인가요, 부정인가요?",
    "K-pop 그룹의 이름을 하나 대세요",
    "수도는 어디",
)


def test_languages_are_identified() -> None:
    assert named(Language(), *KOREAN) == ["ko"] * len(KOREAN)
    others = ("Écris un poème sur la mer", "Nenne drei Früchte, die du magst", "写一首关于大海的诗", "東京の人口は?")
    assert named(Language(), "Write a poem about the sea.", *others) == ["en", "fr", "de", "zh", "ja"]


def test_confidence_and_reason() -> None:
    (sure,) = outcomes(Language(), "Write a poem about the sea and the men who sail upon it.")
    assert isinstance(sure, Label)
    assert sure.evidence["confidence"] > 0.9
    assert sure.reason.startswith("rather than ")


def test_short_text_is_unscored() -> None:
    none, digits, few, syllables = outcomes(Language(), " ", "3.14 + 2 = ?!", "Name fruits", "안녕!")
    for outcome in (none, digits, few, syllables):
        assert isinstance(outcome, Unscored)
        assert outcome.cause == "not_applicable"
    assert none == digits
    assert few == syllables != none
    assert "12" in getattr(few, "reason", "")
    assert named(Language(letters=2), "안녕!") == ["ko"]


def test_numbers_and_punctuation_are_ignored() -> None:
    bare, much = "Add the numbers of this row", "Add 12345 :: the numbers {of} this_row 99999 $$$"
    (first,), (second,) = outcomes(Language(), bare), outcomes(Language(), much)
    assert first == second


def test_alpaca_instructions_are_english() -> None:
    lines = (shared("alpaca-9k.jsonl") / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()[:2000]
    languages = named(Language(), *(json.loads(line)["instruction"] for line in lines))
    assert languages.count("en") >= 0.99 * len(languages)
    assert languages.count(None) <= 5


def test_languages_argument() -> None:
    assert named(Language(languages=("en", "cy")), "Mae hen wlad fy nhadau yn annwyl i mi") == ["cy"]
    assert set(COMMON_LANGUAGES) < set(language_codes())


def test_invalid_arguments_raise() -> None:
    for wrong in ((), ("en",), ("en", "en"), "en"):
        with pytest.raises(ValueError, match=r"Language.languages"):
            Language(languages=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'kr'\. Known: af, "):
        Language(languages=("en", "kr"))
    with pytest.raises(ValueError, match=r"Language.letters .*0"):
        Language(letters=0)
    sample: Any = Sample({"text": "a"})
    with raises(FieldError, name="instruction", sample=sample.id, value=None):
        Language().score([sample], tiny_lab())
