from __future__ import annotations

import pytest

from assay.text.answers.choices import extract_choice

PLANETS = ("Mars", "Venus", "Jupiter", "Saturn")

CHOICES = [
    ("B", "B", "whole"),
    ("(b)", "B", "whole"),
    (" **C.** ", "C", "whole"),
    ("2번", None, None),
    ("The answer is (B).", "B", "answer_is"),
    ("The answer is B because Venus is hot.", "B", "answer_is"),
    ("the answer is b.", "B", "answer_is"),
    ("The answer is A because it is red.", "A", "answer_is"),
    ("The answer is A.", "A", "answer_is"),
    ("The answer is a planet, (C).", "C", "answer_is"),
    ("The answer is A planet called Venus.", "B", "answer_is"),
    ("The answer is Jupiter.", "C", "answer_is"),
    ("The correct option is D) Saturn", "D", "answer_is"),
    ("At first the answer is (A). But no: the answer is (C).", "C", "answer_is"),
    ("Therefore, among A through D, the answer is B.", "B", "answer_is"),
    ("**Answer: C**", "C", "answer_colon"),
    ("Answer: C. Jupiter", "C", "answer_colon"),
    (r"\boxed{\text{D}}", "D", "boxed"),
    (r"The answer is $\boxed{B}$.", "B", "boxed"),
    ("정답은 B입니다.", "B", "answer_is"),
    ("정답: (다)", None, None),
    ("설명을 보면 C가 정답입니다.", "C", "is_correct"),
    ("(A) is too small. Option (B) is correct.", "B", "is_correct"),
    ("B. Venus", "B", "leading"),
    ("**B**\n\nBecause A is too small.", "B", "leading"),
    ("B) Venus is the hottest, hotter than Mars.", "B", "leading"),
    ("I think it must be (D), without doubt.", "D", "only_letter"),
    ("It is venus, of course.", "B", "choice_text"),
    ("A good question! I would say Saturn.", "D", "choice_text"),
    ("A. Mars\nB. Venus\nC. Jupiter", None, None),
    ("A planet. I do not know which.", None, None),
    ("I think so.", None, None),
    ("The answer is (A) or (B).", None, None),
    ("The answer is A and C.", None, None),
    ("The answer is Mars or Venus.", None, None),
    ("It could be (A), it could be (C).", None, None),
    ("Surely not Venus.", None, None),
    ("(B) is not it.", None, None),
    ("Mars is smaller than Venus.", None, None),
]


@pytest.mark.parametrize(("text", "value", "rule"), CHOICES)
def test_choices(text: str, value: str | None, rule: str | None) -> None:
    answer = extract_choice(text, "ABCD", PLANETS)
    assert (answer and answer.value, answer and answer.rule) == (value, rule)


def test_choices_of_other_letters_and_words() -> None:
    assert extract_choice("I believe so", "ABCDEFGHI") is None
    assert (answer := extract_choice("The answer is I.", "ABCDEFGHI"))
    assert answer.value == "I"
    assert (answer := extract_choice("정답은 3번입니다.", "12345"))
    assert answer.value == "3"
    assert (answer := extract_choice("수도는 서울입니다.", "ABC", ("부산", "서울", "대구")))
    assert (answer.value, answer.rule) == ("B", "choice_text")
    assert (answer := extract_choice("It is New York City.", "AB", ("York", "New York")))
    assert answer.value == "B"
    assert (answer := extract_choice("The answer is 12.5.", "AB", ("12", "12.5")))
    assert answer.value == "B"
    assert extract_choice("So she has the same.", "AB", ("the same", "The same")) is None


def test_strict_choices_are_letters_that_come_first() -> None:
    assert extract_choice("The answer is option (B).", strict=True)
    assert extract_choice("The answer is Venus, (B).", strict=True) is None
    assert extract_choice("The answer is Venus.", "ABCD", PLANETS, strict=True) is None
    assert extract_choice("B) Venus", strict=True) is None


@pytest.mark.parametrize(("letters", "texts"), [("", ()), (("AB",), ()), ("Aa", ()), ("A", ("one", "two")), (".", ())])
def test_choices_that_cannot_be(letters: str, texts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Choices must have"):
        extract_choice("A", letters, texts)
