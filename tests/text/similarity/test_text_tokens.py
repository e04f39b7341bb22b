# ruff: noqa: RUF001 -- full-width letters and marks are test inputs.
"""Tokens of every script; ASCII text is tokenized as by rouge_score."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity.rouge import stem
from assay.text.similarity.tokens import ascii_tokens, is_character_tokenized, tokens

ASCII = st.text(st.sampled_from(string.printable), max_size=80)


@given(ASCII)
def test_ascii_text_is_cut_as_rouge_score_cuts_it(text: str) -> None:
    from rouge_score.tokenize import tokenize

    assert tokens(text) == ascii_tokens(text) == tokenize(text, None)


@given(st.text(max_size=40))
def test_ascii_tokens_of_any_text_are_those_of_rouge_score(text: str) -> None:
    from rouge_score.tokenize import tokenize

    assert ascii_tokens(text) == tokenize(text, None)


@given(st.text(max_size=40))
def test_every_letter_and_digit_is_in_a_token_and_nothing_else_is(text: str) -> None:
    joined = "".join(tokens(text))
    assert not [character for character in joined if unicodedata.category(character)[0] not in "LNM"]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    expected = [character for character in folded if unicodedata.category(character)[0] in "LN"]
    assert [character for character in joined if unicodedata.category(character)[0] in "LN"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python으로 list를 정렬", ["python", "으", "로", "list", "를", "정", "렬"]),
        ("翻译成英文。", ["翻", "译", "成", "英", "文"]),
        ("カタカナとﾊﾝｶｸ、2024年", ["カ", "タ", "カ", "ナ", "と", "ハ", "ン", "カ", "ク", "2024", "年"]),
        ("人々のデータ", ["人", "々", "の", "デ", "ー", "タ"]),
        ("ภาษาไทย ๑๒๓", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย", "๑๒๓"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("كتاب اللُّغة", ["كتاب", "اللُّغة"]),
        ("हिन्दी में लिखो।", ["हिन्दी", "में", "लिखो"]),
        ("Привет, МИР!", ["привет", "мир"]),
        ("École résumé naïve", ["école", "résumé", "naïve"]),
        ("Straße GROSS", ["strasse", "gross"]),
        ("ＡＢＣ ﬁn ①", ["abc", "fin", "1"]),
        ("snake_case C++ 3.14 é", ["snake", "case", "c", "3", "14", "é"]),
        ("co\u00adoperate é", ["cooperate", "é"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("😀👍 … — «»", []),
        ("", []),
    ],
)
def test_scripts_are_cut_as_they_are_written(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
    assert tokens(unicodedata.normalize("NFD", text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("翻译成英文。", True),
        ("서울의 인구", True),
        ("Python으로 list를", True),
        ("Translate 안녕 into plain English", False),
        ("Привет, МИР", False),
        ("हिन्दी में", False),
        ("plain", False),
        ("", False),
        ("…", False),
    ],
)
def test_texts_that_are_compared_by_the_character_are_told(text: str, expected: bool) -> None:
    assert is_character_tokenized(text) is expected


def test_texts_that_differ_in_korean_alone_do_not_become_one() -> None:
    text, other_text = "Python으로 list를 정렬하는 함수를 작성하세요.", "Python에서 list가 무엇인지 설명하세요."
    assert ascii_tokens(text) == ascii_tokens(other_text)
    assert tokens(text) != tokens(other_text)


@pytest.mark.timeout(100)
@pytest.mark.parametrize("text", ["a" + "\u0301\u0316" * 200_000, "é" * 400_000, "가" * 400_000, "é " * 200_000])
def test_long_texts_do_not_hang(text: str) -> None:
    assert tokens(text)


STEMS = """
    caresses:caress ponies:poni ties:tie dies:die caress:caress cats:cat feed:feed agreed:agre plastered:plaster
    bled:bled motoring:motor sing:sing conflated:conflat troubled:troubl sized:size hopping:hop tanned:tan
    falling:fall hissing:hiss fizzed:fizz failing:fail filing:file happy:happi sky:sky relational:relat
    conditional:condit valenci:valenc hesitanci:hesit digitizer:digit conformabli:conform radicalli:radic
    differentli:differ analogousli:analog vietnamization:vietnam predication:predic operator:oper
    feudalism:feudal decisiveness:decis hopefulness:hope callousness:callous formaliti:formal sensitiviti:sensit
    sensibiliti:sensibl triplicate:triplic formative:form formalize:formal electriciti:electr electrical:electr
    hopeful:hope goodness:good revival:reviv allowance:allow inference:infer airliner:airlin gyroscopic:gyroscop
    adjustable:adjust defensible:defens irritant:irrit replacement:replac adjustment:adjust dependent:depend
    adoption:adopt homologou:homolog communism:commun activate:activ angulariti:angular homologous:homolog
    effective:effect bowdlerize:bowdler probate:probat rate:rate cease:ceas controll:control roll:roll skies:sky
    dying:die news:news innings:inning proceed:proceed geologi:geolog spied:spi enjoy:enjoy by:by ion:ion
    hopefulli:hope
"""
"""Words of Porter's paper and of the places where NLTK differs from it, each with its stem."""


@pytest.mark.parametrize("pair", STEMS.split())
def test_stems_are_those_of_porters_paper_with_nltks_extensions(pair: str) -> None:
    word, expected = pair.split(":")
    assert stem(word) == expected


@pytest.mark.timeout(100)
def test_a_long_word_does_not_hang_the_stemmer() -> None:
    assert stem("y" * 300_000 + "ing").startswith("yyy")
