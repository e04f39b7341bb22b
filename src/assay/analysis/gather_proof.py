"""What a finished run proves: how every model did, and what the differences are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from assay.analysis.finished_run import Finished, Results, Values, table
from assay.analysis.measures import ACCURACY, Measure
from assay.analysis.proof import Arm, Comparison, Curve
from assay.core.arms import BASE, OWN
from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.recipe import Recipe
from assay.core.score import SHARE, Scale, Unscored
from assay.pipeline.recipe.trained import named as named_in
from assay.pipeline.stages.arms import hashed
from assay.pipeline.stages.stage import train_id
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.stats.inference.compare import compare
from assay.stats.inference.intervals import wilson

CURVE_POINTS = 200
"""Of a training curve, at most about this many."""
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
"""Pairs that are compared where both arms are there, the question's own first."""


def measure_of(run: Finished) -> Measure:
    """What the proof measures."""
    if run.recipe.prove is None:
        return ACCURACY
    evaluator = run.recipe.prove.evaluate
    if evaluator.scale.unit == SHARE:
        return ACCURACY
    return named(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(evaluator).__name__).lower(), evaluator.scale)


def named(name: str, scale: Scale) -> Measure:
    """A measure by its scale."""
    if scale.unit == SHARE:
        return replace(ACCURACY, name=name)
    return Measure(name, scale.unit, False, "lower" if scale.better == "lower" else "higher")


def values_of(results: Results, arms: Sequence[str], measure: Measure) -> dict[str, Values]:
    """(trainings, items) of each arm.

    Of shares what was not scored counts as not right. Of any other measure an item that one of the models has no number
    for is left out of all: there is no number that means nothing.
    """
    if measure.share:
        return {arm: table(results, arm, 0.0) for arm in arms}
    found = {arm: table(results, arm) for arm in arms}
    known = np.all([np.isfinite(rows).all(axis=0) for rows in found.values()], axis=0)
    return {arm: rows[:, known] for arm, rows in found.items()}


def arms(run: Finished) -> tuple[Arm, ...]:
    """Every arm, with what was measured of it and its curves."""
    proof = run.recipe.prove
    if proof is None:
        return ()
    measure = measure_of(run)
    values = _values(run, measure)
    found = []
    for name in proof.arms:
        stages = [run.done[str(train_id(name, nth))] for arm, nth in proof.cells if arm == name]
        receipts = [stage.receipt for stage in stages if stage.receipt is not None]
        found.append(
            Arm(
                name=name,
                trained_on=proof.arm(name).said,
                by_name=name in (*proof.variants, *proof.models),
                n_samples=receipts[0].counts["samples"],
                steps=receipts[0].counts["steps"],
                seeds=tuple(range(len(stages))),
                result=mean_of(values[name], measure, hashed(run.recipe.seed, "mean", name) % 2**32),
                seed_results=tuple(map(float, values[name].mean(axis=1))),
                per_class=_per_class(run, values[name], measure),
                history=tuple(_curve(nth, stage.folder) for nth, stage in enumerate(stages)),
                seconds=sum(receipt.seconds for receipt in receipts),
            )
        )
    return tuple(found)


def comparisons(run: Finished) -> tuple[Comparison, ...]:
    """Pairs of arms on the same items, their p-values adjusted for one another."""
    if run.recipe.prove is None:
        return ()
    measure = measure_of(run)
    return compared(run, _values(run, measure), measure)


def compared(run: Finished, values: Mapping[str, Values], measure: Measure) -> tuple[Comparison, ...]:
    """The pairs that the recipe asks for, by any measure."""
    proof = run.recipe.prove
    assert proof is not None, "there is nothing to compare without a proof"
    first = [(proof.answer[0], proof.answer[1])] if proof.answer else []
    known = [pair for pair in (*COMPARISONS, *_variant_pairs(run.recipe)) if set(pair) <= set(proof.arms)]
    pairs = list(dict.fromkeys([*first, *known]))
    seeds = [hashed(run.recipe.seed, "bootstrap", *pair) % 2**32 for pair in pairs]
    found = compare([(values[ours], values[theirs]) for ours, theirs in pairs], seeds)
    return tuple(
        Comparison(
            ours,
            theirs,
            within(one.effect) if measure.share else one.effect,
            p=one.p,
            adjusted_p=one.adjusted_p,
            mcnemar_p=one.mcnemar.p if one.mcnemar else None,
            ours_only=one.mcnemar.ours_only if one.mcnemar else None,
            theirs_only=one.mcnemar.theirs_only if one.mcnemar else None,
            better=measure.better,
        )
        for (ours, theirs), one in zip(pairs, found, strict=True)
    )


def _variant_pairs(recipe: Recipe) -> list[tuple[str, str]]:
    """A part of an arm, or an arm by another trainer, beside the whole one, and beside the model it started from."""
    proof, found = recipe.prove, list[tuple[str, str]]()
    assert proof is not None, "there are no arms without a proof"
    for arm in proof.arms:
        name = proof.arm(arm)
        starts = [(arm, one) for one in named_in(recipe.trainer(arm)) if name.kind == "filtered" and one != arm]
        if name.kind == OWN:
            found += [(arm, BASE), *starts]
        elif name.size is not None or name.variant:
            own = BASE if not name.variant or arm in proof.variants else f"{BASE}@{name.variant}"
            whole = name.kind if name.size is None else f"{name.kind}{'@' + name.variant if name.variant else ''}"
            found += [*starts, (arm, whole), *([(arm, own)] if name.kind != BASE else [])]
        else:
            found += starts
    siblings = [arm for arm in proof.arms if arm in proof.variants]
    return [*found, *((later, earlier) for nth, later in enumerate(siblings) for earlier in siblings[:nth])]


def within(difference: Effect) -> Effect:
    """A difference of shares, its interval cut where no difference can lie: a few trainings make it wider than that."""
    if difference.low is None or difference.high is None:
        return difference
    return replace(difference, low=max(-1.0, difference.low), high=min(1.0, difference.high))


def _values(run: Finished, measure: Measure) -> dict[str, Values]:
    """Of every arm.

    Raises:
        UserError: No held-out item has a number for every model.
    """
    assert run.recipe.prove is not None, "there are no arms without a proof"
    values = values_of(run.results, run.recipe.prove.arms, measure)
    if not next(iter(values.values())).shape[1]:
        outcomes = (row.outcome for rows in run.results.values() for row in rows)
        why = next(outcome.reason for outcome in outcomes if isinstance(outcome, Unscored))
        raise UserError(f"The proof measured nothing: no held-out sample has a number for every model. {why}")
    return values


def mean_of(values: Values, measure: Measure, seed: int = 0) -> Effect:
    """The mean over trainings and items: of what is right or wrong with Wilson's interval at it, else a bootstrap's.

    None of 12 drawn again is none of 12, so a bootstrap would be sure of what a few items cannot tell.
    """
    items = values.shape[1]
    if measure.share or bool(np.isin(values, (0, 1)).all()):
        return wilson(round(float(values.mean()) * items), items)
    return paired_bootstrap(values, np.zeros(items), seed=seed).effect


def _per_class(run: Finished, correct: Values, measure: Measure) -> tuple[tuple[str, Effect], ...]:
    if not measure.share or not all("label" in sample.fields for sample in run.holdout):
        return ()
    labels = [sample.text("label") for sample in run.holdout]
    found = []
    for label in (label for label in run.labels if label in labels):
        member = np.asarray([other == label for other in labels])
        found.append((label, mean_of(correct[:, member], measure)))
    return tuple(found)


def _curve(nth: int, folder: Path) -> Curve:
    path = folder / "history.json"
    if not path.is_file():  # a trainer need not leave one
        return Curve(nth, ())
    rows = json.loads(path.read_text(encoding="utf-8"))
    thin = max(1, len(rows) // CURVE_POINTS)
    return Curve(nth, tuple((int(step), float(loss)) for step, loss, _ in rows[::thin]))
