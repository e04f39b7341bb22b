"""Which texts look as if a machine had written them, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.components.scorers.language_model.machine_text import Binoculars, FastDetectGpt
from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import Lab, Models
from assay.core.sample import Sample
from assay.core.score import Outcome, Score
from assay.stats.confidence.detection import FOLDS, FlaggingThreshold, detection, flagging_threshold, minimum_items
from assay.store.images import StoredImages

Method: TypeAlias = Literal["fast-detectgpt", "binoculars"]
Detector: TypeAlias = FastDetectGpt | Binoculars
PART = 8
"""Texts that are read between two signs of life."""


@dataclass(frozen=True)
class Measured:
    """A detector beside texts of which is known who wrote them."""

    auroc: Effect
    """The chance that a machine's text looks more like one than a person's text."""
    line: FlaggingThreshold | None
    """None where there are too few texts of people for the share that was asked for."""
    people: int
    """Texts that were decided; `undecided` had too few words or another language."""
    machine: int
    undecided: int


def detector(method: Method, model: str, writer: str) -> Detector:
    """The scorer that a method is; `writer` is Fast-DetectGPT's sampling model or Binoculars' observer."""
    return FastDetectGpt(model, writer) if method == "fast-detectgpt" else Binoculars(model, writer)


def sign(of: Detector) -> int:
    """1 where more is more like a machine, -1 where less is."""
    return 1 if of.scale.better == "lower" else -1


def read(
    of: Detector, texts: Sequence[str], models: Models, heard: Callable[[int, int], None] = lambda done, total: None
) -> list[Outcome]:
    """What the detector says of each text, in order.

    Raises:
        ModelError: A model cannot be opened, or does not show what it expects.
    """
    lab = Lab(0, models, StoredImages([]))
    found: list[Outcome] = []
    for start in range(0, len(texts), PART):
        found += of.score([Sample({"text": text}) for text in texts[start : start + PART]], lab)
        heard(len(found), len(texts))
    return found


def line_of(of: Detector, people: Sequence[Outcome], share: float, machine: Sequence[float] = ()) -> FlaggingThreshold:
    """The line above which, on the detector's scale turned so that more is more like a machine, texts are flagged.

    Raises:
        UserError: There are too few decided texts of people for such a share.
    """
    scores = [sign(of) * one.value for one in people if isinstance(one, Score)]
    needed = enough(share)
    if len(scores) < needed:
        raise UserError(
            f"A line that at most {100 * share:g} % of people's texts lie above takes {needed} of them that can be "
            f"decided, had {len(scores)}.",
            hint="Give more texts, or allow more false alarms with --false-alarms.",
        )
    return flagging_threshold(scores, share, machine)


def enough(share: float) -> int:
    """Texts of people that it takes to draw a line and to see what it does to texts that it was drawn without."""
    return -(-minimum_items(share) * FOLDS // (FOLDS - 1)) + 1


def measure(of: Detector, people: Sequence[Outcome], machine: Sequence[Outcome], share: float) -> Measured:
    """How well the detector tells the two sides apart; the nth of both are on one subject.

    Pairs of which one is undecided are left out.

    Raises:
        UserError: No pair is decided.
    """
    pairs = [
        (sign(of) * one.value, sign(of) * other.value)
        for one, other in zip(people, machine, strict=True)
        if isinstance(one, Score) and isinstance(other, Score)
    ]
    undecided = sum(not isinstance(one, Score) for one in (*people, *machine))
    if not pairs:
        raise UserError("No pair of texts can be decided: they have too few words, or are in another language.")
    ours, theirs = [own for own, _ in pairs], [other for _, other in pairs]
    line = flagging_threshold(ours, share, theirs) if len(ours) >= enough(share) else None
    return Measured(detection(theirs, ours, paired=True).auroc, line, len(ours), len(theirs), undecided)
