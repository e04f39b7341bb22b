"""Outcomes that the verifiers share: correct is 1, incorrect is 0, and a sample that cannot be verified is unscored.

An answer in the wrong form is incorrect, not unscored: a verifiable reward without a value would not teach the form. A
defect of the sample, such as a missing reference, is "not_applicable", the same in every run; "failed" is for a
verifier that broke, and is retried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.sample import Sample
from assay.core.score import FRACTION_CORRECT_UNIT, Outcome, Scale, Score, Unscored

SCALE = Scale(unit=FRACTION_CORRECT_UNIT, low=0.0, high=1.0)
MAX_QUOTE = 80
"""Characters of a quoted text in a reason."""


def compare_with(
    samples: Sequence[Sample], answer: str, reference: str, verify: Callable[[str, str], Outcome]
) -> Sequence[Outcome]:
    """Return `verify(answer, reference)` of each sample; unscored if the field `reference` is missing or blank.

    Raises:
        FieldError: A sample has no text field `answer`, or `reference` is an image.
    """
    outcomes: list[Outcome] = []
    for sample in samples:
        text = sample.text(answer)
        expected = sample.text(reference) if reference in sample.fields else ""
        outcomes.append(verify(text, expected) if expected.strip() else missing_reference(reference))
    return outcomes


def missing_reference(field: str) -> Unscored:
    """Outcome of a sample without a reference."""
    return Unscored("not_applicable", f"There is nothing to judge by: {field} is missing or empty.")


def incorrect(reason: str) -> Score:
    """Score 0 with a reason."""
    return Score(0.0, reason)


def quoted(text: object) -> str:
    """Beginning of a text on one line, to quote in a reason."""
    line = " ".join(str(text).split())
    return line if len(line) <= MAX_QUOTE else f"{line[:MAX_QUOTE]}…"


def check_name(where: str, name: str) -> None:
    """Validate that an argument names a field.

    Raises:
        ValueError: The name is empty.
    """
    if not name:
        raise ValueError(f"{where} must name a field, was empty.")
