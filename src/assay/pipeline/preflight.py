"""Preflight: checks the models and settings of every component before a run starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.recipe import Recipe
from assay.core.roles import ChecksPreconditions, Generator, Scorer, Trainer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.pipeline.recipe.trained import bound, named, stand_ins
from assay.pipeline.stages.stage import Stage
from assay.store.images import StoredImages

RANDOM = "random"
"""Value of a trainer's `start` without a checkpoint."""


@dataclass(frozen=True)
class Check:
    """Checks one component in the process that will use it, which keeps the models that it opens.

    A generator or scorer is called with no samples, which opens its model. Any component may offer `check(seeds, lab)`,
    which raises a UserError for a problem it can foresee, such as labels that its model does not know; `seeds` are
    those of the recipe's generator.
    """

    models: Models
    seed: int
    seeds: tuple[Sample, ...]

    def __call__(self, component: Any, /) -> None:
        lab = Lab(self.seed, self.models, StoredImages([]))
        if isinstance(component, Generator):
            component.generate([], lab)
        elif isinstance(component, Scorer):
            component.score([], lab)
        # A trainer cannot be called without samples, so only its start is located.
        start = getattr(component, "start", RANDOM)
        if isinstance(component, Trainer) and start != RANDOM:
            locate(start)
        if isinstance(component, ChecksPreconditions):
            component.check(self.seeds, lab)


def to_check(recipe: Recipe, todo: Sequence[Stage], models: Models) -> list[Any]:
    """The components of the stages in `todo`, each once.

    One of the recipe's own models is replaced by the model that it is trained from. A component is skipped where there
    is no such replacement, for example for a reward model.
    """
    replacements = stand_ins(recipe, Lab(recipe.seed, models, StoredImages([])))
    found: list[Any] = []
    for component in (component for stage in todo for component in stage.components):
        if set(named(component)) <= set(replacements) and component not in found:
            found.append(component)
    return [bound(component, replacements) for component in found]
