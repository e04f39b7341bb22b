"""What a model is asked when it is set a task."""

from __future__ import annotations

from assay.text.instructions.prompt import task_prompt


def test_a_task_without_an_input_is_its_instruction() -> None:
    assert task_prompt(" Name a color.\n") == "Name a color."
    assert task_prompt("Name a color.", " \n") == "Name a color."


def test_what_a_task_is_about_follows_it() -> None:
    assert task_prompt("Translate into Korean.", "Good morning.\n") == "Translate into Korean.\n\nGood morning."
