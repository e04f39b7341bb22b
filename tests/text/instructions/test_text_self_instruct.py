"""The heuristics of Self-Instruct: what breaks which, in English and in Korean."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.text.instructions.self_instruct import (
    INSTANCE_RULES,
    INSTRUCTION_RULES,
    RULE_DESCRIPTIONS,
    broken_instance_rules,
    broken_instruction_rules,
    count_words,
)

GOOD = (
    "Write a poem about the sea.",
    "다음 문장을 요약하세요.",
    "바다에 대한 시를 쓰세요.",
    "把下面的句子翻译成英文。",
    "5 words that rhyme with tree are wanted.",
    "Explain what a draughtsman does.",
    "Summarise the profile of the applicant.",
    "훌륭한 지도자가 되는 길을 설명하세요.",
    "그림자가 생기는 까닭을 설명하세요.",
    "그리고 다음에 올 문장을 쓰세요.",
    "Écrivez un poème sur la mer.",
)


@pytest.mark.parametrize("instruction", GOOD)
def test_tasks_of_any_script_are_good_ones(instruction: str) -> None:
    assert broken_instruction_rules(instruction) == []


@pytest.mark.parametrize(
    ("instruction", "rule"),
    [
        ("", "too-short"),
        ("Write a poem", "too-short"),
        ("시를 쓰세요", "too-short"),
        ("写一首诗", "too-short"),
        (" ".join(["word"] * 151), "too-long"),
        ("Say what the image shows us.", "beyond-text"),
        ("Draw a cat on a mat.", "beyond-text"),
        ("Explain the way to GO TO town.", "beyond-text"),
        ("Make a flowchart of the plan.", "beyond-text"),
        ("고양이 그림을 그려 주세요.", "beyond-text"),
        ("서울의 지도를 보고 답하세요.", "beyond-text"),
        ("이 사진들에서 사람을 찾으세요.", "beyond-text"),
        ("나무 한 그루를 그리세요.", "beyond-text"),
        ("Write a program that adds two numbers.", "write-a-program"),
        ("간단한 프로그램을 작성하세요.", "write-a-program"),
        ("- Name three old rivers.", "starts-with-a-mark"),
        ("「바다」를 세 번 쓰세요.", "starts-with-a-mark"),
        ("\u0300abc is not a word.", "starts-with-no-letter"),
    ],
)
def test_the_first_rule_that_an_instruction_breaks(instruction: str, rule: str) -> None:
    assert broken_instruction_rules(instruction)[0] == rule


def kept_by_published_code(text: str) -> bool:
    """Whether the published code keeps a one-line instruction; from its description of the steps, for ASCII alone."""
    words = ("image", "images", "graph", "graphs", "image", "images", "file", "files", "map", "maps")
    instruction = text.strip().capitalize()
    return (
        3 < len(instruction.split()) <= 150
        and not any(re.search(rf"\b{word}\b", instruction, re.IGNORECASE) for word in (*words, "draw", "plot", "go to"))
        and not instruction.startswith("Write a program")
        and instruction[0] not in string.punctuation
    )


WORDS = st.sampled_from(
    ["Write", "a", "program", "image", "maps", "about", "5", "-", "plots", "go", "to", "the", "sea"]
)


@given(st.lists(WORDS, min_size=1, max_size=8).map(" ".join))
def test_english_is_judged_as_by_the_published_code(text: str) -> None:
    assert (broken_instruction_rules(text) == []) == kept_by_published_code(text)


def test_instances() -> None:
    ask = "Translate this into Korean."
    assert broken_instance_rules(ask, "sea", "바다") == []
    assert broken_instance_rules(ask, "", "바다") == []
    assert broken_instance_rules(ask, "sea", "") == ["no-output"]
    assert broken_instance_rules(ask, "", "") == ["no-output", "output-is-input"]
    assert broken_instance_rules(ask, "sea ", " sea") == ["output-is-input"]
    assert broken_instance_rules(ask, "sea:", "바다") == ["ends-with-a-colon"]
    assert broken_instance_rules(ask, "sea", "다음과 같습니다\uff1a") == ["ends-with-a-colon"]
    assert broken_instance_rules(ask, "translate  this into Korean", "바다") == ["repeats-the-instruction"]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_too_strange_to_be_judged(instruction: str, input_text: str, output: str) -> None:
    broken = [*broken_instruction_rules(instruction), *broken_instance_rules(instruction, input_text, output)]
    assert all(RULE_DESCRIPTIONS[name].endswith(".") for name in broken)
    assert count_words(instruction) >= 0


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in (*INSTRUCTION_RULES, *INSTANCE_RULES)]
    assert len(set(names)) == len(names)
    assert set(names) < set(RULE_DESCRIPTIONS)
