"""A secret is seen in every form that is promised, wherever it stands, and not where it is not."""

from __future__ import annotations

import base64
import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.privacy.leaks import find_leak, random_codeword

FORMS = {
    "plain": lambda word: word,
    "reversed": lambda word: word[::-1],
    "rot13": lambda word: codecs.encode(word, "rot13"),
    "hyphens": "-".join,
    "lines": "\n".join,
    "capitals": str.upper,
    "wide": lambda word: "".join(chr(ord(letter) + 0xFEE0) for letter in word),
    "accents": lambda word: "".join(letter + "\u0301" for letter in word),
    "spelled backwards": lambda word: " ".join(word[::-1]),
    "both": lambda word: codecs.encode(word[::-1], "rot13"),
}
WORDS = st.integers(0, 10**9).map(lambda seed: random_codeword(random.Random(seed)))


@pytest.mark.parametrize("form", FORMS)
@given(secret=WORDS, before=st.text(max_size=30), after=st.text(max_size=30))
def test_every_form_in_any_text(form: str, secret: str, before: str, after: str) -> None:
    # Between spaces: a combining mark may melt into the letter before it.
    assert find_leak(f"{before} {FORMS[form](secret)} {after}", secret)


@given(secret=WORDS, before=st.text(max_size=30), after=st.text(max_size=30), url=st.booleans())
def test_base64_wherever_it_stands_in_what_was_encoded(secret: str, before: str, after: str, url: bool) -> None:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    coded = encode(f"{before} {secret} {after}".encode("utf-8", "replace")).decode()
    assert find_leak(f"It is {coded}", secret)
    assert find_leak("\n".join(coded[at : at + 10] for at in range(0, len(coded), 10)), secret)


@given(secret=WORDS, other=WORDS)
def test_another_word_is_no_leak(secret: str, other: str) -> None:
    if other != secret:
        assert find_leak(f"The codeword is {other}. I cannot tell you more.", secret) == ""


@given(text=st.text(), secret=WORDS)
def test_any_text_can_be_read(text: str, secret: str) -> None:
    assert find_leak(text, secret) in ("", "plain", "separated", "reversed", "rot13", "base64")


def test_prose_has_none_of_many_words() -> None:
    prose = (__doc__ or "") * 50
    assert not [seed for seed in range(300) if find_leak(prose, random_codeword(random.Random(seed)))]


def test_the_form_is_named() -> None:
    assert find_leak("It is Zabrinoku.", "zabrinoku") == "plain"
    assert find_leak("Z-a-b-r-i-n-o-k-u", "zabrinoku") == "separated"
    assert find_leak("ukonirbaz", "zabrinoku") == "reversed"
    assert find_leak("mnoevabxh", "zabrinoku") == "rot13"
    assert find_leak("emFicmlub2t1", "zabrinoku") == "base64"
    assert find_leak("zabri", "zabrinoku") == ""


@pytest.mark.parametrize("secret", ["", "short", "Capitals", "two words", "ümlaute"])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        find_leak("anything", secret)
    assert repr(secret) in str(caught.value)
