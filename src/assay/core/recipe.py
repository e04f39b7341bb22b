"""The recipe: what to generate, how to score it, what to keep, what to train, and how to prove that it helped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.core.errors import RecipeError, did_you_mean
from assay.core.roles import Evaluator, Filter, Scorer, SelfSeeding, Source, Trainer

ARMS: Mapping[str, str] = {
    "real": "as many real samples as the filter kept: the ceiling",
    "unfiltered": "everything that was generated",
    "filtered": "what passed every filter",
    "random-drop": "as many generated samples as the filter kept, picked blindly: what dropping alone does",
    "shuffled-labels": "what passed, with the labels dealt out again: the floor",
}
"""Arm to what it trains on. Every arm takes the same number of optimiser steps."""


@dataclass(frozen=True)
class Proof:
    """Which arms are trained, and what they are measured on."""

    holdout: Source
    """Real samples that nothing was trained on."""
    evaluate: Evaluator
    real: Source | None = None
    """Real samples to train the arm `real` on."""
    arms: tuple[str, ...] = ("unfiltered", "filtered", "random-drop")
    seeds: int = 1
    """Trainings per arm; the nth uses the same randomness in every arm."""

    def __post_init__(self) -> None:
        for arm in self.arms:
            if arm not in ARMS:
                raise RecipeError(f"There is no arm {arm!r}.", hint=did_you_mean(arm, ARMS))
        if len(set(self.arms)) != len(self.arms) or not self.arms:
            raise RecipeError(f"prove.arms must name at least one arm and each once, was {list(self.arms)}.")
        if "real" in self.arms and self.real is None:
            raise RecipeError("The arm 'real' needs real samples to train on.", hint="Give prove.real a source.")
        if self.seeds < 1:
            raise RecipeError(f"prove.seeds must be at least 1, was {self.seeds}.")


@dataclass(frozen=True)
class Recipe:
    """One run, whole. YAML is its projection; `pipeline.recipe_file` translates."""

    name: str
    generate: SelfSeeding
    question: str = "Did the generated data help?"
    seed: int = 0
    score: Mapping[str, Scorer] = field(default_factory=dict)
    """Column name to scorer."""
    keep: tuple[Filter, ...] = ()
    """In order; each sees what the ones before it kept."""
    train: Trainer | None = None
    prove: Proof | None = None

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise RecipeError(f"name must be letters, digits, '-' and '_', was {self.name!r}: it names the run folder.")
        if self.prove is not None and self.train is None:
            raise RecipeError("A recipe that proves must also train.", hint="Add a 'train:' section.")
        columns = {column for column in (getattr(rule, "column", None) for rule in self.keep) if column}
        for column in sorted(columns):
            if column not in self.score:
                raise RecipeError(f"A filter reads the column {column!r}.", hint=did_you_mean(column, self.score))
