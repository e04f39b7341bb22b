"""NumberEquals."""

from __future__ import annotations

import re

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
    result = outcome(text, output, verifier)
    assert isinstance(result, Score), result
    return result.value


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
def test_where_selects_the_number(where: str) -> None:
    verifier = NumberEquals(where=where)
    assert {text for text in ANSWERS if value(text, "42", verifier)} == {
        text for text, places in ANSWERS.items() if where in places
    }


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("$1,234.50", "1234.5"),
        ("1/3", "2/6"),
        ("0.5", "½"),
        ("2 million", "2000000"),
        ("3만 5천", "35,000"),
        ("-4", "\u22124"),
    ],
)
def test_equal_numbers_in_other_notations(number: str, right: str) -> None:
    assert value(f"The answer is {number}.", right) == 1.0


def test_tolerance_is_exact() -> None:
    assert value("3.14", "3.14159", NumberEquals(tolerance=0.01)) == 1.0
    assert value("0.3", "0.6", NumberEquals(tolerance=0.3)) == 1.0
    assert value("0.3", "0.6000000001", NumberEquals(tolerance=0.3)) == 0.0
    assert value("3.14", "3.14159") == 0.0


def test_reference_is_a_worked_solution_with_one_number() -> None:
    assert value("72", "Natalia sold 48 + 24 = 72 clips.\n#### 72") == 1.0
    for reference in ("", " ", "no number", "3 or 4"):
        result = outcome("42", reference)
        assert isinstance(result, Unscored)
        assert result.cause == "not_applicable"
    missing = list(NumberEquals().score([Sample({"text": "42"})], tiny_lab()))
    assert isinstance(missing[0], Unscored)
    with pytest.raises(FieldError, match="'text'"):
        NumberEquals().score([Sample({"output": "42"})], tiny_lab())


def test_reason_has_both_numbers() -> None:
    for text, verifier, expected in (
        ("It is 41.", NumberEquals(), (0.0, "41", ["41", "42"])),
        ("42", NumberEquals(), (1.0, "42", ["42"])),
        ("42", NumberEquals(where="after:Result:"), (0.0, "", ["42"])),
    ):
        result = outcome(text, "42", verifier)
        assert isinstance(result, Score)
        assert (result.value, result.answer, re.findall(r"\d+", result.reason)) == expected


def test_gsm8k_solutions_score_one() -> None:
    problems = Gsm8k(str(shared("gsm8k-test.jsonl") / "gsm8k-test.jsonl"), limit=500).read(tiny_lab())
    answers = [
        Sample({"text": f"{problem.text('reasoning')}\n#### {problem.text('answer')}", **problem.fields})
        for problem in problems
    ]
    for where in ("any", "declared", "last", "after:####"):
        outcomes = NumberEquals("answer", where=where).score(answers, tiny_lab())
        assert [result.value for result in outcomes if isinstance(result, Score)] == [1.0] * len(answers)


@given(text=st.text(), output=st.text(), where=st.sampled_from([*PLACES, "after:####", "after:a"]))
def test_no_text_raises(text: str, output: str, where: str) -> None:
    result = outcome(text, output, NumberEquals(where=where))
    assert isinstance(result, Unscored) or (isinstance(result, Score) and result.value in (0.0, 1.0))


@given(number=st.fractions(max_denominator=1000), other=st.fractions(max_denominator=1000))
def test_fractions_are_compared_exactly(number: object, other: object) -> None:
    assert value(f"#### {number}", str(other)) == float(number == other)


@pytest.mark.parametrize(
    "wrong",
    [{"where": "bocksed"}, {"where": "after:"}, {"tolerance": -1}, {"tolerance": float("nan")}, {"reference": ""}],
    ids=repr,
)
def test_invalid_arguments_raise(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"NumberEquals\.{next(iter(wrong))} must"):
        NumberEquals(**wrong)  # type: ignore[arg-type]
