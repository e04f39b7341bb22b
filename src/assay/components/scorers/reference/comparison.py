"""Comparison with references, and validation of fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.completions import FATAL, NotCompleted, fatal_error
from assay.core.sample import Sample
from assay.core.score import Outcome, Unscored


def compared(
    samples: Sequence[Sample],
    text: str,
    references: Sequence[str],
    judge: Callable[[str, list[str]], Outcome],
) -> list[Outcome]:
    """Return `judge(text, references)` of each sample; unscored if none of the fields has a reference.

    A missing or blank field is not a reference.

    Raises:
        FieldError: A sample has no text field `text`, or a reference is an image.
    """
    return [_outcome(sample.text(text), references_of(sample, references), references, judge) for sample in samples]


def references_of(sample: Sample, names: Sequence[str]) -> list[str]:
    """Return the references of a sample that are not blank."""
    references = [sample.text(name) for name in names if name in sample.fields]
    return [reference for reference in references if reference.strip()]


def without_reference(names: Sequence[str]) -> Unscored:
    """Outcome of a sample without a reference."""
    return Unscored("not_applicable", f"There is no reference: {', '.join(names)} is missing or empty.")


def unanswered(model: str, lack: NotCompleted) -> Unscored:
    """Outcome of a sample for which a model gave no answer.

    Raises:
        ModelError: No further request would succeed either.
    """
    if lack.lack in FATAL:
        raise fatal_error(model, lack.lack, lack.reason)
    return Unscored("failed", f"{lack.lack}: {lack.reason}")


def check_names(kind: str, references: Sequence[str]) -> None:
    """Validate that `references` names unique fields.

    Raises:
        ValueError: It does not.
    """
    if not references or len(set(references)) < len(references):
        raise ValueError(f"{kind}.references must be one or more different fields, was {references!r}.")


def check_one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Validate that an argument is one of the known values.

    Raises:
        ValueError: It is not.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, was {value!r}.")


def _outcome(
    text: str, references: list[str], names: Sequence[str], judge: Callable[[str, list[str]], Outcome]
) -> Outcome:
    return judge(text, references) if references else without_reference(names)
