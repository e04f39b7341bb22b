"""Generate synthetic data, filter it, train on the rest, and measure the effect on real held-out data.

`assay.run("fashion")` runs a shipped recipe. Importing this package imports no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.effect import Effect
from assay.core.errors import (
    AssayError,
    ContractError,
    FieldError,
    ModelError,
    RecipeError,
    SourceError,
    StoreError,
    UserError,
)
from assay.core.lab import Lab
from assay.core.recipe import Proof, Recipe
from assay.core.roles import Artifact, Decision, Evaluator, Filter, Generator, Scorer, ScoreTable, Source, Trainer
from assay.core.sample import Failure, Image, Sample
from assay.core.score import Fingerprint, Label, Outcome, Scale, Score, Unscored

if TYPE_CHECKING:
    from assay.report.api import load_recipe, run

__all__ = [
    "Artifact",
    "AssayError",
    "ContractError",
    "Decision",
    "Effect",
    "Evaluator",
    "Failure",
    "FieldError",
    "Filter",
    "Fingerprint",
    "Generator",
    "Image",
    "Lab",
    "Label",
    "ModelError",
    "Outcome",
    "Proof",
    "Recipe",
    "RecipeError",
    "Sample",
    "Scale",
    "Score",
    "ScoreTable",
    "Scorer",
    "Source",
    "SourceError",
    "StoreError",
    "Trainer",
    "Unscored",
    "UserError",
    "load_recipe",
    "run",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `run` and `load_recipe` at their first use."""
    if name in ("run", "load_recipe"):
        from assay.report import api

        return getattr(api, name)
    raise AttributeError(f"module 'assay' has no attribute {name!r}")
