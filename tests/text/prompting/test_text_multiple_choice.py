from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.completions import Likelihood, Message
from assay.core.sample import Sample
from assay.text.answers.choices import LETTERS
from assay.text.prompting.multiple_choice import (
    CONVENTIONS,
    Convention,
    MultipleChoiceItem,
    choose,
    cloze_prompt,
    continuations,
    is_right,
    item_of,
    mass_on_right,
    mmlu_prompt,
    scores,
    truthfulqa_prompt,
)

ITEM = MultipleChoiceItem(" Which is red?\n", ("a leaf", "blood", "é"), frozenset({1}), "colors_of_things")
LIKELIHOODS = st.lists(st.floats(-900, 0), min_size=2, max_size=26)


def likelihoods(*values: float) -> list[Likelihood]:
    return [Likelihood(value, 1) for value in values]


def test_item_of_a_sample() -> None:
    fields = {"question": "Which?", "answer": "A,C", "choice0": "x", "choice1": "y", "choice2": "z", "choice4": "?"}
    assert item_of(Sample(fields)) == MultipleChoiceItem("Which?", ("x", "y", "z"), frozenset({0, 2}))
    assert item_of(Sample({**fields, "subject": "letters"})).subject == "letters"
    with pytest.raises(ValueError, match="'D'"):
        item_of(Sample({**fields, "answer": "D"}))
    with pytest.raises(ValueError, match="2 to 26"):
        item_of(Sample({"question": "Which?", "answer": "A", "choice0": "x"}))
    with pytest.raises(ValueError, match="' '"):
        MultipleChoiceItem("Which?", ("x", " "), frozenset({0}))
    with pytest.raises(ValueError, match=r"\[\]"):
        MultipleChoiceItem("Which?", ("x", "y"), frozenset())


def test_continuations_by_convention() -> None:
    assert continuations(ITEM, "Answer:", "letter").texts == (" A", " B", " C")
    for convention in ("text", "text-normalized"):
        assert continuations(ITEM, "Answer:", convention).texts == (" a leaf", " blood", " é")  # type: ignore[arg-type]
    assert continuations(ITEM, "Answer:\n", "letter").texts == ("A", "B", "C")
    assert continuations(ITEM, (Message("user", "Which?"),), "text").texts == ("a leaf", "blood", "é")
    with pytest.raises(ValueError, match="'letters'"):
        continuations(ITEM, "Answer:", "letters")  # type: ignore[arg-type]


def test_lengths_are_characters_of_the_choice_without_its_space() -> None:
    choice_likelihoods = likelihoods(-6.0, -10.0, -2.5)
    assert scores(ITEM, choice_likelihoods, "text") == (-6.0, -10.0, -2.5)
    assert scores(ITEM, choice_likelihoods, "text-normalized") == (-1.0, -2.0, -2.5)  # "é" is one, of two bytes
    assert choose(scores(ITEM, choice_likelihoods, "text")) == 2
    assert choose(scores(ITEM, choice_likelihoods, "text-normalized")) == 0


def test_the_first_of_equals_is_chosen() -> None:
    assert choose((-2.0, -1.0, -1.0)) == 1
    assert is_right(ITEM, likelihoods(-2.0, -1.0, -1.0), "letter")
    assert not is_right(ITEM, likelihoods(-1.0, -1.0, -1.0), "letter")


@pytest.mark.parametrize("wrong", [(-1.0, -2.0), (-1.0, -2.0, math.nan), (-1.0, -2.0, -math.inf)])
def test_missing_or_infinite_likelihoods_are_an_error(wrong: tuple[float, ...]) -> None:
    for convention in CONVENTIONS:
        with pytest.raises(ValueError, match=r"\b3\b"):
            scores(ITEM, likelihoods(*wrong), convention)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\b3\b"):
        mass_on_right(ITEM, likelihoods(*wrong))


@given(values=LIKELIHOODS, data=st.data())
def test_choices_and_shares_are_those_of_numpy(values: list[float], data: st.DataObject) -> None:
    right = data.draw(st.frozensets(st.integers(0, len(values) - 1), min_size=1))
    item = MultipleChoiceItem(
        "Which?", tuple(letter * (nth + 1) for nth, letter in enumerate(LETTERS[: len(values)])), right
    )
    choice_likelihoods = likelihoods(*values)
    lengths = np.array([len(choice) for choice in item.choices])
    expected: dict[Convention, int] = {
        "letter": int(np.argmax(values)),
        "text": int(np.argmax(values)),
        "text-normalized": int(np.argmax(np.array(values) / lengths)),
    }
    for convention, nth in expected.items():
        assert choose(scores(item, choice_likelihoods, convention)) == nth
        assert is_right(item, choice_likelihoods, convention) == (nth in right)
    shares = np.exp(np.array(values) - max(values))
    mass = mass_on_right(item, choice_likelihoods)
    assert mass == pytest.approx(shares[sorted(right)].sum() / shares.sum())
    assert 0 <= mass <= 1 + 1e-12
    rest = frozenset(range(len(values))) - right
    if rest:
        assert mass + mass_on_right(replace(item, right=rest), choice_likelihoods) == pytest.approx(1)


def test_mass_where_every_probability_is_too_small_for_a_number() -> None:
    assert mass_on_right(ITEM, likelihoods(-2000.0, -2000.0, -2000.0)) == pytest.approx(1 / 3)


def test_the_prompt_of_mmlu_letter_by_letter() -> None:
    example = MultipleChoiceItem(
        "Which is green?", ("a leaf", "blood", "snow", "coal"), frozenset({0}), "colors_of_things"
    )
    assert mmlu_prompt(ITEM, [example, example]) == (
        "The following are multiple choice questions (with answers) about colors of things.\n\n"
        "Which is green?\nA. a leaf\nB. blood\nC. snow\nD. coal\nAnswer: A\n\n"
        "Which is green?\nA. a leaf\nB. blood\nC. snow\nD. coal\nAnswer: A\n\n"
        "Which is red?\nA. a leaf\nB. blood\nC. é\nAnswer:"
    )
    assert mmlu_prompt(replace(ITEM, subject="")).startswith("Which is red?\nA. a leaf\n")


def test_prompts_that_do_not_show_the_choices() -> None:
    example = MultipleChoiceItem("Which is green?", ("blood", "a leaf"), frozenset({1}))
    assert cloze_prompt(replace(ITEM, question="Which is red?"), [example]) == (
        "Question: Which is green?\nAnswer: a leaf\n\nQuestion: Which is red?\nAnswer:"
    )
    prompt = truthfulqa_prompt(replace(ITEM, question="Which is red?"))
    assert prompt.startswith("Q: What is human life expectancy in the United States?\nA: Human life expectancy in the ")
    assert prompt.endswith("A: The 1992 Olympics were held in Barcelona, Spain.\n\nQ: Which is red?\nA:")
    assert prompt.count("\n\n") == 6
