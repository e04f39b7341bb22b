"""Provenance of a run: real data, models, licenses, synthetic fractions, cost, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.analysis.finished_run import FinishedRun
from assay.components.generators.prompts import read_texts
from assay.core.arms import BASE
from assay.core.errors import UserError
from assay.core.provenance import UNKNOWN
from assay.pipeline.lineage.models_used import components_in, data_license, models_in, start_model, used_model
from assay.pipeline.recipe.codec import dump
from assay.pipeline.recipe.spec import describe
from assay.pipeline.stages.generate import SourceStage
from assay.pipeline.stages.parts import samples_of
from assay.pipeline.stages.stage import StageKind, train_id

PURPOSES = {
    StageKind.HOLDOUT: "evaluation of every arm",
    StageKind.REAL: "training the arms with real data",
    StageKind.CALIBRATE: "validation: temperature scaling and OOD threshold",
    StageKind.OOD: "out-of-distribution inputs",
    StageKind.AUXILIARY_DATA: "auxiliary evaluation",
    StageKind.TEACH_DATA: "training one of the recipe's own models",
}
GENERATOR_SEEDS = "seeds of the generator"
INITIAL_MODEL = "initial model of the training"
KEPT = "kept samples"
RANDOM = "random"
"""Reference of a random initialization."""


@dataclass(frozen=True)
class StageCost:
    """Time, tokens and price of one stage."""

    name: str
    seconds: float | None
    items: int | None = None
    item_name: str = "images"
    tokens: int | None = 0
    """None if a model did not report its tokens."""
    dollars: float | None = 0.0
    """None if a price is unknown."""

    @property
    def items_per_second(self) -> float | None:
        """Throughput."""
        return self.items / self.seconds if self.items is not None and self.seconds else None


@dataclass(frozen=True)
class Cost:
    """Cost of the run by stage. A total is None if it is unknown for any stage."""

    stages: tuple[StageCost, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Total time."""
        return _total([stage.seconds for stage in self.stages])

    @property
    def dollars(self) -> float | None:
        """Total price."""
        return _total([stage.dollars for stage in self.stages])

    @property
    def tokens(self) -> int | None:
        """Total tokens."""
        total = _total([stage.tokens for stage in self.stages])
        return None if total is None else int(total)


@dataclass(frozen=True)
class DataSource:
    """Real data that the run used."""

    name: str
    used_for: str
    origin: str
    """Address, package or folder."""
    count: int | None
    """None if the source cannot be read anymore."""
    digest: str
    license: str = UNKNOWN
    """License stated by the source or its dataset card."""


@dataclass(frozen=True)
class SyntheticFraction:
    """Number of synthetic samples in a set."""

    name: str
    samples: int
    synthetic: int | None
    """None if the run was made by a version that did not count them."""


@dataclass(frozen=True)
class ModelUsed:
    """A model that the run used."""

    role: str
    reference: str
    digest: str = ""
    note: str = ""
    license: str = UNKNOWN
    """License stated by the model card; empty if there is no model."""


@dataclass(frozen=True)
class RunProvenance:
    """Real data, models and synthetic fractions."""

    data: tuple[DataSource, ...] = ()
    models: tuple[ModelUsed, ...] = ()
    synthetic: tuple[SyntheticFraction, ...] = ()
    """Of the kept samples, and of each arm's training set."""


@dataclass(frozen=True)
class Reproduction:
    """How to reproduce the run."""

    command: str
    run: str
    """Run folder, the argument RUN of `assay why RUN SAMPLE`."""
    finished: str
    """ISO 8601."""
    seed: int
    recipe: str
    """The whole recipe as YAML."""
    versions: Mapping[str, str]
    machine: str = ""


def reproduction(run: FinishedRun) -> Reproduction:
    """Return the command, recipe, versions and machine of the run."""
    receipt = run.stages["generate"].receipt
    environment = dict(receipt.environment) if receipt else {}
    machine = f"{environment.pop('cpus', '?')} processors, {environment.pop('machine', '?')}"
    return Reproduction(
        command=run.command,
        run=str(run.folder),
        finished=run.finished_at(),
        seed=run.recipe.seed,
        recipe=dump(run.recipe),
        versions=environment,
        machine=machine,
    )


def cost(run: FinishedRun) -> Cost:
    """Read time, items, tokens and price of every stage from its receipt."""
    return Cost(tuple(_stage_costs(run)))


def _stage_costs(run: FinishedRun) -> Iterator[StageCost]:
    for name, planned in run.stages.items():
        receipt = planned.receipt
        if receipt is None:
            continue
        items = receipt.counts.get("fresh", receipt.counts.get("samples", receipt.counts.get("rows")))
        dollars = None if receipt.cost_usd == "unknown" else float(receipt.cost_usd or 0.0)
        kind = "images" if run.has_images else "texts"
        yield StageCost(name, receipt.seconds, items, kind, receipt.tokens or 0, dollars)


def _total(values: Sequence[float | None]) -> float | None:
    if not values or any(value is None for value in values):
        return None
    return float(sum(value for value in values if value is not None))


def provenance(run: FinishedRun) -> RunProvenance:
    """List the real data, the models and the synthetic fractions."""
    return RunProvenance(tuple(_data_used(run)), tuple(_models_used(run)), tuple(_synthetic(run)))


def _data_used(run: FinishedRun) -> Iterator[DataSource]:
    """Yield each source of real data with its purpose."""
    for _, source in components_in(run.recipe.generate, "sources"):
        listing = getattr(source, "listing", str)
        path = str(getattr(source, "path", ""))
        yield DataSource(
            describe(source)["use"], GENERATOR_SEEDS, path, _count(source), str(listing()), data_license(source)
        )
    sources = [planned for planned in run.stages.values() if isinstance(planned.stage, SourceStage)]
    for planned in sorted(sources, key=lambda planned: planned.stage.id.kind is StageKind.TEACH_DATA):
        if planned.receipt is None or not isinstance(planned.stage, SourceStage):
            continue
        samples = samples_of(planned.folder)
        origin = samples[0].fields.get("origin", "") if samples else ""
        yield DataSource(
            name=str(planned.stage.spec["use"]),
            used_for=PURPOSES[planned.stage.id.kind],
            origin=str(origin).rsplit("/", 1)[0] or str(planned.stage.spec.get("path", "")),
            count=len(samples),
            digest=planned.receipt.digest,
            license=data_license(planned.stage.source),
        )


def _models_used(run: FinishedRun) -> Iterator[ModelUsed]:
    """Yield every model with its role and the license of its model card."""
    for role, reference in _roles(run):
        license_ = "" if reference == RANDOM else used_model(run.recipe, reference).license
        yield ModelUsed(role, reference or "unknown", license=license_)


def _synthetic(run: FinishedRun) -> Iterator[SyntheticFraction]:
    """Count the synthetic samples among the kept ones and in each arm's training set."""
    kept_ids = {row.id for row in run.decisions if row.keep}
    synthetic = sum(sample.synthetic for sample in run.samples if sample.id in kept_ids)
    yield SyntheticFraction(KEPT, len(kept_ids), synthetic)
    for arm, nth in run.recipe.prove.cells if run.recipe.prove else ():
        receipt = run.stages[str(train_id(arm, nth))].receipt
        if nth == 0 and receipt is not None and arm.partition("@")[0] != BASE:
            yield SyntheticFraction(f"arm {arm}", receipt.counts.get("samples", 0), receipt.counts.get("synthetic"))


def _count(source: Any) -> int | None:
    try:
        return len(read_texts("report", source))
    except UserError:  # deleted, or it needs a model
        return None


def _roles(run: FinishedRun) -> Iterator[tuple[str, str]]:
    components: dict[str, Any] = {"generator": run.recipe.generate}
    components |= {f"scorer {name}": scorer for name, scorer in run.recipe.score.items()}
    for role, component in components.items():
        for part, model in models_in(describe(component)):
            yield f"{role}, {part}" if part else role, model
    trainers = {f" of {name}": model.train for name, model in run.recipe.models.items()}
    if (proof := run.recipe.prove) is not None:
        if proof.reference:
            yield "reference classifier", proof.reference
        scorers = {f"measure {name}": scorer for name, scorer in proof.measures.items()}
        scorers |= {"judge of the answers": proof.duel} if proof.duel else {}
        for role, scorer in scorers.items():
            if isinstance(reference := getattr(scorer, "model", None), str):
                yield role, reference
    trainers |= {"": run.recipe.train} if run.recipe.train is not None else {}
    trainers |= {f" of {name}": variant for name, variant in (proof.variants if proof else {}).items()}
    for suffix, trainer in trainers.items():
        yield INITIAL_MODEL + suffix, start_model(run.recipe, trainer)
