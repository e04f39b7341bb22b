"""Prompts of tasks, and histories of dialogues."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.completions import Message
from assay.core.errors import FieldError
from assay.core.sample import Sample
from assay.text.instructions.dialogues import (
    conversation,
    history_messages,
    parse_history,
    read_history,
    task_prompt,
    transcript,
    write_history,
)

HISTORY = (Message("user", "Name a fruit."), Message("assistant", "A pear."))


def test_a_dialogue_is_asked_whole() -> None:
    sample = Sample({"instruction": "And a sour one?", "input": "No lemons.", "history": write_history(HISTORY)})
    question = Message("user", "And a sour one?\n\nNo lemons.")
    assert conversation(sample) == (*HISTORY, question)
    assert conversation(sample, system="Be brief.") == (Message("system", "Be brief."), *HISTORY, question)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_a_history_comes_back_as_it_was(turns: list[tuple[str, str]]) -> None:
    messages = tuple(m for ask, tell in turns for m in (Message("user", ask), Message("assistant", tell)))
    assert read_history(write_history(messages)) == messages


@pytest.mark.parametrize(
    "history",
    [
        "not JSON",
        "3",
        '{"role": "user"}',
        '[{"role": "user", "content": "Hi"}]',
        '[{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hi"}]',
        '[{"role": "user", "content": 3}, {"role": "assistant", "content": "Hi"}]',
        '[{"content": "Hi"}]',
    ],
)
def test_what_is_no_history_is_told_with_the_sample(history: str) -> None:
    sample = Sample({"instruction": "Go on.", "history": history})
    with pytest.raises(FieldError) as caught:
        conversation(sample)
    assert sample.id in str(caught.value)


def test_a_blank_instruction_is_told() -> None:
    with pytest.raises(FieldError) as caught:
        conversation(Sample({"instruction": " "}))
    assert "'instruction'" in str(caught.value)


def test_what_was_said_is_written_for_a_reader() -> None:
    assert transcript(HISTORY, "No lemons.") == "User: Name a fruit.\n\nAssistant: A pear.\n\nNo lemons."
    assert transcript((), " ") == ""
    assert history_messages(Sample({"instruction": "Go on."})) == ()
    assert history_messages(Sample({"then": write_history(HISTORY)}), "then") == HISTORY


PAIRS = [["Name a fruit.", "A pear."]]
LIST = [{"role": "user", "content": "Name a fruit."}, {"role": "assistant", "content": " A pear.\n"}]


@pytest.mark.parametrize("value", [LIST, json.dumps(LIST), PAIRS, json.dumps(PAIRS)])
def test_a_file_gives_a_history_as_messages_or_as_pairs(value: object) -> None:
    assert parse_history(value) == HISTORY


@pytest.mark.parametrize("value", [None, "", " ", [], "[]"])
def test_a_file_may_give_no_history(value: object) -> None:
    assert parse_history(value) == ()


def test_a_systems_words_stand_before_the_users_first() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *LIST]
    assert [message.text for message in parse_history(messages)] == ["Be brief.\n\nName a fruit.", "A pear."]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("Hi.", "list of messages"),
        (3, "list of messages"),
        ({"role": "user"}, "list of messages"),
        (LIST[:1], "was user"),
        (LIST[::-1], "was assistant, user"),
        ([{"role": "system", "content": "Be brief."}], "was system"),
        ([["a", "b", "c"]], "role"),
        ([["a", " "]], "turn 2 (assistant)"),
        ([["a", None]], "role"),
        ("[" * 100_000, "list of messages"),
    ],
)
def test_an_invalid_history_is_rejected(value: object, named: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_history(value)
    assert named in str(caught.value)


def test_a_task_without_an_input_is_its_instruction() -> None:
    assert task_prompt(" Name a color.\n") == "Name a color."
    assert task_prompt("Name a color.", " \n") == "Name a color."


def test_the_input_follows_the_instruction() -> None:
    assert task_prompt("Translate into Korean.", "Good morning.\n") == "Translate into Korean.\n\nGood morning."
