"""Accuracy of every arm, and paired comparisons of arms on the same held-out items."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from assay.analysis.finished_run import FinishedRun, Results, Values, table
from assay.analysis.format import p_value
from assay.analysis.measures import ACCURACY, ProofMeasure
from assay.core.arms import BASE, OWN
from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import hash_seed
from assay.core.recipe import Recipe
from assay.core.score import FRACTION_CORRECT_UNIT, Scale, Unscored
from assay.pipeline.recipe.references import referenced_models
from assay.pipeline.stages.stage import train_id
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.compare import Verdict, compare, negated, verdict
from assay.stats.inference.intervals import wilson

CURVE_POINTS = 200
"""Approximate maximum number of points of a loss curve."""
COMPARISONS = (
    ("filtered", "random-subset"),
    ("filtered", "unfiltered"),
    ("filtered", "real"),
    ("filtered", "permuted-labels"),
    ("unfiltered", "real"),
    ("real+synthetic", "real-few-shot"),
    ("filtered", "real-few-shot"),
    ("filtered", "nearest-real"),
    ("filtered", "base"),
    ("unfiltered", "base"),
    ("human", "base"),
    ("filtered", "human"),
    ("human+synthetic", "human"),
)
"""Pairs of arms that are compared if the run has both; the pair of the recipe's question comes before them."""
READABLE = {
    "random-subset": "random subset",
    "permuted-labels": "permuted labels",
    "real+synthetic": "real + synthetic",
    "real-few-shot": "few-shot real",
    "nearest-real": "nearest to real",
    "human+synthetic": "human + synthetic",
    "base": "base model",
}


def readable(arm: str) -> str:
    """Return an arm's name for sentences: "random-subset@large" as "random subset (large)"."""
    kind, _, variant = arm.partition("@")
    name = READABLE.get(kind, kind)
    return f"{name} ({variant})" if variant else name


@dataclass(frozen=True)
class LossCurve:
    """Training loss of one seed."""

    seed: int
    points: tuple[tuple[int, float], ...]
    """(optimizer step, loss), steps rising. Only here may a number be infinite or NaN: training diverged."""


@dataclass(frozen=True)
class Arm:
    """One training set, and the models trained on it with one or more seeds."""

    name: str
    """For example real, unfiltered, filtered, random-subset or permuted-labels."""
    trained_on: str
    """Description of the training set, one sentence."""
    n_samples: int
    steps: int
    """Optimizer steps of each seed."""
    seeds: tuple[int, ...]
    result: Effect
    """The proof's measure, averaged over seeds; `n` counts held-out items, not items times seeds."""
    seed_results: tuple[float, ...] = ()
    """Result of each of `seeds`, in order."""
    per_class: Mapping[str, Effect] = field(default_factory=dict)
    history: tuple[LossCurve, ...] = ()
    seconds: float | None = None
    """Training time of all seeds."""
    by_name: bool = False
    """Whether the arm is named after its training method, such as "dpo", not its training set."""


@dataclass(frozen=True)
class ArmComparison:
    """Paired comparison of two arms on the same held-out items.

    The verdict follows from the interval and, if several pairs are compared, from the p-value adjusted for all of them.
    """

    ours: str
    theirs: str
    difference: Effect
    """Ours minus theirs, paired bootstrap; a fraction for proportions."""
    p: float | None = None
    """McNemar's exact test if each arm was trained once, else the bootstrap's p-value."""
    adjusted_p: float | None = None
    """Holm-adjusted for all comparisons of the run."""
    mcnemar_p: float | None = None
    """McNemar's exact test of the first seed of each arm."""
    ours_only: int | None = None
    """Items that only ours answers correctly, first seed of each arm."""
    theirs_only: int | None = None
    measure: ProofMeasure = ACCURACY

    @property
    def gain(self) -> Effect:
        """The difference, signed so that positive is better."""
        return self.difference if self.measure.better == "higher" else negated(self.difference)

    @property
    def verdict(self) -> Verdict:
        """Helped, hurt, or no significant difference."""
        return verdict(self.gain, self.adjusted_p)

    @property
    def significant_alone(self) -> bool:
        """Whether the interval excludes zero but the Holm-adjusted test does not reject."""
        low, high = self.difference.low, self.difference.high
        excludes_zero = low is not None and high is not None and (low > 0 or high < 0)
        return excludes_zero and self.adjusted_p is not None and self.verdict == "no significant difference"

    @property
    def sentence(self) -> str:
        """The comparison in one sentence that starts in lower case, with its interval."""
        ours, theirs, size = readable(self.ours), readable(self.theirs), self.measure.gap_with_interval(self.difference)
        if self.significant_alone:
            size += f"; p = {p_value(self.adjusted_p)} after Holm's correction"
        return {
            "helped": f"{ours} is better than {theirs}: {size}.",
            "hurt": f"{ours} is worse than {theirs}: {size}.",
            "no significant difference": f"no significant difference between {ours} and {theirs}: {size}.",
        }[self.verdict]


def measure_of(run: FinishedRun) -> ProofMeasure:
    """Return the measure of the proof."""
    if run.recipe.prove is None:
        return ACCURACY
    evaluator = run.recipe.prove.evaluate
    if evaluator.scale.unit == FRACTION_CORRECT_UNIT:
        return ACCURACY
    return measure_named(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(evaluator).__name__).lower(), evaluator.scale)


def measure_named(name: str, scale: Scale) -> ProofMeasure:
    """Return the measure of a scale under a name."""
    if scale.unit == FRACTION_CORRECT_UNIT:
        return replace(ACCURACY, name=name)
    return ProofMeasure(name, scale.unit, False, "lower" if scale.better == "lower" else "higher")


def values_of(results: Results, arms: Sequence[str], measure: ProofMeasure) -> dict[str, Values]:
    """Return an array (trainings, items) for each arm.

    An unscored item counts as incorrect for a proportion. For any other measure, an item without a score of every
    model is left out for all models.
    """
    if measure.proportion:
        return {arm: table(results, arm, 0.0) for arm in arms}
    values = {arm: table(results, arm) for arm in arms}
    complete = np.all([np.isfinite(rows).all(axis=0) for rows in values.values()], axis=0)
    return {arm: rows[:, complete] for arm, rows in values.items()}


def arms(run: FinishedRun) -> tuple[Arm, ...]:
    """Evaluate every arm: result, per-class accuracy, loss curves and cost."""
    proof = run.recipe.prove
    if proof is None:
        return ()
    measure = run.once(measure_of)
    values = run.once(_values)
    evaluated = []
    for name in proof.arms:
        stages = [run.stages[str(train_id(name, nth))] for arm, nth in proof.cells if arm == name]
        receipts = [stage.receipt for stage in stages if stage.receipt is not None]
        evaluated.append(
            Arm(
                name=name,
                trained_on=proof.arm(name).description,
                by_name=name in (*proof.variants, *proof.models),
                n_samples=receipts[0].counts["samples"],
                steps=receipts[0].counts["steps"],
                seeds=tuple(range(len(stages))),
                result=mean_of(values[name], measure, hash_seed(run.recipe.seed, "mean", name) % 2**32),
                seed_results=tuple(map(float, values[name].mean(axis=1))),
                per_class=_per_class(run, values[name], measure),
                history=tuple(_loss_curve(nth, stage.folder) for nth, stage in enumerate(stages)),
                seconds=sum(receipt.seconds for receipt in receipts),
            )
        )
    return tuple(evaluated)


def comparisons(run: FinishedRun) -> tuple[ArmComparison, ...]:
    """Compare pairs of arms on the same items, with Holm-adjusted p-values."""
    if run.recipe.prove is None:
        return ()
    return compare_arms(run, run.once(_values), run.once(measure_of))


def compare_arms(run: FinishedRun, values: Mapping[str, Values], measure: ProofMeasure) -> tuple[ArmComparison, ...]:
    """Compare the run's pairs of arms by any measure."""
    proof = run.recipe.prove
    assert proof is not None, "comparisons need a proof"
    first = [(proof.answer[0], proof.answer[1])] if proof.answer else []
    others = [pair for pair in (*COMPARISONS, *_variant_pairs(run.recipe)) if set(pair) <= set(proof.arms)]
    pairs = list(dict.fromkeys([*first, *others]))
    seeds = [hash_seed(run.recipe.seed, "bootstrap", *pair) % 2**32 for pair in pairs]
    results = compare([(values[ours], values[theirs]) for ours, theirs in pairs], seeds)
    return tuple(
        ArmComparison(
            ours,
            theirs,
            clip_difference(pair.effect) if measure.proportion else pair.effect,
            p=pair.p,
            adjusted_p=pair.adjusted_p,
            mcnemar_p=pair.mcnemar.p if pair.mcnemar else None,
            ours_only=pair.mcnemar.ours_only if pair.mcnemar else None,
            theirs_only=pair.mcnemar.theirs_only if pair.mcnemar else None,
            measure=measure,
        )
        for (ours, theirs), pair in zip(pairs, results, strict=True)
    )


def _variant_pairs(recipe: Recipe) -> list[tuple[str, str]]:
    """Pair each subset or variant of an arm with the whole arm and with the model it started from."""
    proof, pairs = recipe.prove, list[tuple[str, str]]()
    assert proof is not None, "arms need a proof"
    for arm in proof.arms:
        name = proof.arm(arm)
        starts = [
            (arm, start) for start in referenced_models(recipe.trainer(arm)) if name.kind == "filtered" and start != arm
        ]
        if name.kind == OWN:
            pairs += [(arm, BASE), *starts]
        elif name.size is not None or name.variant:
            base = BASE if not name.variant or arm in proof.variants else f"{BASE}@{name.variant}"
            parent = name.kind if name.size is None else f"{name.kind}{'@' + name.variant if name.variant else ''}"
            pairs += [*starts, (arm, parent), *([(arm, base)] if name.kind != BASE else [])]
        else:
            pairs += starts
    siblings = [arm for arm in proof.arms if arm in proof.variants]
    return [*pairs, *((later, earlier) for nth, later in enumerate(siblings) for earlier in siblings[:nth])]


def clip_difference(difference: Effect) -> Effect:
    """Clip the interval of a difference of proportions to [-1, 1]; with few trainings it can be wider."""
    if difference.low is None or difference.high is None:
        return difference
    return replace(difference, low=max(-1.0, difference.low), high=min(1.0, difference.high))


def _values(run: FinishedRun) -> dict[str, Values]:
    """Return an array (trainings, items) for each arm, by the proof's measure.

    Raises:
        UserError: No held-out item has a score for every model.
    """
    assert run.recipe.prove is not None, "arms need a proof"
    values = values_of(run.results, run.recipe.prove.arms, run.once(measure_of))
    if not next(iter(values.values())).shape[1]:
        outcomes = (row.outcome for rows in run.results.values() for row in rows)
        reason = next(outcome.reason for outcome in outcomes if isinstance(outcome, Unscored))
        raise UserError(f"The proof has no result: no held-out sample has a score for every model. {reason}")
    return values


def mean_of(values: Values, measure: ProofMeasure, seed: int = 0) -> Effect:
    """Estimate the mean over trainings and items.

    Proportions and values of 0 or 1 get Wilson's interval, since a bootstrap of 0 of 12 is degenerate; other values a
    bootstrap over items.
    """
    items = values.shape[1]
    if measure.proportion or bool(np.isin(values, (0, 1)).all()):
        return wilson(round(float(values.mean()) * items), items)
    return paired_bootstrap(values, np.zeros(items), seed=seed).effect


def _per_class(run: FinishedRun, correct: Values, measure: ProofMeasure) -> dict[str, Effect]:
    if not measure.proportion or not all("label" in sample.fields for sample in run.holdout):
        return {}
    labels = [sample.text("label") for sample in run.holdout]
    per_class = {}
    for label in (label for label in run.labels if label in labels):
        has_label = np.asarray([other == label for other in labels])
        per_class[label] = mean_of(correct[:, has_label], measure)
    return per_class


def _loss_curve(nth: int, folder: Path) -> LossCurve:
    path = folder / "history.json"
    if not path.is_file():  # optional output of a trainer
        return LossCurve(nth, ())
    rows = json.loads(path.read_text(encoding="utf-8"))
    stride = max(1, len(rows) // CURVE_POINTS)
    return LossCurve(nth, tuple((int(step), float(loss)) for step, loss, _ in rows[::stride]))
