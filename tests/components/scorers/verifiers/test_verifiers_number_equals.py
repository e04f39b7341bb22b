"""Is the number that an answer gives the right one?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.scorers.verifiers.number_equals import PLACES, NumberEquals
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from labs import tiny_lab
from shared_data import shared


def outcome(text: str, output: str = "42", verifier: NumberEquals | None = None) -> Outcome:
    sample = Sample({"text": text, "output": output})
    return next(iter((verifier or NumberEquals()).score([sample], tiny_lab())))


def value(text: str, output: str = "42", verifier: NumberEquals | None = None) -> float:
    found = outcome(text, output, verifier)
    assert isinstance(found, Score), found
    return found.value


ANSWERS = {
    "so it is 42": {"any", "last"},
    "The answer is 42. I was asked for 7 of them.": {"any", "declared"},
    "6 * 7 = 42\n#### 42": {"any", "declared", "last", "after:####"},
    "6 * 7 = 42\n#### about 42": {"any", "last"},
    "#### 42 apples": {"any", "declared", "last", "after:####"},
    "so \\boxed{42} for 7 days": {"any", "declared", "boxed"},
    "\\boxed{41}, no, \\boxed{42}": {"any", "declared", "boxed", "last"},
    "42 or 43": set(),
    "#### 42 or 43": set(),
    "none": set(),
    "": set(),
}


@pytest.mark.parametrize("where", [*PLACES, "after:####"])
def test_the_place_says_which_number_counts(where: str) -> None:
    verifier = NumberEquals(where=where)
    assert {text for text in ANSWERS if value(text, "42", verifier)} == {
        text for text, places in ANSWERS.items() if where in places
    }


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("$1,234.50", "1234.5"),
        ("1/3", "2/6"),
        ("0.5", "½"),
        ("2 million", "2000000"),
        ("3만 5천", "35,000"),
        ("-4", "\u22124"),
    ],
)
def test_equal_numbers_may_be_written_otherwise(said: str, right: str) -> None:
    assert value(f"The answer is {said}.", right) == 1.0


def test_a_tolerance_is_meant_exactly() -> None:
    assert value("3.14", "3.14159", NumberEquals(tolerance=0.01)) == 1.0
    assert value("0.3", "0.6", NumberEquals(tolerance=0.3)) == 1.0
    assert value("0.3", "0.6000000001", NumberEquals(tolerance=0.3)) == 0.0
    assert value("3.14", "3.14159") == 0.0


def test_a_worked_solution_is_a_reference_and_none_is_not() -> None:
    assert value("72", "Natalia sold 48 + 24 = 72 clips.\n#### 72") == 1.0
    for reference in ("", " ", "no number", "3 or 4"):
        found = outcome("42", reference)
        assert isinstance(found, Unscored)
        assert found.cause == "not_applicable"
    missing = list(NumberEquals().score([Sample({"text": "42"})], tiny_lab()))
    assert isinstance(missing[0], Unscored)
    with pytest.raises(FieldError, match="'text'"):
        NumberEquals().score([Sample({"output": "42"})], tiny_lab())


def test_the_reason_says_both_numbers() -> None:
    assert outcome("It is 41.") == Score(0.0, "It says 41; right is 42.", answer="41")
    assert outcome("42") == Score(1.0, "42 is right.", answer="42")
    found = outcome("42", "42", NumberEquals(where="after:Result:"))
    assert found == Score(0.0, "There is no one number after 'Result:'; right is 42.")


def test_solutions_of_gsm8k_give_their_own_number() -> None:
    problems = Gsm8k(str(shared("gsm8k-test.jsonl") / "gsm8k-test.jsonl"), limit=500).read(tiny_lab())
    answers = [
        Sample({"text": f"{one.text('reasoning')}\n#### {one.text('answer')}", **one.fields}) for one in problems
    ]
    for where in ("any", "declared", "last", "after:####"):
        found = NumberEquals("answer", where=where).score(answers, tiny_lab())
        assert [one.value for one in found if isinstance(one, Score)] == [1.0] * len(answers)


@given(text=st.text(), output=st.text(), where=st.sampled_from([*PLACES, "after:####", "after:a"]))
def test_no_text_raises(text: str, output: str, where: str) -> None:
    found = outcome(text, output, NumberEquals(where=where))
    assert isinstance(found, Unscored) or (isinstance(found, Score) and found.value in (0.0, 1.0))


@given(number=st.fractions(max_denominator=1000), other=st.fractions(max_denominator=1000))
def test_fractions_are_compared_exactly(number: object, other: object) -> None:
    assert value(f"#### {number}", str(other)) == float(number == other)


@pytest.mark.parametrize(
    "wrong",
    [{"where": "bocksed"}, {"where": "after:"}, {"tolerance": -1}, {"tolerance": float("nan")}, {"reference": ""}],
    ids=repr,
)
def test_a_wrong_argument_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"NumberEquals\.{next(iter(wrong))} must"):
        NumberEquals(**wrong)  # type: ignore[arg-type]
