"""Entailment between two texts by an NLI model, a language model or sentence embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from assay.components.scorers.classification import softmax
from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import Continuations, Likelihood, Message, NotCompleted
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.model_kinds import PairClassifier
from assay.core.score import Unscored

By: TypeAlias = Literal["nli", "model", "embedding"]
BYS = get_args(By)
Pair: TypeAlias = tuple[str, str]
_PROMPT = (
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


def pair_entailments(pairs: Sequence[Pair], by: By, judge: str, lab: Lab) -> Mapping[Pair, Entailment | Unscored]:
    """Return the entailment of each distinct (premise, hypothesis).

    * nli: `judge` is a text classifier whose labels name entailment and contradiction; `agrees` ignores the
      neutral label (Manakul, Liusie and Gales 2023, section 5.4).
    * model: `judge` is a language model; the probabilities of Yes and No are compared.
    * embedding: `judge` is a sentence encoder. Cosine similarity is not entailment: "it rains" and
      "it does not" are near.

    Raises:
        ModelError: The model is of another kind, or cannot answer any further request.
    """
    distinct = list(dict.fromkeys(pairs))
    entail = {"nli": _by_nli, "model": _by_model, "embedding": _by_embedding}[by]
    return dict(zip(distinct, entail(distinct, judge, lab) if distinct else [], strict=True))


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
    return [
        Entailment(
            float(row[entail]), float(row[entail] / (row[entail] + row[contra])) if row[entail] + row[contra] else 0.5
        )
        for row in softmax(model.pair_logits(pairs))
    ]


def _by_model(pairs: Sequence[Pair], judge: str, lab: Lab) -> list[Entailment | Unscored]:
    questions = [
        Continuations((Message("user", _PROMPT.format(premise=premise, hypothesis=hypothesis)),), ("Yes", "No"))
        for premise, hypothesis in pairs
    ]
    return [_yes(judge, likelihoods) for likelihoods in lab.models.likelihood_model(judge).likelihoods(questions)]


def _yes(judge: str, likelihoods: tuple[Likelihood, ...] | NotCompleted) -> Entailment | Unscored:
    if isinstance(likelihoods, NotCompleted):
        return unanswered(judge, likelihoods)
    yes, no = (likelihood.log_prob for likelihood in likelihoods)
    probability = float(1 / (1 + np.exp(min(700.0, no - yes))))
    return Entailment(probability, probability)


def _by_embedding(pairs: Sequence[Pair], judge: str, lab: Lab) -> list[Entailment | Unscored]:
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    rows = dict(zip(texts, lab.models.embedder(judge).embed(texts), strict=True))
    cosines = [
        min(1.0, max(0.0, float(rows[premise].astype(np.float64) @ rows[hypothesis]))) for premise, hypothesis in pairs
    ]
    return [Entailment(cosine, cosine) for cosine in cosines]
