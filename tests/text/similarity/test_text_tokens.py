# ruff: noqa: RUF001 -- full-width letters and marks of every kind are what is read here.
"""Words of every script: none vanishes, none collapses, and ASCII text is cut as rouge_score cuts it."""

from __future__ import annotations

import string
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity.porter import IRREGULAR, stem
from assay.text.similarity.tokens import ascii_tokens, by_character, tokens

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
    found = "".join(tokens(text))
    assert not [one for one in found if unicodedata.category(one)[0] not in "LNM"]
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = [one for one in folded if unicodedata.category(one)[0] in "LN"]
    assert [one for one in found if unicodedata.category(one)[0] in "LN"] == kept


@pytest.mark.parametrize(
    ("text", "cut"),
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
def test_scripts_are_cut_as_they_are_written(text: str, cut: list[str]) -> None:
    assert tokens(text) == cut
    assert tokens(unicodedata.normalize("NFD", text)) == cut


@pytest.mark.parametrize(
    ("text", "whether"),
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
def test_texts_that_are_compared_by_the_character_are_told(text: str, whether: bool) -> None:
    assert by_character(text) is whether


def test_texts_that_differ_in_korean_alone_do_not_become_one() -> None:
    one, other = "Python으로 list를 정렬하는 함수를 작성하세요.", "Python에서 list가 무엇인지 설명하세요."
    assert ascii_tokens(one) == ascii_tokens(other)
    assert tokens(one) != tokens(other)


@pytest.mark.parametrize("text", ["a" + "\u0301\u0316" * 200_000, "é" * 400_000, "가" * 400_000, "é " * 200_000])
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    tokens(text)
    assert time.process_time() - start < 5


ENDINGS = (
    *("al", "ance", "logi", "alli", "fulli", "ies", "ied", "y", "eed", "ed", "ing", "s", "ss", "sses", "ational", ""),
    *("ization", "ness", "ful", "icate", "ion", "ement", "ll", "e", "ous", "bli", "biliti", "eli", "iviti", "er", "at"),
)
MADE = st.builds(
    lambda start, ends: start + "".join(ends),
    st.text("aeiouybcdlstxw", max_size=6),
    st.lists(st.sampled_from(ENDINGS), max_size=3),
)


@given(
    st.one_of(MADE, st.sampled_from(sorted(IRREGULAR)), st.text("abcdefghijklmnopqrstuvwxyz0123456789", max_size=14))
)
def test_stems_are_those_of_nltk(word: str) -> None:
    from nltk.stem.porter import PorterStemmer

    assert stem(word) == PorterStemmer().stem(word)


def test_a_long_word_is_stemmed_at_once() -> None:
    start = time.process_time()
    assert stem("y" * 300_000 + "ing").startswith("yyy")
    assert time.process_time() - start < 5
