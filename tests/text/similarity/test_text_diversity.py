"""Diversity: instruction verbs of known sentences, and counts against a slow twin."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.similarity.diversity import (
    Coverage,
    InstructionVerb,
    coverage,
    entropy,
    instruction_verb,
    tokenize_texts,
    top_verbs,
)
from assay.text.similarity.tokens import tokens
from shared_data import shared

SENTENCES = {
    "Write a short poem about the sea.": ("write", "poem"),
    "Name three rivers.": ("name", "river"),
    "Give me two examples of liquids.": ("give", "example"),
    "Please summarize the following article in one sentence.": ("summarize", "article"),
    "Can you list all countries of Africa?": ("list", "country"),
    "Could you please translate this sentence into French?": ("translate", "sentence"),
    "Come up with a list of names for a dog.": ("come", "list"),
    "Briefly explain the author's opinion.": ("explain", "opinion"),
    "Explain how rain forms.": ("explain", ""),
    "Given the following list, sort the numbers.": ("sort", "number"),
    "In the following sentence, replace the verb.": ("replace", "verb"),
    "You need to write an email to your boss.": ("write", "email"),
    "Your task is to classify the text.": ("classify", "text"),
    "Here is a text. Find the error in it.": ("find", "error"),
    "Order the words from small to large.": ("order", "word"),
    "Design a logo.": ("design", "logo"),
    "DESIGN A LOGO.": ("design", "logo"),
    "Predict tomorrow's weather.": ("predict", "weather"),
}
NOTHING = (
    "What is the capital of France?",
    "How do computers work?",
    "Are cats animals?",
    "How can you make a cake?",
    "The sea.",
    "A",
    "",
    "   ",
    "?!",
    "12 + 5",
    "서울의 인구를 알려 주세요.",
    "Seoul 시의 인구를 알려 주세요.",
    "今日は何曜日ですか",
    "\x00\ufffd<<<",
)


@pytest.mark.parametrize("text", SENTENCES)
def test_what_a_sentence_asks_for(text: str) -> None:
    assert instruction_verb(text) == InstructionVerb(*SENTENCES[text])


@pytest.mark.parametrize("text", NOTHING)
def test_what_asks_for_nothing_that_could_be_read(text: str) -> None:
    assert instruction_verb(text) is None


@given(st.text(max_size=80))
def test_no_text_whatever_breaks_it(text: str) -> None:
    result = instruction_verb(text)
    assert result is None or (result.verb and result.verb == result.verb.lower())


WORDS = st.lists(st.sampled_from(["a", "b", "c", "강", "write a story", "name a sea"]), max_size=6).map(" ".join)


def brute_force_coverage(texts: list[str]) -> Coverage:
    """Everything counted anew in Python."""
    split = [tokens(text) for text in texts]
    words = [word for sequence in split for word in sequence]
    neighbors = [pair for sequence in split for pair in pairwise(sequence)]
    verbs = [verb for text in texts if (verb := instruction_verb(text))]
    pairs = [(verb.verb, verb.object) for verb in verbs if verb.object]
    return Coverage(
        n=len(texts),
        words=len(set(words)),
        word_entropy=bits(words),
        distinct_1=len(set(words)) / len(words) if words else 0.0,
        distinct_2=len(set(neighbors)) / len(neighbors) if neighbors else 0.0,
        with_verb=len(verbs),
        verbs=len({verb.verb for verb in verbs}),
        verb_entropy=bits([verb.verb for verb in verbs]),
        with_object=len(pairs),
        pairs=len(set(pairs)),
    )


def bits(items: list[str]) -> float:
    return sum(-n / len(items) * math.log2(n / len(items)) for n in Counter(items).values())


@given(st.lists(WORDS, max_size=12), st.randoms(use_true_random=False))
def test_any_part_of_texts_is_measured_as_if_it_were_all(texts: list[str], random: object) -> None:
    reading = tokenize_texts(texts)
    rows = [row for row in range(len(texts)) if random.random() < 0.6]  # type: ignore[attr-defined]
    for result, twin in (
        (coverage(reading), brute_force_coverage(texts)),
        (coverage(reading, rows), brute_force_coverage([texts[r] for r in rows])),
    ):
        for name, value in vars(twin).items():
            assert getattr(result, name) == pytest.approx(value), name


def test_texts_that_are_no_instructions_have_no_verbs() -> None:
    result = coverage(tokenize_texts(["Write a poem."] * 3, verbs=False))
    assert (result.with_verb, result.verbs, result.pairs, result.words) == (0, 0, 0, 3)


def test_the_top_of_verbs_and_objects() -> None:
    texts = ["Write a poem."] * 3 + ["Write a story."] * 2 + ["Write."] + ["Name a river.", "Find a river.", "Find it."]
    assert top_verbs(tokenize_texts(texts), range(len(texts)), verbs=2, objects=1) == (
        ("write", 6, (("poem", 3),)),
        ("find", 2, (("river", 1),)),
    )


def test_entropy_of_what_is_known() -> None:
    assert entropy([]) == 0.0
    assert entropy([5]) == 0.0
    assert entropy([1, 1, 1, 1]) == 2.0
    assert entropy(np.array([3, 1])) == pytest.approx(0.8112781)


def test_most_alpaca_instructions_have_a_verb() -> None:
    lines = (shared("alpaca-9k.jsonl") / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["instruction"] for line in lines]
    result = coverage(tokenize_texts(texts))
    assert result.with_verb > 0.88 * len(texts)
    assert result.with_object > 0.75 * len(texts)
    assert [verb for verb, _, _ in top_verbs(tokenize_texts(texts[:3000]), range(3000), 3)] == [
        "generate",
        "create",
        "describe",
    ]
