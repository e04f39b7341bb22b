"""What is counted of an answer: whether it is right, or how near it comes to a reference text."""

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
from assay.text.similarity.bleu_chrf import Cut

EMBEDDER = "embedded:minilm"
Owner = Literal["assay", "text", "harness"]
"""Who grades: assay by its own rules, a scorer of texts, or lm-evaluation-harness."""


@dataclass(frozen=True)
class Measure:
    """A number for each answer; a cell has the mean of them."""

    name: str
    told: str = ""
    """What the number is, as a sentence; empty where its name says it."""
    better: Literal["higher", "lower"] = "higher"
    low: float | None = None
    """The least that a mean can be; None where that is not known."""
    high: float | None = None
    owner: Owner = "assay"


RIGHT = Measure("right", low=0.0, high=1.0)
MASS = Measure("mass", "the share of probability that the right choices hold, not of questions.", low=0.0, high=1.0)
BUILDERS: Mapping[str, tuple[str, Callable[[str, tuple[str, ...]], Scorer]]] = {
    "rouge-1": ("ROUGE-1 F, of words, 0 to 1.", lambda _, own: Rouge("rouge1", references=own)),
    "rouge-2": ("ROUGE-2 F, of pairs of words, 0 to 1.", lambda _, own: Rouge("rouge2", references=own)),
    "rouge-l": ("ROUGE-L F, of words in order, 0 to 1.", lambda _, own: Rouge("rougeL", references=own)),
    "rouge-lsum": (
        "ROUGE-Lsum F, of words in order, line by line, 0 to 1.",
        lambda _, own: Rouge("rougeLsum", references=own),
    ),
    "chrf": ("chrF2 of each answer, 0 to 100.", lambda _, own: ChrF(references=own)),
    "chrf++": ("chrF2++ of each answer, 0 to 100.", lambda _, own: ChrF(2, references=own)),
    "bleu": (
        "BLEU of each answer, 0 to 100; the mean is not the BLEU of a corpus.",
        lambda cut, own: Bleu(cut or "13a", references=own),  # type: ignore[arg-type]
    ),
    "cosine": (
        "the cosine of the sentence embeddings, -1 to 1.",
        lambda model, own: EmbeddingCosine(model or EMBEDDER, references=own),
    ),
}
"""Of texts beside references, by name: what the number is, and its scorer from what stands after a colon."""
WRITTEN = ("right", *BUILDERS)


def text_measure(name: str) -> Measure | None:
    """The measure of texts that is called so, such as "rouge-l", "bleu:zh" or "cosine:REF"; None where none is.

    Raises:
        UserError: It does not take what stands after the colon.
    """
    kind, colon, value = name.partition(":")
    if kind not in BUILDERS:
        return None
    if colon and kind not in ("bleu", "cosine"):
        raise UserError(f"The measure {kind!r} takes nothing after a colon, had {value!r}.")
    if colon and kind == "bleu" and value not in get_args(Cut):
        raise UserError(f"BLEU has no tokenizer {value!r}.", hint=did_you_mean(value, get_args(Cut)))
    if colon and not value:
        raise UserError(f"{name!r} needs a sentence encoder after the colon.", hint=f"cosine alone takes {EMBEDDER}.")
    told, build = BUILDERS[kind]
    scale = build(value, ("answer",)).scale
    return Measure(name, told, low=scale.low, high=scale.high, owner="text")


def wanted_of(item: Sample) -> list[str]:
    """The answers that are wanted, each as good as the first."""
    names = (f"answer{nth}" for nth in range(1, len(item.fields)))
    return [item.text("answer"), *(item.text(name) for name in names if name in item.fields)]


def check_measure(measure: Measure, lab: Lab) -> None:
    """Opens what the measure needs, before anybody is asked.

    Raises:
        ModelError: There is no such sentence encoder.
    """
    if measure.owner == "text":
        _scorer(measure, 1).score([], lab)


def measured(measure: Measure, items: Sequence[Sample], texts: Sequence[str], lab: Lab) -> list[Outcome]:
    """How near each text comes to what is wanted of its item; several references count as the scorer says.

    An empty text is "unparsed"; references that hold nothing to compare make the item "not_applicable".
    """
    wanted = [wanted_of(item) for item in items]
    samples = [
        Sample({"text": text, **{f"reference{nth}": one for nth, one in enumerate(own)}})
        for text, own in zip(texts, wanted, strict=True)
    ]
    found = _scorer(measure, max(map(len, wanted), default=1)).score(samples, lab)
    empty = Unscored("unparsed", "nothing was written")
    return [outcome if text.strip() else empty for text, outcome in zip(texts, found, strict=True)]


def _scorer(measure: Measure, references: int) -> Scorer:
    kind, _, value = measure.name.partition(":")
    return BUILDERS[kind][1](value, tuple(f"reference{nth}" for nth in range(references)))
