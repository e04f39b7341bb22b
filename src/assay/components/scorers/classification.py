"""Labels and class probabilities of classifiers, for scorers of images and of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay.core.errors import ModelError, did_you_mean

MAX_LISTED = 20
"""Maximum number of labels in a hint."""


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the probabilities of exclusive classes, which lie along the last axis."""
    exact = logits.astype(np.float64)
    exponentials = np.exp(exact - exact.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def check_labels(field: str, labels: Sequence[str]) -> None:
    """Validate the labels in a field of a component.

    Raises:
        ValueError: There are none, or they are a single text.
    """
    if isinstance(labels, str) or not labels:
        raise ValueError(f"{field} must be one or more labels, was {labels!r}.")


def label_indices(field: str, labels: Sequence[str], model: str, known: Sequence[str]) -> list[int]:
    """Return the indices of the labels in a field of a component among the `known` labels of a classifier.

    Raises:
        ModelError: The classifier lacks one.
    """
    for label in labels:
        if label not in known:
            raise ModelError(
                f"Model {model!r} has no label {label!r} for {field}.",
                hint=label_hint(label, known),
                name=field,
                model=model,
                label=label,
            )
    return [known.index(label) for label in labels]


def label_hint(label: str, known: Sequence[str]) -> str:
    """Return a hint for a label that a classifier lacks: the nearest one and all, or their number if there are many."""
    return did_you_mean(label, known) if len(known) <= MAX_LISTED else f"It has {len(known)} labels."
