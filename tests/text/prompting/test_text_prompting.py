from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.text.answers.aggregation import Vote, vote
from assay.text.answers.choices import extract_choice
from assay.text.answers.extraction import extract_number
from assay.text.answers.normalization import same_text
from assay.text.prompting.methods import (
    FewShotExample,
    Prompting,
    PromptWording,
    multiple_choice,
    render,
    second_prompt,
    select_examples,
)

POOL = (
    FewShotExample("What is 1 + 1?", "2", "One and one more are 2."),
    FewShotExample("What is 2 + 2?", "4", "Two and two more are 4."),
    FewShotExample("What is 3 + 3?", "6", "Three and three more are 6."),
    FewShotExample("What is 4 + 4?", "8", "Four and four more are 8."),
)
QUESTION = "What is 5 + 5?"
PLAIN = "Add up.\n\nQ: What is 1 + 1?\nA: 2\n\nQ: What is 2 + 2?\nA: 4\n\nQ: What is 5 + 5?\nA:"


def test_zero_shot() -> None:
    assert render(Prompting(), QUESTION) == (Message("user", QUESTION),)
    assert render(Prompting(layout="plain"), QUESTION) == f"Q: {QUESTION}\nA:"
    assert render(Prompting(layout="message", instruction="Add up."), QUESTION) == (
        Message("user", f"Add up.\n\n{QUESTION}"),
    )
    assert render(Prompting(instruction="Add up."), QUESTION) == (
        Message("system", "Add up."),
        Message("user", QUESTION),
    )


def test_few_shot_in_every_layout() -> None:
    plain = Prompting("few-shot", 2, layout="plain", instruction="Add up.")
    examples = select_examples(plain, QUESTION, POOL)
    assert examples == POOL[:2]
    assert render(plain, QUESTION, examples) == PLAIN
    assert render(Prompting("few-shot", 2, layout="message", instruction="Add up."), QUESTION, examples) == (
        Message("user", PLAIN),
    )
    assert render(Prompting("few-shot", 2), QUESTION, examples) == (
        Message("user", "What is 1 + 1?"),
        Message("assistant", "2"),
        Message("user", "What is 2 + 2?"),
        Message("assistant", "4"),
        Message("user", QUESTION),
    )


def test_chain_of_thought_examples_have_reasoning_and_answer() -> None:
    prompting = Prompting("chain-of-thought", 1, layout="plain")
    assert render(prompting, QUESTION, POOL[:1]) == (
        "Q: What is 1 + 1?\nA: One and one more are 2. The answer is 2.\n\nQ: What is 5 + 5?\nA:"
    )
    with pytest.raises(ValueError, match=r"'Why\?'"):
        select_examples(prompting, QUESTION, (FewShotExample("Why?", "because"),))


def test_zero_shot_cot_has_two_prompts() -> None:
    prompting = Prompting("zero-shot-cot", kind="number", layout="plain")
    first = render(prompting, QUESTION)
    assert first == "Q: What is 5 + 5?\nA: Let's think step by step."
    expected = f"{first} Five and five are 10.\nTherefore, the answer (arabic numerals) is"
    assert second_prompt(prompting, first, " Five and five are 10.\n") == expected
    assert second_prompt(prompting, first, "Five and five are 10.") == expected
    chat = Prompting("zero-shot-cot", kind="yes-no", instruction="Be brief.")
    chat_prompt = (Message("system", "Be brief."), Message("user", f"{QUESTION}\n\nLet's think step by step."))
    assert render(chat, QUESTION) == chat_prompt
    assert second_prompt(chat, chat_prompt, "It is.") == (
        *chat_prompt,
        Message("assistant", "It is."),
        Message("user", "Therefore, the answer (Yes or No) is"),
    )
    assert (prompting.steps, Prompting().steps) == (2, 1)
    with pytest.raises(ValueError, match="'zero-shot'"):
        second_prompt(Prompting(), "Q", "A")


def test_answer_triggers_by_kind() -> None:
    assert Prompting(kind="choice", choices=5).trigger == "Therefore, among A through E, the answer is"
    assert Prompting(kind="choice", choices=3).trigger == "Therefore, among A through C, the answer is"
    assert Prompting().trigger == "Therefore, the answer is"
    korean = PromptWording(question="문제: ", answer="답:", think="차근차근 생각해 봅시다.", conclude="따라서 정답은")
    prompting = Prompting("zero-shot-cot", layout="plain", wording=korean)
    first = render(prompting, "5 더하기 5는?")
    assert first == "문제: 5 더하기 5는?\n답: 차근차근 생각해 봅시다."
    assert second_prompt(prompting, first, "10입니다.") == f"{first} 10입니다.\n따라서 정답은"


def test_the_nearest_example_comes_last() -> None:
    angles = np.radians([90, 10, 60, 0])
    pool = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1], [5], [0.1], [2]]
    prompting = Prompting("few-shot", 3, pick="nearest")
    assert select_examples(prompting, QUESTION, POOL, (np.array([3.0, 0.0]), pool)) == (POOL[2], POOL[1], POOL[3])
    assert select_examples(prompting, POOL[3].question, POOL, ([1.0, 0.0], pool)) == (POOL[0], POOL[2], POOL[1])
    same = np.ones((4, 2))
    assert select_examples(prompting, QUESTION, POOL, ([1.0, 0.0], same)) == (POOL[2], POOL[1], POOL[0])


@pytest.mark.parametrize(
    "near",
    [
        None,
        (np.ones(2), np.ones((3, 2))),
        (np.ones(3), np.ones((4, 2))),
        (np.ones((1, 2)), np.ones((4, 2))),
        (np.zeros(2), np.ones((4, 2))),
        (np.ones(2), np.full((4, 2), np.nan)),
    ],
)
def test_invalid_embeddings_are_an_error(near: tuple[np.ndarray, np.ndarray] | None) -> None:
    with pytest.raises(ValueError, match=r"[Ee]mbeddings"):
        select_examples(Prompting("few-shot", 1, pick="nearest"), QUESTION, POOL, near)


QUESTIONS = st.lists(st.sampled_from(["a?", "b?", "A ?", "c?", " b? ", "d?", "e?", "\uff42?"]), max_size=8)


@given(QUESTIONS, st.sampled_from(["a?", "b?", "B?", "f?"]), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_examples_exclude_the_question_itself(
    questions: list[str], question: str, shots: int, nearest: bool, seed: int
) -> None:
    pool = [FewShotExample(text, str(at)) for at, text in enumerate(questions)]
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(len(pool), 3))
    near = (rng.normal(size=3), embeddings)
    prompting = Prompting("few-shot", shots, pick="nearest" if nearest else "first")
    others = [
        example for example in pool if example.question.replace("\uff42", "b").casefold().strip() != question.casefold()
    ]
    if len(others) < shots:
        with pytest.raises(ValueError, match=rf"{shots} examples .* {len(others)}\."):
            select_examples(prompting, question, pool, near)
        return
    selected = select_examples(prompting, question, pool, near)
    assert len(set(selected)) == shots
    assert set(selected) <= set(others)
    if not nearest:
        assert list(selected) == others[:shots]
        return
    cosines = {
        example: embeddings[int(example.answer)] @ near[0] / np.linalg.norm(embeddings[int(example.answer)])
        for example in others
    }
    assert list(selected) == sorted(others, key=lambda example: cosines[example])[-shots:]


def test_the_letter_of_a_multiple_choice_example_is_extracted() -> None:
    planets = ("Mars", "Venus", "Saturn")
    assert multiple_choice("Which has rings?", planets) == "Which has rings?\n(A) Mars\n(B) Venus\n(C) Saturn"
    for texts in ((), ("one",), ("one", " "), ("x",) * 27):
        with pytest.raises(ValueError, match="2 to 26"):
            multiple_choice("Which?", texts)
    example = FewShotExample("Which has rings?", "C", "Only one of them has.")
    prompt = render(Prompting("chain-of-thought", 1), "Which is hot?", (example,))
    assert not isinstance(prompt, str)
    assert (extracted := extract_choice(prompt[1].text, "ABC", planets, strict=True))
    assert extracted.value == "C"


@given(st.text(max_size=30), st.integers(-(10**9), 10**9))
def test_the_answer_of_an_example_is_extracted(reasoning: str, answer: int) -> None:
    example = FewShotExample("Why?", str(answer), f"Because {reasoning}")
    prompt = render(Prompting("chain-of-thought", 1), "How?", (example,))
    assert not isinstance(prompt, str)
    assert (extracted := extract_number(prompt[1].text, strict=True))
    assert extracted.value == str(answer)


@given(
    st.text(max_size=20), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3), st.text(max_size=9)
)
def test_plain_and_turns_have_the_same_texts_in_the_same_order(
    question: str, pairs: list[tuple[str, str]], instruction: str
) -> None:
    examples = [FewShotExample(*pair) for pair in pairs]
    method = "few-shot" if examples else "zero-shot"
    turns = render(Prompting(method, len(examples), instruction=instruction), question, examples)
    plain = render(Prompting(method, len(examples), layout="plain", instruction=instruction), question, examples)
    assert isinstance(plain, str)
    at = 0
    for turn in turns:
        assert isinstance(turn, Message)
        at = plain.index(turn.text, at) + len(turn.text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "three-shot"}, "method.*'three-shot'"),
        ({"layout": "chat"}, "layout.*'chat'"),
        ({"kind": "date"}, "kind.*'date'"),
        ({"method": "few-shot", "shots": 1, "pick": "random"}, "pick.*'random'"),
        ({"method": "few-shot"}, "shots"),
        ({"shots": 2}, "shots"),
        ({"method": "few-shot", "shots": -1}, "shots"),
        ({"kind": "choice"}, "choices"),
        ({"kind": "choice", "choices": 27}, "choices"),
        ({"choices": 4}, "choices"),
    ],
)
def test_invalid_settings_name_the_field(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prompting(**values)  # type: ignore[arg-type]


def test_wording_and_examples_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\{answer\}"):
        PromptWording(declared="The answer.")
    with pytest.raises(ValueError, match=r"0 examples.* 1"):
        render(Prompting(), QUESTION, POOL[:1])
    assert Decoding(stop=Prompting(layout="plain").stop).stop == ("\nQ:",)
    assert Prompting().stop == ()
    assert Prompting(layout="plain", wording=PromptWording(question="")).stop == ()


def test_vote() -> None:
    texts = ["The answer is 18.", "#### 18.0", "The answer is 26.", "I do not know.", "So $18"]
    assert vote([extract_number(text) for text in texts]) == Vote("18", 3, 5, 1, (("18", 3), ("26", 1)))
    tie = vote(["b", "a", "a", "b"])
    assert (tie.value, tie.votes, tie.tied) == ("b", 2, True)
    assert vote([None, None, None, "a"]).value == "a"
    assert vote([None, None]) == Vote(None, 0, 2, 2, ())
    assert not vote([]).tied
    assert vote(["the Nile", "Nile.", "Amazon"], same_text) == Vote(
        "the Nile", 2, 3, 0, (("the Nile", 2), ("Amazon", 1))
    )


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20))
def test_vote_is_a_count(answers: list[str | None]) -> None:
    result = vote(answers)
    counts = Counter(answer for answer in answers if answer is not None)
    assert dict(result.counts) == counts
    assert result.votes == max(counts.values(), default=0)
    assert result.unparsed + sum(counts.values()) == result.n == len(answers)
    assert result.value == next((answer for answer in answers if answer and counts[answer] == result.votes), None)
    assert result == vote(answers, lambda a, b: a == b)
