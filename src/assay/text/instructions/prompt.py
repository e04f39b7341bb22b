"""A task as its fields have it, and as a model is asked it.

A task is a sample with the text fields `instruction`, `input` (empty where it needs none) and `output`.
"""

from __future__ import annotations


def task_prompt(instruction: str, given: str = "") -> str:
    """What a user says who sets this task: the instruction, and after an empty line what it is about.

    Source: Taori et al. 2023, "Alpaca", puts both under headings of its own; a chat template takes the headings' place.
    """
    return f"{instruction.strip()}\n\n{given.strip()}" if given.strip() else instruction.strip()
