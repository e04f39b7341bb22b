"""Entailment between two texts by an NLI model, a language model or sentence embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import Continuations, Likelihood, Message, NotCompleted
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.model_kinds import PairClassifier
from assay.core.score import Unscored

By: TypeAlias = Literal["nli", "model", "embedding"]
BYS = get_args(By)
Pair: TypeAlias = tuple[str, str]
_ASKED = (
    "Context: {premise}\n\nSentence: {hypothesis}\n\nIs the sentence supported by the context above? Answer Yes or No."
)
"""Prompt of SelfCheckGPT (Manakul, Liusie and Gales 2023, section 5.5)."""


@dataclass(frozen=True)
class Entailment:
    """Entailment of a hypothesis by a premise."""

    entailed: float
    """Probability of entailment, 0 to 1; for embeddings the cosine, clipped at 0."""
    agrees: float
    """1 minus the probability of contradiction, normalized over entailment and contradiction; else as `entailed`."""


def read_pairs(pairs: Sequence[Pair], by: By, judge: str, lab: Lab) -> Mapping[Pair, Entailment | Unscored]:
    """Return the entailment of each distinct (premise, hypothesis).

    * nli: `judge` is a text classifier whose labels name entailment and contradiction; `agrees` ignores the
      neutral label (Manakul, Liusie and Gales 2023, section 5.4).
    * model: `judge` is a language model; the probabilities of Yes and No are compared.
    * embedding: `judge` is a sentence encoder. Cosine similarity is not entailment: "it rains" and
      "it does not" are near.

    Raises:
        ModelError: The model is of another kind, or cannot answer any further request.
    """
    asked = list(dict.fromkeys(pairs))
    found = {"nli": _by_nli, "model": _by_model, "embedding": _by_embedding}[by](asked, judge, lab) if asked else []
    return dict(zip(asked, found, strict=True))


def _by_nli(pairs: Sequence[Pair], judge: str, lab: Lab) -> list[Entailment | Unscored]:
    model = lab.models.text_classifier(judge)
    if not isinstance(model, PairClassifier):
        raise ModelError(f"Model {judge!r} classifies single texts, not pairs of premise and hypothesis.", model=judge)
    names = [label.casefold() for label in model.labels]
    places = [next((nth for nth, name in enumerate(names) if part in name), None) for part in ("entail", "contra")]
    entail, contra = places
    if entail is None or contra is None:
        raise ModelError(
            f"Model {judge!r} is not an NLI model: no label names entailment and contradiction.",
            hint=f"Its labels are {', '.join(model.labels)}.",
            model=judge,
            labels=tuple(model.labels),
        )
    logits = model.pair_logits(pairs).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return [
        Entailment(
            float(row[entail]), float(row[entail] / (row[entail] + row[contra])) if row[entail] + row[contra] else 0.5
        )
        for row in shares
    ]


def _by_model(pairs: Sequence[Pair], judge: str, lab: Lab) -> list[Entailment | Unscored]:
    asked = [
        Continuations((Message("user", _ASKED.format(premise=one, hypothesis=other)),), ("Yes", "No"))
        for one, other in pairs
    ]
    return [_yes(judge, one) for one in lab.models.likelihood_model(judge).likelihoods(asked)]


def _yes(judge: str, found: tuple[Likelihood, ...] | NotCompleted) -> Entailment | Unscored:
    if isinstance(found, NotCompleted):
        return unanswered(judge, found)
    yes, no = (one.log_prob for one in found)
    share = float(1 / (1 + np.exp(min(700.0, no - yes))))
    return Entailment(share, share)


def _by_embedding(pairs: Sequence[Pair], judge: str, lab: Lab) -> list[Entailment | Unscored]:
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    rows = dict(zip(texts, lab.models.embedder(judge).embed(texts), strict=True))
    cosines = [min(1.0, max(0.0, float(rows[one].astype(np.float64) @ rows[other]))) for one, other in pairs]
    return [Entailment(cosine, cosine) for cosine in cosines]
