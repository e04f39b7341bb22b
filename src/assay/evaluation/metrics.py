"""Metrics of an answer: accuracy, or similarity to reference texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from assay.components.scorers.reference.metrics import Bleu, ChrF, EmbeddingCosine, Rouge
from assay.core.errors import UserError, did_you_mean
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Unscored
from assay.text.similarity.bleu_chrf import BleuTokenizer

EMBEDDER = "embedded:minilm"
Grader = Literal["assay", "text", "harness"]
"""What grades: assay's answer matching, a text scorer, or lm-evaluation-harness."""


@dataclass(frozen=True)
class EvalMetric:
    """A metric: one number per answer, averaged per cell."""

    name: str
    description: str = ""
    """One sentence; empty if the name is enough."""
    better: Literal["higher", "lower"] = "higher"
    low: float | None = None
    """Lower bound of the mean; None if unknown."""
    high: float | None = None
    grader: Grader = "assay"


ACCURACY = EvalMetric("accuracy", low=0.0, high=1.0)
MASS = EvalMetric(
    "mass", "normalized probability mass of the correct choices (TruthfulQA MC2), 0 to 1.", low=0.0, high=1.0
)
BUILDERS: Mapping[str, tuple[str, Callable[[str, tuple[str, ...]], Scorer]]] = {
    "rouge-1": ("ROUGE-1 F1 (unigrams), 0 to 1.", lambda _, fields: Rouge("rouge1", references=fields)),
    "rouge-2": ("ROUGE-2 F1 (bigrams), 0 to 1.", lambda _, fields: Rouge("rouge2", references=fields)),
    "rouge-l": (
        "ROUGE-L F1 (longest common subsequence), 0 to 1.",
        lambda _, fields: Rouge("rougeL", references=fields),
    ),
    "rouge-lsum": (
        "ROUGE-Lsum F1 (longest common subsequence per line), 0 to 1.",
        lambda _, fields: Rouge("rougeLsum", references=fields),
    ),
    "chrf": ("sentence-level chrF2, 0 to 100.", lambda _, fields: ChrF(references=fields)),
    "chrf++": ("sentence-level chrF2++, 0 to 100.", lambda _, fields: ChrF(2, references=fields)),
    "bleu": (
        "sentence-level BLEU, 0 to 100; the mean differs from corpus BLEU.",
        lambda tokenizer, fields: Bleu(tokenizer or "13a", references=fields),  # type: ignore[arg-type]
    ),
    "cosine": (
        "cosine similarity of sentence embeddings, -1 to 1.",
        lambda model, fields: EmbeddingCosine(model or EMBEDDER, references=fields),
    ),
}
"""Text metrics by name: description, and a function of the part after the colon and the reference fields."""
WRITTEN = ("accuracy", *BUILDERS)


def text_metric(name: str) -> EvalMetric | None:
    """Parse the name of a text metric, such as "rouge-l", "bleu:zh" or "cosine:REF"; None for other names.

    Raises:
        UserError: The part after the colon is not valid.
    """
    kind, colon, value = name.partition(":")
    if kind not in BUILDERS:
        return None
    if colon and kind not in ("bleu", "cosine"):
        raise UserError(f"The metric {kind!r} takes no argument, got {value!r}.", name=kind, value=value)
    if colon and kind == "bleu" and value not in get_args(BleuTokenizer):
        hint = did_you_mean(value, get_args(BleuTokenizer))
        raise UserError(f"BLEU has no tokenizer {value!r}.", hint=hint, name=kind, value=value)
    if colon and not value:
        hint = f"'cosine' alone uses {EMBEDDER}."
        raise UserError(f"{name!r} needs a sentence encoder after the colon.", hint=hint, name=kind, value="")
    description, build = BUILDERS[kind]
    scale = build(value, ("answer",)).scale
    return EvalMetric(name, description, low=scale.low, high=scale.high, grader="text")


def reference_answers(item: Sample) -> list[str]:
    """All accepted reference answers of an item."""
    names = (f"answer{nth}" for nth in range(1, len(item.fields)))
    return [item.text("answer"), *(item.text(name) for name in names if name in item.fields)]


def check_metric(metric: EvalMetric, lab: Lab) -> None:
    """Load the models that the metric needs, before any model is asked.

    Raises:
        ModelError: There is no such sentence encoder.
    """
    if metric.grader == "text":
        _scorer(metric, 1).score([], lab)


def text_scores(metric: EvalMetric, items: Sequence[Sample], texts: Sequence[str], lab: Lab) -> list[Outcome]:
    """Score each text against the reference answers of its item.

    Returns:
        One outcome per text; an empty text is "unparsed", empty references are "not_applicable".
    """
    references = [reference_answers(item) for item in items]
    samples = [
        Sample({"text": text, **{f"reference{nth}": reference for nth, reference in enumerate(fields)}})
        for text, fields in zip(texts, references, strict=True)
    ]
    outcomes = _scorer(metric, max(map(len, references), default=1)).score(samples, lab)
    empty = Unscored("unparsed", "the answer is empty")
    return [outcome if text.strip() else empty for text, outcome in zip(texts, outcomes, strict=True)]


def _scorer(metric: EvalMetric, references: int) -> Scorer:
    kind, _, value = metric.name.partition(":")
    return BUILDERS[kind][1](value, tuple(f"reference{nth}" for nth in range(references)))
