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
SHOWN = 80
"""Characters of a quoted text in a reason."""


def judged(
    samples: Sequence[Sample], answer: str, given: str, judge: Callable[[str, str], Outcome]
) -> Sequence[Outcome]:
    """Return `judge(answer, given)` of each sample; unscored if the field `given` is missing or blank.

    Raises:
        FieldError: A sample has no text field `answer`, or `given` is an image.
    """
    found: list[Outcome] = []
    for sample in samples:
        own = sample.text(answer)
        held = sample.text(given) if given in sample.fields else ""
        found.append(judge(own, held) if held.strip() else missing(given))
    return found


def missing(given: str) -> Unscored:
    """Outcome of a sample without anything to verify against."""
    return Unscored("not_applicable", f"There is nothing to judge by: {given} is missing or empty.")


def wrong(reason: str) -> Score:
    """Score 0 with a reason."""
    return Score(0.0, reason)


def shown(text: object) -> str:
    """Beginning of a text on one line, to quote in a reason."""
    said = " ".join(str(text).split())
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"


def check_name(where: str, name: str) -> None:
    """Validate that an argument names a field.

    Raises:
        ValueError: The name is empty.
    """
    if not name:
        raise ValueError(f"{where} must name a field, was empty.")
