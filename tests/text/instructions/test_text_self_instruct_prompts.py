"""Lists of tasks and examples of them, read from whatever a language model makes of the form it was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.completions import Message
from assay.text.instructions.self_instruct_prompts import (
    ENGLISH,
    KOREAN,
    LAYOUTS,
    ExampleTask,
    ParsedInstance,
    ParsedInstruction,
    PromptLayout,
    TaskWording,
    label_prompt,
    list_prompt,
    list_stop,
    parse_instance,
    parse_instructions,
    solve_prompt,
    sort_prompt,
    task_wording,
)


def texts(text: str, *, continues: bool = False) -> list[str]:
    return [instruction.text for instruction in parse_instructions(text, continues=continues)]


@pytest.mark.parametrize(
    "text",
    [
        "Task 9: Name a river.\nTask 10: Say: yes or no?",
        "Sure! Here are more tasks:\n\n**Task 9:** Name a river.\n**Task 10:** Say: yes or no?",
        "9. Name a river.\n10. Say: yes or no?\n",
        "Of course:\n9) **Name a river.**\n\n10) Say: yes or no?",
        "### Task 9\nName a river.\n\n### Task 10\nSay: yes or no?",
        "과제 9: Name a river.\n과제 10: Say: yes or no?",
        "Here you are:\n- Name a river.\n- Say: yes or no?",
        "Here you are:\nName a river.\n\nSay: yes or no?",
        "New Task 9: Name a river.\nInput: none\nOutput: The Rhine.\nNew Task 10: Say: yes or no?",
        "9. Name a river.\n\nThis asks for knowledge.\n\n10. Say: yes or no?",
    ],
)
def test_a_list_is_read_in_any_form(text: str) -> None:
    assert texts(text) == ["Name a river.", "Say: yes or no?"]


def test_a_list_that_goes_on_begins_with_an_instruction() -> None:
    assert texts(" Name a river.\nTask 10: Say it.\n", continues=True) == ["Name a river.", "Say it."]
    assert texts(" Name a river.\nIt is wide.\n10. Say it.", continues=True) == ["Name a river.", "Say it."]
    assert texts("\nTask 10: Say it.", continues=True) == ["Say it."]
    assert texts(" Do this:\n1. Go.\nTask 10: Say it.", continues=True) == ["Do this:", "Say it."]
    assert texts("", continues=True) == texts("  \n ", continues=False) == []


def test_only_the_last_of_a_list_can_be_cut() -> None:
    assert parse_instructions(" Name a river.\nTask 10: Say", continues=True) == [
        ParsedInstruction("Name a river.", True),
        ParsedInstruction("Say", False),
    ]
    assert parse_instructions(" Name a river.\nand then", continues=True) == [ParsedInstruction("Name a river.", True)]
    assert parse_instructions("1. Name a river.\n2. Say it.\n\nThese", continues=False)[-1] == ParsedInstruction(
        "Say it.", True
    )
    assert parse_instructions("1. Name a river.\n2. Say it.\nInput:", continues=False)[-1] == ParsedInstruction(
        "Say it.", True
    )


@pytest.mark.parametrize(
    ("text", "continues", "expected"),
    [
        (" none\nOutput: Blue.", True, ParsedInstance("", "Blue.", False)),
        (" sky\nOutput: Blue.\n\nTask: Another", True, ParsedInstance("sky", "Blue.", True)),
        (
            "\nthe sky\nat night\nOutput:\nBlack.\nOr not.",
            True,
            ParsedInstance("the sky\nat night", "Black.\nOr not.", False),
        ),
        ("Input: sky\nOutput: Blue.", False, ParsedInstance("sky", "Blue.", False)),
        (
            "Sure!\n\nExample 1\nInput: sky\nOutput: Blue.\nExample 2\nInput: sea",
            False,
            ParsedInstance("sky", "Blue.", True),
        ),
        ("**Input:** sky\n\n**Output:** Blue.", False, ParsedInstance("sky", "Blue.", False)),
        ("Output: Blue.", False, ParsedInstance("", "Blue.", False)),
        ("Input: sky\nOutput: So.\nAnswer: blue", False, ParsedInstance("sky", "So.\nAnswer: blue", False)),
        ("Input: sky\nOutput: Blue.\nInput: sea\nOutput: Green.", False, ParsedInstance("sky", "Blue.", True)),
        ("입력: 하늘\n출력: 파랑", False, ParsedInstance("하늘", "파랑", False)),
        (" 없음\n출력: 파랑\n\n과제: 다음", True, ParsedInstance("", "파랑", True)),
        ("(none)\nOutput: a label: b\nLabel: c", True, ParsedInstance("", "a label: b\nLabel: c", False)),
        ("I cannot do that.", False, None),
        ("a sky without an end", True, None),
        ("", False, None),
    ],
)
def test_an_example_with_the_input_first(text: str, continues: bool, expected: ParsedInstance | None) -> None:
    assert parse_instance(text, label_first=False, continues=continues) == expected


@pytest.mark.parametrize(
    ("text", "continues", "expected"),
    [
        (" spam\nInput: You won!", True, ParsedInstance("You won!", "spam", False)),
        (" spam\nYou won!", True, ParsedInstance("You won!", "spam", False)),
        ("Class label: spam\nInput: You won!\nClass label: ham", False, ParsedInstance("You won!", "spam", True)),
        (
            "**Class Label:** spam\n**Input:** You won!\n**Output:** spam",
            False,
            ParsedInstance("You won!", "spam", False),
        ),
        ("분류: 긍정\n입력: 좋아요", False, ParsedInstance("좋아요", "긍정", False)),
        ("Input: You won!\nOutput: spam", False, ParsedInstance("You won!", "spam", False)),
        (" spam", True, ParsedInstance("", "spam", False)),
        ("No idea.", False, None),
    ],
)
def test_an_example_with_the_label_first(text: str, continues: bool, expected: ParsedInstance | None) -> None:
    assert parse_instance(text, label_first=True, continues=continues) == expected


LINES = st.sampled_from(
    [
        "Input:",
        "Output:",
        "Task 9:",
        "Example 2",
        "Class label: x",
        "과제:",
        "출력: 답",
        "",
        "1. a",
        "- b",
        "**",
        "word",
        "\t",
    ]
)


@given(st.one_of(st.text(), st.lists(LINES, max_size=9).map("\n".join)), st.booleans(), st.booleans())
def test_whatever_is_written_is_read_or_not_and_nothing_is_made_up(text: str, first: bool, continues: bool) -> None:
    listed = parse_instructions(text, continues=continues)
    assert all(instruction.text and "\n" not in instruction.text for instruction in listed)
    squeezed = "".join(text.split()).replace("*", "")
    assert all("".join(instruction.text.split()).replace("*", "") in squeezed for instruction in listed)
    assert [instruction.complete for instruction in listed[:-1]] == [True] * max(0, len(listed) - 1)
    instance = parse_instance(text, label_first=first, continues=continues)
    if instance is not None:
        assert "".join(instance.input.split()) in "".join(text.split())
        assert "".join(instance.output.split()) in "".join(text.split())


PLAIN = st.text(st.characters(categories=("Lu", "Ll", "Lo")), min_size=1, max_size=9).map(lambda text: f"x{text}")


@given(PLAIN, PLAIN, st.sampled_from([ENGLISH, KOREAN]), st.sampled_from(LAYOUTS), st.booleans())
def test_an_answer_in_the_form_that_was_shown_comes_back(
    input_text: str, output: str, words: TaskWording, layout: PromptLayout, label: bool
) -> None:
    example = ExampleTask("id", "Do it.", input_text, output, label)
    prompt = (label_prompt if label else solve_prompt)("Do that.", [example], words, layout)
    if isinstance(prompt, str):
        answer = prompt.partition(f"{words.label if label else words.input}:")[2].partition("\n\n")[0]
    else:
        answer = prompt[1].text
    instance = parse_instance(answer, label_first=label, continues=layout == "plain")
    assert instance == ParsedInstance(input_text, output, False)


def test_prompts_in_plain_words_end_where_the_model_begins() -> None:
    examples = [
        ExampleTask("a", "Name a river.", "", "The Rhine."),
        ExampleTask("b", "Is it spam?", "You won!", "spam", True),
    ]
    listed = list_prompt([example.instruction for example in examples], 3, ENGLISH, "plain")
    assert isinstance(listed, str)
    assert listed.endswith("\nTask 1: Name a river.\nTask 2: Is it spam?\nTask 3:")
    assert list_stop(2, 3, ENGLISH, "plain") == ("Task 6", "\n\n")
    assert list_stop(2, 1, ENGLISH, "plain") == ("\n",)
    sort = sort_prompt("Sing it.", examples, ENGLISH, "plain")
    assert isinstance(sort, str)
    assert sort.endswith(
        "Is it spam?\nIs it a classification task? Yes\n\nTask: Sing it.\nIs it a classification task?"
    )
    solve = solve_prompt("노래하세요.", examples[:1], KOREAN, "plain")
    assert isinstance(solve, str)
    assert solve.endswith("과제: Name a river.\n입력: 없음\n출력: The Rhine.\n\n과제: 노래하세요.\n입력:")


def test_prompts_in_a_chat_show_the_examples_as_turns() -> None:
    examples = [
        ExampleTask("a", "Name a river.", "", "The Rhine."),
        ExampleTask("b", "Is it spam?", "You won!", "spam", True),
    ]
    prompt = label_prompt("Is it rude?", examples[1:], ENGLISH, "chat")
    assert [message.role for message in prompt if isinstance(message, Message)] == ["user", "assistant", "user"]
    assert prompt[1:] == (
        Message("assistant", "Class label: spam\nInput: You won!"),
        Message("user", "Task: Is it rude?"),
    )
    (alone,) = solve_prompt("Sing it.", [], ENGLISH, "chat")
    assert isinstance(alone, Message)
    assert alone.text == f"{ENGLISH.solved}\n\nTask: Sing it."
    (listed,) = list_prompt(["Sing\nit."], 2, ENGLISH, "chat")
    assert isinstance(listed, Message)
    assert "Task 1: Sing it.\n\n" in listed.text
    assert listed.text.endswith(f"\n\n{ENGLISH.more.format(count=2, first=2, last=3)}")


def test_a_language_without_words_of_its_own_is_asked_in_english() -> None:
    assert task_wording("ko") is KOREAN
    assert task_wording("fr") is task_wording("") is ENGLISH
