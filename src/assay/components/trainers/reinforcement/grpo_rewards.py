"""Scorers as rewards: what one says of an answer becomes a number to be made large, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assay.components.trainers.training_run import randomness_kept
from assay.core.errors import ContractError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Scorer, compares_samples
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.core.scored import scored


@dataclass(frozen=True)
class Looked:
    """What one scorer says of some answers."""

    values: tuple[float | None, ...]
    """One an answer; None where the scorer failed: such an answer takes no part."""
    unread: int
    """Answers that the scorer could not read, or that it has nothing to say of: they got the lowest there is."""
    failed: int
    causes: tuple[str, ...]
    """Why, in the scorer's words, each once."""


def look(name: str, scorer: Scorer, answers: Sequence[Sample], lab: Lab) -> Looked:
    """Rewards of answers; a scale on which lower is better is turned round.

    An answer in which the scorer finds nothing to read is the worst there is, as far as the scale has an end there: an
    answer in no form at all must not be better than a wrong one. Where a scorer raises, each answer is asked about
    alone, so that a bad one costs itself.

    Raises:
        RecipeError: What the scorer says is no number.
        UserError: Whatever of this kind the scorer raises.
    """
    with randomness_kept():
        outcomes = _outcomes(scorer, answers, lab)
    worst = worst_of(scorer.scale)
    values, unread, causes = list[float | None](), 0, dict[str, None]()
    for outcome in outcomes:
        if isinstance(outcome, Score):
            values.append(-outcome.value if scorer.scale.better == "lower" else outcome.value)
        elif not isinstance(outcome, Unscored):
            raise RecipeError(f"{name} says {type(outcome).__name__.lower()}s of answers, which are no numbers.")
        elif outcome.cause == "failed" or worst is None:
            causes[outcome.reason] = None
            values.append(None)
        else:
            unread += 1
            values.append(worst)
    return Looked(tuple(values), unread, values.count(None), tuple(causes))


def worst_of(scale: Scale) -> float | None:
    """The end of a scale that nobody wants, once higher is better; None where it has none."""
    if scale.better == "lower":
        return None if scale.high is None else -scale.high
    return scale.low


def shown(scorer: Scorer, values: Sequence[float]) -> float:
    """The mean of what `look` found, turned back to the scorer's own scale."""
    mean = sum(values) / len(values)
    return -mean if scorer.scale.better == "lower" else mean


def check_scorer(name: str, scorer: Scorer) -> None:
    """Looks whether a scorer can say how good an answer is.

    Raises:
        RecipeError: Neither end of its scale is better, or what it says of an answer hangs on the others.
    """
    if scorer.scale.better == "neither":
        raise RecipeError(
            f"{name} is no reward: on its scale ({scorer.scale.unit}) neither higher nor lower is better."
        )
    if compares_samples(scorer):
        raise RecipeError(f"{name} is no reward: what it says of an answer hangs on the other answers.")


def _outcomes(scorer: Scorer, answers: Sequence[Sample], lab: Lab) -> list[Outcome]:
    found = scored(scorer, answers, lab)
    if len(found) != len(answers):
        raise ContractError(f"{type(scorer).__name__} was given {len(answers)} answers and said {len(found)} things.")
    return found


@dataclass(frozen=True)
class Panel:
    """Who looks at the answers of a step, and at which tasks."""

    rewards: Mapping[str, Scorer]
    watch: Mapping[str, Scorer]
    tasks: Sequence[Sample]
    lab: Lab
    causes: dict[str, None] = field(default_factory=dict)
    """Why scorers failed, so far."""

    def look(self, kind: str, name: str, places: Sequence[int], texts: Sequence[str]) -> Looked:
        """What the scorer `name` among "rewards" or "watch" says of answers to the tasks at these places."""
        scorer = (self.rewards if kind == "rewards" else self.watch)[name]
        answers = [answer_to(self.tasks[place], text) for place, text in zip(places, texts, strict=True)]
        found = look(f"GRPO.{kind}.{name}", scorer, answers, self.lab)
        self.causes.update(dict.fromkeys(f"{name}: {cause}" for cause in found.causes))
        return found


def answer_to(task: Sample, text: str) -> Sample:
    """A task with an answer: what scorers look at."""
    return Sample({**task.fields, "text": text.strip()}, parents=(task.id,), made_by="GRPO")
