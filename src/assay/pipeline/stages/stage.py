"""A stage of a run: its identity, what it needs, what its key is made of, and what it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.roles import ListsInputs, Scorer, SelfSeeding, Source
from assay.pipeline.recipe.references import referenced_models
from assay.pipeline.recipe.spec import describe

if TYPE_CHECKING:
    from assay.pipeline.stages.context import RunContext


class StageKind(StrEnum):
    """What a stage does. The value begins the name of its folder."""

    REAL = "real"
    HOLDOUT = "holdout"
    CALIBRATE = "calibrate"
    OOD = "ood"
    TEACH_DATA = "taught"
    """Reads the training data of one of the recipe's own models."""
    AUXILIARY_DATA = "asked"
    """Reads the held-out samples of an auxiliary evaluation."""
    MODEL = "model"
    """Trains one of the recipe's own models."""
    GENERATE = "generate"
    SCORE = "score"
    KEEP = "keep"
    EMBED = "embed"
    LEAKAGE = "leakage"
    TRAIN = "train"
    EVALUATE = "prove"
    MEASURE = "measure"
    DUEL = "duel"
    AUXILIARY = "also"
    REFERENCE = "reference"
    AGREEMENT = "agree"
    OOD_SCORES = "ood_scores"


@dataclass(frozen=True)
class StageId:
    """Identity of a stage in a run; as text, its name in folders, receipts and reports."""

    kind: StageKind
    name: str = ""
    """Score column, arm, model or measure, where a recipe may have several stages of the kind."""
    nth: int | None = None
    """Number of the training, or of the OOD source."""

    def __str__(self) -> str:
        return "-".join(str(part) for part in (self.kind, self.name, self.nth) if part not in ("", None))


GENERATE = StageId(StageKind.GENERATE)
KEEP = StageId(StageKind.KEEP)
REAL = StageId(StageKind.REAL)
HOLDOUT = StageId(StageKind.HOLDOUT)
CALIBRATE = StageId(StageKind.CALIBRATE)
LEAKAGE = StageId(StageKind.LEAKAGE)
EVALUATE = StageId(StageKind.EVALUATE)


def score_id(column: str) -> StageId:
    """The stage that fills a score column."""
    return StageId(StageKind.SCORE, column)


def embed_id(source: StageId) -> StageId:
    """The stage that computes fingerprints of the samples of a source."""
    return StageId(StageKind.EMBED, str(source))


def train_id(arm: str, nth: int = 0) -> StageId:
    """The nth training of an arm."""
    return StageId(StageKind.TRAIN, arm, nth)


def model_id(name: str) -> StageId:
    """The training of one of the recipe's own models."""
    return StageId(StageKind.MODEL, name)


def models_for(component: object) -> tuple[StageId, ...]:
    """The trainings of the recipe's own models that a component references."""
    return tuple(map(model_id, referenced_models(component)))


@dataclass(frozen=True)
class Stage(ABC):
    """One stage of a recipe; each subclass is one kind of work."""

    id: StageId
    needs: tuple[StageId, ...]
    """Stages whose output it reads, in the order of their digests in its key."""
    seed: int

    @property
    def name(self) -> str:
        """Name in folders, receipts and reports."""
        return str(self.id)

    @property
    @abstractmethod
    def spec(self) -> Mapping[str, Any]:
        """Configuration that its output depends on: part of its key."""

    @property
    @abstractmethod
    def version(self) -> int:
        """Version of the component that does the work: part of its key."""

    @property
    def components(self) -> tuple[object, ...]:
        """Components that preflight checks before the run starts."""
        return ()

    @abstractmethod
    def run(self, context: RunContext, folder: Path) -> dict[str, int]:
        """Write the output of the stage into `folder`.

        Returns:
            Counts for the receipt.
        """

    def finish(self, context: RunContext, folder: Path) -> None:  # noqa: B027  (most stages have nothing to do here)
        """Act on a completed stage, whether this run or an earlier one completed it."""


def spec_of(component: Source | Scorer | SelfSeeding) -> dict[str, Any]:
    """Spec of a component, with the listing of the files it reads where it offers one.

    Args:
        component: A component whose `listing()`, if any, describes the current content of the path it reads.
    """
    return describe(component) | ({"listing": component.listing()} if isinstance(component, ListsInputs) else {})
