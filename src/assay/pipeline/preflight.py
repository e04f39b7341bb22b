"""Before anything is made: does every component get what it needs? What is certain to go wrong is said at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.lab import Lab, Models
from assay.core.recipe import Recipe
from assay.core.roles import ChecksPreconditions, Generator, Scorer, Trainer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.pipeline.plan import BESIDE, MODEL, sources_of, taught_of
from assay.pipeline.recipe.trained import bound, named, stand_ins
from assay.store.images import StoredImages

RANDOM = "random"
"""What a trainer's `start` says where there is no checkpoint."""


@dataclass(frozen=True)
class Check:
    """Lets one component look at what it will need, in the process that will do the work, which keeps what it opened.

    A generator and a scorer are asked for nothing: a component answers no samples with no outcomes, and opens its
    model on the way. Any component may offer `check(seeds, lab)`, which raises a UserError for what it sees coming,
    such as labels that its model does not know; `seeds` are those of the recipe's generator.
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
        # A trainer of nothing is refused, so its start is only looked at.
        start = getattr(component, "start", RANDOM)
        if isinstance(component, Trainer) and start != RANDOM:
            locate(start)
        if isinstance(component, ChecksPreconditions):
            component.check(self.seeds, lab)


def components(recipe: Recipe) -> Mapping[str, Any]:
    """The component of each kind of stage that may need a model, by the beginning of the stage's name."""
    found: dict[str, Any] = {"generate": recipe.generate}
    found |= {f"score-{column}": scorer for column, scorer in recipe.score.items()}
    found |= taught_of(recipe) | {f"{MODEL}{name}": own.train for name, own in recipe.models.items()}
    if recipe.prove is not None:
        if recipe.prove.fingerprint:
            found |= {"embed": recipe.score[recipe.prove.fingerprint]}
        found |= sources_of(recipe.prove)
        found |= {f"measure-{name}": scorer for name, scorer in recipe.prove.measures.items()}
        found |= {"duel": recipe.prove.duel}
        found |= {f"train-{arm}": recipe.trainer(arm) for arm in recipe.prove.arms if recipe.prove.arm(arm).variant}
        found |= {f"{BESIDE}{name}": beside.evaluate for name, beside in recipe.prove.also.items()}
        found |= {"train": recipe.train, "prove": recipe.prove.evaluate, "ood_scores": recipe.prove.ood_scores}
    return {name: component for name, component in found.items() if component is not None}


def waiting(recipe: Recipe, todo: Sequence[str], models: Models) -> list[Any]:
    """The components of the stages named in `todo`, each once.

    One that names models of the recipe's own looks at what these are made of; where it names one of another kind, which
    nothing can stand in for, it is not asked.
    """
    there = stand_ins(recipe, Lab(recipe.seed, models, StoredImages([])))
    return [
        bound(component, there)
        for name, component in components(recipe).items()
        if set(named(component)) <= set(there) and any(stage == name or stage.startswith(f"{name}-") for stage in todo)
    ]
