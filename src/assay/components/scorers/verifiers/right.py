"""What the verifiers share: right is 1, wrong is 0, and a sample that cannot be judged is Unscored.

An answer in the wrong form is wrong, not unreadable: a checkable reward that had no value for it would not teach the
form. What is wrong with a sample itself, such as a reference that is not there, is "not_applicable", which is the same
at every run; "failed" is for a checker that broke, and is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.sample import Sample
from assay.core.score import SHARE, Outcome, Scale, Score, Unscored

SCALE = Scale(unit=SHARE, low=0.0, high=1.0)
SHOWN = 80
"""Characters of somebody else's text in a reason."""


def judged(
    samples: Sequence[Sample], answer: str, given: str, judge: Callable[[str, str], Outcome]
) -> Sequence[Outcome]:
    """`judge(answer, given)` of each sample whose field `given` is not blank, and that there is none.

    Raises:
        FieldError: A sample has no text field `answer`, or `given` is an image: a mistake in the recipe.
    """
    found: list[Outcome] = []
    for sample in samples:
        own = sample.text(answer)
        held = sample.text(given) if given in sample.fields else ""
        found.append(judge(own, held) if held.strip() else missing(given))
    return found


def missing(given: str) -> Unscored:
    """What is said of a sample that has nothing to be judged by."""
    return Unscored("not_applicable", f"There is nothing to judge by: {given} is missing or empty.")


def wrong(reason: str) -> Score:
    """0, and why."""
    return Score(0.0, reason)


def shown(text: object) -> str:
    """The beginning of a text on one line, to quote in a reason."""
    said = " ".join(str(text).split())
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"


def check_name(where: str, name: str) -> None:
    """Refuses a component whose argument names no field.

    Raises:
        ValueError: The name is empty.
    """
    if not name:
        raise ValueError(f"{where} must name a field, was empty.")
