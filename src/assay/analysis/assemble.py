"""All facts of a report: what the run shows, what it cost and where everything came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.analysis.exchange_rate import exchange, leakage, sets
from assay.analysis.finished_run import Finished, finished_at, score_columns, specimens
from assay.analysis.funnel import funnel
from assay.analysis.gather_answers import answered, duels, measured_beside, other_measures
from assay.analysis.gather_choices import choices
from assay.analysis.gather_diversity import variety
from assay.analysis.gather_learning import learned
from assay.analysis.gather_preferences import preferences
from assay.analysis.gather_proof import arms, comparisons, measure_of
from assay.analysis.gather_robustness import calibrated, drifts, seen, side_by_side, unknowns
from assay.analysis.origins import data_used, models_used, shares
from assay.analysis.report_data import (
    NOT_AMONG,
    Confusion,
    Expert,
    Origin,
    Pupil,
    ReportFacts,
    StageCost,
)
from assay.analysis.robustness import Drift, SideBySide
from assay.core.sample import Image, Sample
from assay.core.score import Label, Score
from assay.pipeline.plan import main_arm
from assay.pipeline.recipe.codec import dump


def facts_of(run: Finished, command: str) -> ReportFacts:
    """Everything the page of a finished run shows."""
    told, beside = seen(run), side_by_side(run)
    compared, others, judged = comparisons(run), other_measures(run), duels(run)
    return ReportFacts(
        name=run.recipe.name,
        question=run.recipe.question,
        origin=_origin(run, command),
        arms=arms(run),
        comparisons=compared,
        funnel=funnel(run),
        scores=score_columns(run),
        choices=choices(run),
        variety=variety(run),
        preferences=preferences(run),
        specimens=specimens(run),
        expert=_expert(run, beside),
        pupil=_pupil(run),
        unknowns=unknowns(run, told),
        calibration=calibrated(told),
        beside=beside,
        drift=_drift(run),
        leakage=leakage(run),
        sets=sets(run),
        exchange=exchange(run),
        stages=tuple(_costs(run)),
        equal=run.recipe.prove.equal if run.recipe.prove else "steps",
        data=tuple(data_used(run)),
        models=tuple(models_used(run)),
        shares=tuple(shares(run)),
        measure=measure_of(run),
        others=others,
        also=measured_beside(run),
        duels=judged,
        learned=learned(run, compared, others, judged),
        answered=answered(run),
        test_items=_test_items(run.holdout),
    )


def _test_items(holdout: Sequence[Sample]) -> str:
    if _has_images(holdout):
        return "real test photographs"
    return "held-out tasks" if any("instruction" in sample.fields for sample in holdout[:1]) else "real test texts"


def _origin(run: Finished, command: str) -> Origin:
    receipt = run.done["generate"].receipt
    environment = dict(receipt.environment) if receipt else {}
    machine = f"{environment.pop('cpus', '?')} processors, {environment.pop('machine', '?')}"
    return Origin(
        command=command,
        run=str(run.folder),
        finished=finished_at(run),
        seed=run.recipe.seed,
        recipe=dump(run.recipe),
        versions=environment,
        machine=machine,
    )


def _expert(run: Finished, beside: SideBySide | None) -> Expert | None:
    """What the classifier of the first column of labels says of the images."""
    if not _has_images(run.samples):
        return None
    for name, scorer in run.recipe.score.items():
        outcomes = run.columns[name]
        labels = [outcome for outcome in outcomes if isinstance(outcome, Label)]
        if not labels:
            continue
        rows = run.labels
        answers = sorted({outcome.answer for outcome in labels} - set(rows))
        columns = (*rows, *answers, NOT_AMONG)
        counts = [[0] * len(columns) for _ in rows]
        for sample, outcome in zip(run.samples, outcomes, strict=True):
            if isinstance(outcome, Label):
                column = NOT_AMONG if outcome.value == NOT_AMONG else outcome.answer
                counts[rows.index(sample.text("label"))][columns.index(column)] += 1
        confusion = _without_empty(Confusion(tuple(rows), columns, tuple(map(tuple, counts))), keep=len(rows))
        model = str(getattr(scorer, "model", name))
        measured = beside.expert_accuracy if beside is not None and beside.expert == model else None
        return Expert(model, confusion, measured)
    return None


def _drift(run: Finished) -> tuple[Drift, ...]:
    """Of the first column of labels."""
    if not _has_images(run.samples):
        return ()
    for outcomes in run.columns.values():
        if any(isinstance(outcome, Label) for outcome in outcomes):
            return drifts(run, outcomes)
    return ()


def _without_empty(confusion: Confusion, keep: int) -> Confusion:
    """Without the columns, after the first `keep`, in which nothing was counted."""
    used = [n for n in range(len(confusion.columns)) if n < keep or any(row[n] for row in confusion.counts)]
    return Confusion(
        confusion.rows,
        tuple(confusion.columns[n] for n in used),
        tuple(tuple(row[n] for n in used) for row in confusion.counts),
    )


def _pupil(run: Finished) -> Pupil | None:
    """The confusion matrix of the main arm's first training; questions with choices of their own have none."""
    if run.recipe.prove is None or not measure_of(run).share:
        return None
    if not all("label" in sample.fields for sample in run.holdout):
        return None
    arm = main_arm(run.recipe.prove)
    rows = run.labels
    found = run.results[arm, 0]
    answers = sorted({row.outcome.answer for row in found if isinstance(row.outcome, Score)} - set(rows))
    columns = (*rows, *answers)
    counts = [[0] * len(columns) for _ in rows]
    for sample, row in zip(run.holdout, found, strict=True):
        if isinstance(row.outcome, Score):
            counts[rows.index(sample.text("label"))][columns.index(row.outcome.answer)] += 1
    return Pupil(arm, Confusion(tuple(rows), columns, tuple(map(tuple, counts))))


def _costs(run: Finished) -> Iterator[StageCost]:
    for name, placed in run.done.items():
        receipt = placed.receipt
        if receipt is None:
            continue
        items = receipt.counts.get("fresh", receipt.counts.get("samples", receipt.counts.get("rows")))
        dollars = None if receipt.cost_usd == "unknown" else float(receipt.cost_usd or 0.0)
        kind = "images" if _has_images(run.samples) else "texts"
        yield StageCost(name, receipt.seconds, items, kind, receipt.tokens or 0, dollars)


def _has_images(samples: Sequence[Sample]) -> bool:
    return any(isinstance(value, Image) for sample in samples[:1] for value in sample.fields.values())
