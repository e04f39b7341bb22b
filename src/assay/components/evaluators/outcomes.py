"""Outcomes that several evaluators share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.core.completions import NotCompleted
from assay.core.model_kinds import Matrix
from assay.core.score import Outcome, Score, Unscored


def label_outcome(label: str, labels: Sequence[str], logits: Matrix) -> Outcome:
    """1 if the most probable of the `labels` is `label`, else 0; unscored if `label` is not among them.

    Args:
        label: The true label.
        labels: The labels of the model, in the order of `logits`.
        logits: (labels,).
    """
    if label not in labels:
        return Unscored("not_applicable", f"The model was not trained on {label!r}.")
    exact = logits.astype(np.float64)
    probabilities = np.exp(exact - exact.max())
    probabilities /= probabilities.sum()
    best = int(probabilities.argmax())
    evidence = {"confidence": float(probabilities[best]), "intended": float(probabilities[labels.index(label)])}
    return Score(float(labels[best] == label), f"it says {labels[best]!r}", evidence, labels[best])


def not_completed(answer: NotCompleted) -> Unscored:
    """The outcome of a request that the model did not complete: not applicable if the context was too short."""
    return Unscored("not_applicable" if answer.lack == "context" else "failed", f"{answer.lack}: {answer.reason}")
