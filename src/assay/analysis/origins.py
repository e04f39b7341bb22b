"""What went into a run: real data, models, their licences, and how much of what was learned from is synthetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.analysis.finished_run import Finished
from assay.analysis.report_data import DataSource, ModelUsed, Share
from assay.components.generators.prompts import read_texts
from assay.core.arms import BASE
from assay.core.errors import UserError
from assay.pipeline.lineage.models_used import data_licence, models_in, parts_in, start_of, used
from assay.pipeline.recipe.spec import describe
from assay.pipeline.stages.generate import SourceStage
from assay.pipeline.stages.shards import samples_of
from assay.pipeline.stages.stage import StageKind, train_id

PURPOSES = {
    "holdout": "measuring every arm",
    "real": "training the arms that learn from real samples",
    "calibrate": "fitting temperatures, and the line for strangers",
    "ood": "out-of-distribution inputs: of none of the labels",
    "asked": "measuring every model beside the question",
    "taught": "training one of the recipe's own models",
}
BEGUN = "what generating begins with"
ROLES = {"generate": "makes", "score": "scores", "train": "start of training"}
KEPT = "kept samples"
RANDOM = "random"
"""What a trainer calls a start that is no model."""


def data_used(run: Finished) -> Iterator[DataSource]:
    """Real data, each source with what it was there for."""
    for _, source in parts_in(run.recipe.generate, "sources"):
        listing = getattr(source, "listing", str)
        path = str(getattr(source, "path", ""))
        yield DataSource(describe(source)["use"], BEGUN, path, _count(source), str(listing()), data_licence(source))
    read = [placed for placed in run.done.values() if isinstance(placed.stage, SourceStage)]
    for placed in sorted(read, key=lambda placed: placed.stage.id.kind is StageKind.TEACH_DATA):
        if placed.receipt is None or not isinstance(placed.stage, SourceStage):
            continue
        samples = samples_of(placed.folder)
        origin = samples[0].fields.get("origin", "") if samples else ""
        yield DataSource(
            name=str(placed.stage.spec["use"]),
            used_for=PURPOSES[placed.stage.id.kind],
            origin=str(origin).rsplit("/", 1)[0] or str(placed.stage.spec.get("path", "")),
            count=len(samples),
            digest=placed.receipt.digest,
            licence=data_licence(placed.stage.source),
        )


def models_used(run: Finished) -> Iterator[ModelUsed]:
    """Every model, with what it did and the licence that its card states."""
    for role, reference in _roles(run):
        licence = "" if reference == RANDOM else used(run.recipe, reference).licence
        yield ModelUsed(role, reference or "unknown", licence=licence)


def shares(run: Finished) -> Iterator[Share]:
    """How much of what was kept, and of what each arm learned from, is synthetic."""
    kept = {row.id for row in run.decisions if row.keep}
    synthetic = sum(sample.synthetic for sample in run.samples if sample.id in kept)
    yield Share(KEPT, len(kept), synthetic)
    for arm, nth in run.recipe.prove.cells if run.recipe.prove else ():
        receipt = run.done[str(train_id(arm, nth))].receipt
        if nth == 0 and receipt is not None and arm.partition("@")[0] != BASE:
            yield Share(f"arm {arm}", receipt.counts.get("samples", 0), receipt.counts.get("synthetic"))


def _count(source: Any) -> int | None:
    try:
        return len(read_texts("report", source))
    except UserError:  # it is gone, or needs a model: the run itself has what came of it
        return None


def _roles(run: Finished) -> Iterator[tuple[str, str]]:
    specs: dict[str, Mapping[str, Any]] = {"generate": describe(run.recipe.generate)}
    specs |= {f"score {name}": describe(scorer) for name, scorer in run.recipe.score.items()}
    for name, spec in specs.items():
        for part, model in models_in(spec):
            yield f"{ROLES[name.split()[0]]} ({name}{part and f': {part}'})", model
    trainers = {f" of {name}": own.train for name, own in run.recipe.models.items()}
    if (proof := run.recipe.prove) is not None:
        if proof.reference:
            yield "stands beside the pupil", proof.reference
        looking = {f"measures {name}": scorer for name, scorer in proof.measures.items()}
        looking |= {"judges the answers": proof.duel} if proof.duel else {}
        for role, scorer in looking.items():
            if isinstance(reference := getattr(scorer, "model", None), str):
                yield role, reference
    trainers |= {"": run.recipe.train} if run.recipe.train is not None else {}
    trainers |= {f" of {name}": one for name, one in (proof.variants if proof else {}).items()}
    for whose, trainer in trainers.items():
        yield ROLES["train"] + whose, start_of(run.recipe, trainer)
