"""Recipe of a run: generation, scoring, filtering, training and proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from assay.core.arms import ARMS, BASE, CURVE, NEED_REAL, OWN, ArmName, arm_name, is_base, is_curve
from assay.core.errors import RecipeError, did_you_mean
from assay.core.roles import Evaluator, Filter, ReturnsAnswers, Scorer, SelfSeeding, Source, StartsFromModel, Trainer


@dataclass(frozen=True)
class OwnModel:
    """Model that the recipe trains, such as a generator or a reward model; referenced as `trained:NAME`."""

    train: Trainer
    data: Source | None = None
    """Training data; the filtered samples if None."""


@dataclass(frozen=True)
class AuxiliaryEvaluation:
    """Additional evaluation of every model, such as truthfulness."""

    holdout: Source
    evaluate: Evaluator


@dataclass(frozen=True)
class Proof:
    """Arms to train and how to evaluate them."""

    holdout: Source
    """Held-out real samples."""
    evaluate: Evaluator
    real: Source | None = None
    """Real training samples, for the arms in `NEED_REAL`."""
    arms: tuple[str, ...] = ("unfiltered", "filtered", "random-subset")
    answer: tuple[str, ...] = ()
    """The two arms of the main comparison, such as [real+synthetic, real-few-shot]; if empty, filtered and
    random-subset, or the first two that are compared."""
    variants: Mapping[str, Trainer] = field(default_factory=dict)
    """Further trainers by name, for arms such as "filtered@bare"."""
    seeds: int = 1
    """Training seeds per arm; the nth seed is the same in every arm."""
    equal: Literal["steps", "samples"] = "steps"
    """What arms have in common: the optimizer steps, and with "samples" also the number of distinct samples (that of
    the filtered arm), except for `real-few-shot` and `real+synthetic`, which have a fixed number."""
    few: int = 10
    """Real samples per label in `real-few-shot` and `real+synthetic`."""
    calibrate: Source | None = None
    """Real samples for temperature scaling and the OOD threshold; not used for training or evaluation."""
    measures: Mapping[str, Scorer] = field(default_factory=dict)
    """Further scorers by name of every model's answers to the held-out samples. The scored sample has the fields of the
    held-out one, and the answer as `text`. Needs an evaluator that returns answers."""
    duel: Scorer | None = None
    """Pairwise comparison of the answers of two models: a sample has the fields of the held-out one, and `output_a`,
    `output_b`. Every arm is compared with `against`."""
    against: str = ""
    """Opponent in `duel`; if empty `base`, or without it the second arm of `answer`."""
    also: Mapping[str, AuxiliaryEvaluation] = field(default_factory=dict)
    """Auxiliary evaluations by name: other held-out samples with another evaluator."""
    models: tuple[str, ...] = ()
    """Names of the recipe's `models`, which may be arms; set by the recipe."""
    ood: tuple[Source, ...] = ()
    """OOD inputs."""
    ood_scores: Evaluator | None = None
    """OOD scores of each input; needs `calibrate` and `ood`."""
    reference: str = ""
    """Reference classifier that is evaluated on the same held-out samples."""
    fingerprint: str = ""
    """Score column with fingerprints for `nearest-real`, distribution distances and near duplicates of held-out
    samples."""
    similarity: float = 0.999
    """Minimum cosine of fingerprints of near duplicates between training and held-out samples."""
    curve: tuple[int, ...] = ()
    """Numbers of real samples per label to train on, for the exchange rate between real and generated samples."""
    curve_seeds: int = 1
    """Training seeds per size of the curve."""

    def __post_init__(self) -> None:
        for name in (*self.variants, *self.models):
            if name in ARMS or name == OWN or (name in self.variants and name in self.models):
                raise RecipeError(f"The name {name!r} is taken: no variant and no model of a recipe may have it.")
        for arm in map(self.arm, self.arms):
            if arm.variant and arm.kind != OWN and arm.variant not in self.variants:
                raise RecipeError(
                    f"The arm {arm.kind}@{arm.variant} names a trainer that prove.variants lacks.",
                    hint=did_you_mean(arm.variant, self.variants) if self.variants else "Give prove.variants one.",
                )
        if len(set(self.arms)) != len(self.arms) or not self.arms:
            raise RecipeError(f"prove.arms must name at least one arm and each once, was {list(self.arms)}.")
        self._check_answer()
        self._check_answers()
        self._check_real()
        self._check_values()
        if self.against and self.against not in self.arms:
            raise RecipeError(
                f"prove.against names the arm {self.against!r}.", hint=did_you_mean(self.against, self.arms)
            )

    def _check_answer(self) -> None:
        if not self.answer:
            return
        if len(self.answer) != 2 or len(set(self.answer)) != 2:
            raise RecipeError(f"prove.answer must name two different arms, was {list(self.answer)}.")
        for arm in self.answer:
            if arm not in self.arms:
                raise RecipeError(f"prove.answer names the arm {arm!r}.", hint=did_you_mean(arm, self.arms))

    def arm(self, name: str) -> ArmName:
        """Parse the name of an arm."""
        return arm_name(name, self.variants, self.models)

    def _check_answers(self) -> None:
        """`measures` and `duel` need an evaluator that returns answers."""
        users = [*(f"prove.measures.{name}" for name in self.measures), *(["prove.duel"] if self.duel else [])]
        if users and not (isinstance(self.evaluate, ReturnsAnswers) and self.evaluate.answers):
            raise RecipeError(
                f"{users[0]} needs answers of models, but {type(self.evaluate).__name__} returns none.",
                hint="AnswerLoss is an evaluator that returns answers.",
            )
        if self.duel is not None and len(self.arms) < 2:
            raise RecipeError(f"prove.duel needs at least two arms, was {list(self.arms)}.")

    def _check_values(self) -> None:
        for name in ("seeds", "few", "curve_seeds"):
            if getattr(self, name) < 1:
                raise RecipeError(f"prove.{name} must be at least 1, was {getattr(self, name)}.")
        if not -1 <= self.similarity <= 1:
            raise RecipeError(f"prove.similarity must be between -1 and 1, was {self.similarity}.")
        if self.equal not in ("steps", "samples"):
            raise RecipeError(f"prove.equal must be 'steps' or 'samples', was {self.equal!r}.")
        if self.ood_scores is not None and (self.calibrate is None or not self.ood):
            raise RecipeError(
                "prove.ood_scores needs out-of-distribution inputs, and real samples to set the threshold.",
                hint="Give prove.ood a list of sources and prove.calibrate a source.",
            )

    @property
    def trained(self) -> tuple[str, ...]:
        """All trained arms, including the points of the curve."""
        return (*self.arms, *(f"{CURVE}{size}" for size in self.curve))

    @property
    def cells(self) -> tuple[tuple[str, int], ...]:
        """(arm, index of the training seed) of all trainings, in order."""
        curve = [(f"{CURVE}{size}", nth) for size in self.curve for nth in range(self.curve_seeds)]
        times = {arm: 1 if is_base(arm) or self.arm(arm).kind == OWN else self.seeds for arm in self.arms}
        return (*((arm, nth) for arm in self.arms for nth in range(times[arm])), *curve)

    @property
    def opponent(self) -> str:
        """Arm that all others are compared with in `duel`."""
        if self.against:
            return self.against
        return BASE if BASE in self.arms else self.answer[1] if self.answer else self.arms[-1]

    @property
    def needs_real(self) -> bool:
        """Whether any arm trains on real samples."""
        return bool(self.curve) or any(self.arm(arm).kind in NEED_REAL for arm in self.arms)

    def _check_real(self) -> None:
        if len(set(self.curve)) < len(self.curve) or any(size < 1 for size in self.curve):
            raise RecipeError(f"prove.curve must be different numbers of 1 or more, was {list(self.curve)}.")
        if self.real is None and self.needs_real:
            needing = (arm for arm in self.trained if is_curve(arm) or self.arm(arm).kind in NEED_REAL)
            first = next(needing, "real")
            raise RecipeError(f"The arm {first!r} needs real samples to train on.", hint="Give prove.real a source.")
        if "nearest-real" in self.arms and not self.fingerprint:
            raise RecipeError(
                "The arm 'nearest-real' needs fingerprints.",
                hint="Name a score column of fingerprints in prove.fingerprint, such as one of ImageEmbedding.",
            )


@dataclass(frozen=True)
class Recipe:
    """Complete configuration of a run; `pipeline.recipe.codec` converts it from and to YAML."""

    name: str
    generate: SelfSeeding
    question: str = "Did the generated data help?"
    seed: int = 0
    score: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers by column name."""
    keep: tuple[Filter, ...] = ()
    """Filters in order; each sees the samples that the previous ones kept."""
    models: Mapping[str, OwnModel] = field(default_factory=dict)
    """Models that the recipe trains, by name; referenced as `trained:NAME`."""
    train: Trainer | None = None
    prove: Proof | None = None
    budget: float | None = None
    """Maximum cost of remote models in dollars, over all sessions of the run folder; None for no limit."""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise RecipeError(f"name must be letters, digits, '-' and '_', was {self.name!r}: it names the run folder.")
        if self.budget is not None and not 0 <= self.budget < float("inf"):
            raise RecipeError(f"budget must be 0 or more dollars, was {self.budget}.")
        if self.prove is not None and set(self.prove.models) != set(self.models):
            raise RecipeError(
                f"prove.models must be the names of the recipe's models, {', '.join(self.models) or 'none'}, was "
                f"{', '.join(self.prove.models) or 'none'}."
            )
        if self.prove is not None and self.train is None:
            raise RecipeError("A recipe that proves must also train.", hint="Add a 'train:' section.")
        self._check_bases()
        if self.prove is not None and self.prove.fingerprint and self.prove.fingerprint not in self.score:
            raise RecipeError(
                f"prove.fingerprint names the column {self.prove.fingerprint!r}.",
                hint=did_you_mean(self.prove.fingerprint, self.score),
            )
        columns = {column for column in (getattr(rule, "column", None) for rule in self.keep) if column}
        for column in sorted(columns):
            if column not in self.score:
                raise RecipeError(f"A filter reads the column {column!r}.", hint=did_you_mean(column, self.score))

    def trainer(self, arm: str) -> Trainer:
        """Trainer of an arm."""
        assert self.train is not None, "a recipe with arms has a trainer"
        assert self.prove is not None, "a recipe with arms has a proof"
        name = ArmName("real") if is_curve(arm) else self.prove.arm(arm)
        if name.kind == OWN:
            return self.models[name.variant].train
        return self.prove.variants[name.variant] if name.variant else self.train

    def _check_bases(self) -> None:
        for arm in self.prove.arms if self.prove is not None else ():
            if is_base(arm) and not isinstance(trainer := self.trainer(arm), StartsFromModel):
                raise RecipeError(
                    f"The arm {arm!r} needs a trainer that starts from a model that can answer; "
                    f"{type(trainer).__name__} does not.",
                    hint="Leave it out of prove.arms.",
                )
