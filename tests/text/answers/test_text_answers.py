# ruff: noqa: RUF001 -- models write dashes, quotation marks and colons of every kind.
from __future__ import annotations

import pytest

from assay.text.answers.choices import extract_choice
from assay.text.answers.extraction import Extracted, extract_number, extract_span, extract_yes_no

BOX = r"Then $x = 3 \times 4$, so the area is $\boxed{12}$ square metres."

NUMBERS = [
    ("42", "42", "whole"),
    (" $1,234.50.", "1234.5", "whole"),
    ("**-7**", "-7", "whole"),
    ("She sold 48/2 = <<48/2=24>>24 clips in May.\nAltogether 48+24 = <<48+24=72>>72 clips.\n#### 72", "72", "hashes"),
    ("It costs more.\n#### $1,080", "1080", "hashes"),
    ("#### −15", "-15", "hashes"),
    ("#### 10%", "10", "hashes"),
    ("First #### 3, no, wait.\n#### 4", "4", "hashes"),
    ("There are 15 trees. 21 - 15 = 6. The answer is 6.", "6", "answer_is"),
    ("The answer is 41. Wait, I forgot one box. The answer is 42.", "42", "answer_is"),
    ("The answer is 42. I hope the answer is clear.", "42", "answer_is"),
    ("The answer is $18 per day, since 9 * 2 = 18. She works 5 days.", "18", "answer_is"),
    ("Therefore, the answer (arabic numerals) is 8 apples.", "8", "answer_is"),
    ("The answer to the second question is 3/4.", "0.75", "answer_is"),
    ("So the final answer is: **1,000,000**", "1000000", "answer_is"),
    ("The answer is 6 × 7 = 42 marbles.", "42", "answer_is"),
    ("The answer is approximately 3.14.", "3.14", "answer_is"),
    ("The answer is 42, not 43.", "42", "answer_is"),
    ("Final Answer: 1.5e-3 m", "0.0015", "answer_colon"),
    ("**Answer:** 3 1/2 cups", "3.5", "answer_colon"),
    ("**Answer**: ½", "0.5", "answer_colon"),
    ("Answer:\n\n17", "17", "answer_colon"),
    ("Answer = 1/3", "1/3", "answer_colon"),
    ("Answer: 2 million people", "2000000", "answer_colon"),
    (BOX, "12", "boxed"),
    (r"The answer is $\boxed{\frac{3}{8}}$.", "0.375", "boxed"),
    ("정답은 42개입니다.", "42", "answer_is"),
    ("따라서 답은 3만 5천원입니다.", "35000", "answer_is"),
    ("정답: 1,200원", "1200", "answer_colon"),
    ("철수는 사과를 5개, 영희는 7개 가지고 있으므로 모두 5 + 7 = 12개입니다.", "12", "equals"),
    ("So 3 + 4 = 7.", "7", "equals"),
    ("Each gets 20 / 4 = 5 apples, for all of the 4 children.", "5", "equals"),
    ("In all 10 + 5 = 15. Each of the three gets 5 of them.", "5", "last_number"),
    ("She has 12 apples and gives away five, which leaves 7 apples.", "7", "last_number"),
    ("It went down to -3 °C.", "-3", "last_number"),
    ("He drove 5km.", "5", "last_number"),
    ("He has 9 left (see table B2, and the 3rd row).", "9", "last_number"),
    ("He paid 30 dollars on May 17, 2023.", "30", "last_number"),
    ("It was 12 pages, read on 2023-05-17 at 10:30.", "12", "last_number"),
    ("2023년 5월 17일에 사과 8개를 샀다.", "8", "last_number"),
    ("The discount is 12.5 %", "12.5", "last_number"),
    ("답은 알 수 없습니다. 사과가 3개 있습니다.", None, None),
    ("The answer is not known. There are 3 apples.", None, None),
    ("The answer cannot be determined from the 2 facts.", None, None),
    ("The answer is 3 or 4.", None, None),
    ("The answers are 3, 5 and 7.", None, None),
    ("The answer is 3 + 4.", None, None),
    ("The answer is 10-20.", None, None),
    ("The answer is 2^10.", None, None),
    ("The answer is 5k.", None, None),
    ("The answer is 10:30. We met 2 times.", None, None),
    ("The answer is 3,5.", None, None),
    (r"The answer is $\boxed{1{,}234}$", "1234", "boxed"),
    ("Answer: 12 hours 30 minutes", None, None),
    ("Answer: 5'11\"", None, None),
    ("Answer: £3m", None, None),
    ("Answer: 1 234", None, None),
    ("Thus x = -4 or x = 3.", None, None),
    ("The ratio is 3:4.", None, None),
    ("약 3.5배입니다.", "3.5", "last_number"),
    ("답: 약 120km입니다.", "120", "answer_colon"),
    ("The answer is 42.\n\nLet me verify: 6 * 7 = 43 - 1. Yes.", "42", "answer_is"),
    ("1. First, 3 + 4 = 7.\n2. Then 7 * 2 = 14.\n3. So she has 14 left.", "14", "last_number"),
    ("I do not know.", None, None),
    ("", None, None),
    ("Take the R2D2 route.", None, None),
]


@pytest.mark.parametrize(("text", "value", "rule"), NUMBERS)
def test_numbers(text: str, value: str | None, rule: str | None) -> None:
    answer = extract_number(text)
    assert (answer and answer.value, answer and answer.rule) == (value, rule)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("#### 42", "42"),
        ("The answer is 42.", "42"),
        ("The answer is $42.", "42"),
        ("42", "42"),
        ("The answer is approximately 42.", None),
        ("So 6 * 7 = 42", None),
        ("She has 42 apples.", None),
        ("The answer is 41. So she has 42.", "41"),
    ],
)
def test_strict_takes_only_what_is_declared(text: str, value: str | None) -> None:
    answer = extract_number(text, strict=True)
    assert (answer and answer.value) == value


def test_the_second_answer_of_two_calls_is_a_declaration() -> None:
    text = " 8 apples. Because 3 of the 11 were eaten."
    assert extract_number(text, continues=True) == Extracted("8", "continued", 1, 2)
    assert extract_number(text) == Extracted("11", "last_number", text.index("11"), text.index("11") + 2)
    assert extract_choice(" B. Because A is 3.", continues=True) == Extracted("B", "continued", 1, 2)
    assert extract_span(" Paris, I think.", continues=True) == Extracted("Paris, I think", "continued", 1, 15)


@pytest.mark.parametrize(
    ("text", "value", "rule"),
    [
        ("Yes", "yes", "whole"),
        ("no.", "no", "whole"),
        ("**True**", "yes", "whole"),
        ("아니요", "no", "whole"),
        ("네.", "yes", "whole"),
        ("Yes, because it rained.", "yes", "leading"),
        ("No. It did not.", "no", "leading"),
        ("아니오, 그렇지 않습니다.", "no", "leading"),
        ("네, 맞습니다.", "yes", "leading"),
        ("The answer is no.", "no", "answer_is"),
        ("So the answer (Yes or No) is **Yes**.", "yes", "answer_is"),
        ("Yes, one might think. But the answer is no.", "no", "answer_is"),
        ("Answer: False", "no", "answer_colon"),
        ("정답은 예입니다.", "yes", "answer_is"),
        ("답: 아니요", "no", "answer_colon"),
        ("Hence the claim is false.", "no", "only_word"),
        ("Pears float, so yes.", "yes", "only_word"),
        ("No one knows.", None, None),
        ("There is no reason to think so.", None, None),
        ("네 개의 사과가 있습니다.", None, None),
        ("예를 들어 사과가 있습니다.", None, None),
        ("It is not true.", None, None),
        ("That isn't quite true.", None, None),
        ("It is true in part and false in part.", None, None),
        ("The answer is not clear. Yes?", None, None),
        ("True or false? I would say true.", None, None),
        ("Yes and no.", None, None),
        ("Yes? The answer is yes or no.", None, None),
        ("Perhaps.", None, None),
    ],
)
def test_yes_and_no(text: str, value: str | None, rule: str | None) -> None:
    answer = extract_yes_no(text)
    assert (answer and answer.value, answer and answer.rule) == (value, rule)
    strict = extract_yes_no(text, strict=True)
    assert strict == (answer if rule in ("whole", "answer_is", "answer_colon") else None)


@pytest.mark.parametrize(
    ("text", "value", "rule"),
    [
        ("The answer is Paris.", "Paris", "answer_is"),
        ("Answer: the Eiffel Tower. It is in Paris.", "the Eiffel Tower", "answer_colon"),
        ('The answer is "To be. Or not."', "To be. Or not", "answer_is"),
        ("The answer is: **Marie Curie**", "Marie Curie", "answer_is"),
        ("The answer is Dr. Watson. He wrote it.", "Dr. Watson", "answer_is"),
        ("The answer is George W. Bush.", "George W. Bush", "answer_is"),
        ("Answer: U.S. Army", "U.S. Army", "answer_colon"),
        ("The answer is vitamin C. It heals.", "vitamin C", "answer_is"),
        ("The answer is Rome. Sorry, the answer is Athens!", "Athens", "answer_is"),
        ("정답은 서울입니다.", "서울", "answer_is"),
        ("정답: '세종대왕'", "세종대왕", "answer_colon"),
        ("Answer:\nblue", "blue", "answer_colon"),
        (r"\boxed{x^{2}}", "x^{2}", "boxed"),
        ("Paris is nice.", None, None),
        ("The answer is unknown.", None, None),
        ("Answer:", None, None),
    ],
)
def test_spans(text: str, value: str | None, rule: str | None) -> None:
    answer = extract_span(text)
    assert (answer and answer.value, answer and answer.rule) == (value, rule)
