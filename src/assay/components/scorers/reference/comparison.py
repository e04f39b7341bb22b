"""What the scorers share that compare a sample's text with its references."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.completions import HOPELESS, NotCompleted, fatal_error
from assay.core.sample import Sample
from assay.core.score import Outcome, Unscored


def compared(
    samples: Sequence[Sample],
    text: str,
    references: Sequence[str],
    judge: Callable[[str, list[str]], Outcome],
) -> list[Outcome]:
    """`judge(text, references)` of each sample that has a reference in one of those fields, and that there is none.

    A field that is missing, or holds nothing but space, is no reference; there is no score of 0 for that.

    Raises:
        FieldError: A sample has no text field `text`, or a reference is an image: a mistake in the recipe.
    """
    return [_one(sample.text(text), references_of(sample, references), references, judge) for sample in samples]


def references_of(sample: Sample, names: Sequence[str]) -> list[str]:
    """The texts that a sample is compared with; of some samples there may be fewer than of others."""
    held = [sample.text(name) for name in names if name in sample.fields]
    return [reference for reference in held if reference.strip()]


def without_reference(names: Sequence[str]) -> Unscored:
    """What is said of a sample that has none."""
    return Unscored("not_applicable", f"There is no reference: {', '.join(names)} is missing or empty.")


def unanswered(model: str, lack: NotCompleted) -> Unscored:
    """What is said of a sample that a model was asked about in vain.

    Raises:
        ModelError: It stands in the way of every further answer too.
    """
    if lack.lack in HOPELESS:
        raise fatal_error(model, lack.lack, lack.reason)
    return Unscored("failed", f"{lack.lack}: {lack.reason}")


def check_names(kind: str, references: Sequence[str]) -> None:
    """Refuses a component whose `references` name no field.

    Raises:
        ValueError: There is no name, or one twice.
    """
    if not references or len(set(references)) < len(references):
        raise ValueError(f"{kind}.references must be one or more different fields, was {references!r}.")


def check_one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Refuses an argument of a component that is none of those it may be.

    Raises:
        ValueError: It is none.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, was {value!r}.")


def _one(text: str, references: list[str], names: Sequence[str], judge: Callable[[str, list[str]], Outcome]) -> Outcome:
    return judge(text, references) if references else without_reference(names)
