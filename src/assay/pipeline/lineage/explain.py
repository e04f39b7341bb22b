"""Provenance, outcomes and decision of one sample, read from a run folder or an exported file: `assay why`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assay.core.errors import FieldError, StoreError
from assay.core.provenance import UNKNOWN, Ancestor, Provenance, Used
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Image, Sample
from assay.core.score import Fingerprint, Label, Outcome, Score
from assay.images.metadata import read_provenance
from assay.pipeline.lineage.provenance import SampleProvenance
from assay.pipeline.plan import RunPlan, completed_stages, plan_run
from assay.pipeline.recipe.codec import load
from assay.pipeline.stages.context import kept_ids, outcomes_of
from assay.pipeline.stages.parts import parts, samples_of
from assay.pipeline.stages.stage import score_id
from assay.store.rows import read_decisions
from assay.store.run_folder import RunFolder
from assay.store.shards import read_shard

MAX_ANCESTORS = 8
"""Maximum number of ancestors that are listed; the others are counted."""
MAX_CHARACTERS = 300
"""Maximum length of a value that comes from a data set or a file."""


def read_run(run: Path) -> tuple[Recipe, RunPlan]:
    """Load the recipe of a run folder and look up the state of every stage."""
    folder = RunFolder.open(run, create=False)
    recipe = load(str(folder.path / "recipe.yaml"))
    return recipe, plan_run(recipe, folder.path)


def kept_samples(run: Path) -> tuple[list[Sample], Path]:
    """The samples that passed every filter, and the folder of their images.

    Raises:
        StoreError: The run has not filtered its samples.
    """
    stages = completed_stages(read_run(run)[1])
    if "keep" not in stages:
        raise StoreError(f"The run in {run} has not filtered its samples yet.", hint="Complete the run first.")
    ids = kept_ids(stages["keep"].folder)
    folder = stages["generate"].folder
    return [sample for sample in samples_of(folder) if sample.id in ids], folder


def run_provenance(run: Path) -> SampleProvenance:
    """Provenance of the samples of a run folder.

    Raises:
        StoreError: The run has not generated its samples.
    """
    recipe, plan = read_run(run)
    stages = completed_stages(plan)
    if "generate" not in stages:
        raise StoreError(f"The run in {run} has not generated its samples yet.", hint="Complete the run first.")
    return SampleProvenance(recipe, stages)


def explain_sample(run: Path, prefix: str) -> dict[str, Any]:
    """Lineage, provenance, outcomes and decision of the sample whose id starts with `prefix`.

    Raises:
        FieldError: No sample has such an id, or several have.
        StoreError: The run has not generated its samples.
    """
    provenance = run_provenance(run)
    recipe, stages = provenance.recipe, provenance.stages
    rows = [row for path in parts(stages["generate"].folder) for row in read_shard(path)]
    matches = [row for row in rows if (row.seed if isinstance(row, Failure) else row.id).startswith(prefix)]
    if len(matches) != 1 or not prefix:
        count = f"{len(matches)} samples" if matches else "No sample"
        raise FieldError(f"{count} of {run} have an id that starts with {prefix!r}.", hint="The report page lists ids.")
    (row,) = matches
    if isinstance(row, Failure):
        return _explain_failure(row)
    outcomes = {
        column: _outcome_text(outcome)
        for column in recipe.score
        if (name := str(score_id(column))) in stages
        for id_, outcome in outcomes_of(stages[name].folder)
        if id_ == row.id
    }
    decision = None
    if "keep" in stages:
        decision = next(d for d in read_decisions(stages["keep"].folder / "decisions.parquet") if d.id == row.id)
    record = provenance.of(row)
    return {
        "id": row.id,
        "kept": decision is not None and decision.keep,
        "fate": "dropped" if decision else "not decided yet",
        "fields": {name: asdict(value) if isinstance(value, Image) else value for name, value in row.fields.items()},
        "made_by": row.made_by,
        "nth": row.nth,
        "parents": list(row.parents),
        "provenance": record.record(),
        "lines": provenance_lines(replace(record, prompt="")),  # the prompt is one of the fields
        "outcomes": outcomes,
        "decision": asdict(decision) if decision else None,
    }


def explain_file(path: Path) -> dict[str, Any]:
    """Provenance in the metadata of a PNG file, and whether the file is unchanged since `assay export`.

    Raises:
        StoreError: The file cannot be read, or has no provenance of assay.
    """
    try:
        record, unchanged = read_provenance(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} has no provenance: {error}.", hint="PNG files of `assay export` have it.") from error
    return {
        "id": record.id,
        "file": str(path),
        "as_exported": unchanged,
        "provenance": record.record(),
        "lines": provenance_lines(record),
    }


def _explain_failure(row: Failure) -> dict[str, Any]:
    return {
        "id": row.seed,
        "kept": False,
        "fate": f"failed: {row.reason}",
        "fields": {},
        "made_by": "",
        "nth": 0,
        "parents": [],
        "provenance": None,
        "lines": [],
        "outcomes": {},
        "decision": None,
    }


def _outcome_text(outcome: Outcome) -> str:
    if isinstance(outcome, Score):
        return f"{outcome.value:.4f}" + _answer_text(outcome)
    if isinstance(outcome, Label):
        return outcome.value + _answer_text(outcome)
    if isinstance(outcome, Fingerprint):
        return f"vector of {len(outcome.vector)} numbers"
    return f"unscored, {outcome.cause}: {outcome.reason}"


def _answer_text(outcome: Score | Label) -> str:
    answer = f", answer {outcome.answer!r}" if outcome.answer else ""
    return answer + (f" ({outcome.reason})" if outcome.reason else "")


def provenance_lines(provenance: Provenance) -> list[str]:
    """Provenance as text, one fact per line, without control characters."""
    lines = [_origin_line(provenance)]
    lines += [f"model: {_model_text(model)}" for model in provenance.models]
    if provenance.prompt:
        lines.append(f"prompt: {clean(provenance.prompt)}")
    if provenance.synthetic:
        seed = f"seed {provenance.seed}, " if provenance.seed is not None else ""
        lines.append(f"{seed}seed of the run {provenance.run_seed}")
    if provenance.settings:
        lines.append(f"settings: {_settings_text(provenance.settings)}")
    lines += _ancestor_lines(provenance)
    for column, scorer in provenance.scored_by.items():
        models = f", models {', '.join(map(clean, scorer.models))}" if scorer.models else ""
        lines.append(f"scored by {clean(scorer.component)} version {scorer.version} (column {clean(column)}){models}")
    return [*lines, _run_line(provenance)]


def clean(text: str) -> str:
    """Text on one line without control characters, at most `MAX_CHARACTERS` long."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"


def _settings_text(settings: Mapping[str, object]) -> str:
    texts = {
        name: f"({_settings_text(value)})" if isinstance(value, Mapping) else clean(str(value))
        for name, value in settings.items()
    }
    return ", ".join(f"{clean(name)} {text}" for name, text in texts.items())


def _origin_line(provenance: Provenance) -> str:
    if not provenance.synthetic:
        return "collected: existed before the run, author unknown"
    return f"synthetic: generated by {clean(provenance.made_by)} version {provenance.version}"


def _model_text(model: Used) -> str:
    part = f" ({clean(model.part)})" if model.part else ""
    return f"{clean(model.model)}{part}, license {clean(model.license)}"


def _ancestor_lines(provenance: Provenance) -> list[str]:
    if not provenance.chain:
        return ["parents: none"]
    lines = [f"ancestor: {_ancestor_text(ancestor)}" for ancestor in provenance.chain[:MAX_ANCESTORS]]
    if others := len(provenance.chain) - len(lines) + provenance.more:
        lines.append(f"and {others:,} more ancestors")
    return lines


def _ancestor_text(ancestor: Ancestor) -> str:
    origin = f" ({clean(ancestor.origin)})" if ancestor.origin else ""
    made_by = {"": "no longer available", "collected": "collected"}.get(ancestor.made_by)
    return f"{clean(ancestor.id)}, {made_by or 'by ' + clean(ancestor.made_by)}{origin}"


def _run_line(provenance: Provenance) -> str:
    date = f" on {clean(provenance.date)}" if provenance.date else ""
    digest = f" (sha256 {clean(provenance.recipe_sha256[:12])})" if provenance.recipe_sha256 else ""
    version = clean(provenance.assay) or UNKNOWN
    return f"recipe {clean(provenance.recipe)}{digest}, {clean(provenance.stage)}, assay {version}{date}"
