"""What is known of one sample, and the samples a run kept: read back from a run's folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assay.core.errors import FieldError, StoreError
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Image, Sample
from assay.core.score import Fingerprint, Label, Outcome, Score
from assay.images.metadata import read_provenance
from assay.pipeline.lineage.provenance import Origins
from assay.pipeline.lineage.text import in_words
from assay.pipeline.plan import Survey, completed, survey
from assay.pipeline.recipe.codec import load
from assay.pipeline.stages.context import kept_ids, outcomes_of
from assay.pipeline.stages.shards import parts, samples_of
from assay.pipeline.stages.stage import score_id
from assay.store.rows import read_decisions
from assay.store.run_folder import RunFolder
from assay.store.shards import read_made


def read_run(run: Path) -> tuple[Recipe, Survey]:
    """Load the recipe of a run folder and look up the state of every stage."""
    folder = RunFolder.open(run, create=False)
    recipe = load(str(folder.path / "recipe.yaml"))
    return recipe, survey(recipe, folder.path)


def kept_samples(run: Path) -> tuple[list[Sample], Path]:
    """The samples that every filter kept, and the folder their images lie in.

    Raises:
        StoreError: The run has not come so far.
    """
    done = completed(read_run(run)[1])
    if "keep" not in done:
        raise StoreError(f"The run in {run} has not filtered its samples yet.", hint="Run it to its end first.")
    ids = kept_ids(done["keep"].folder)
    folder = done["generate"].folder
    return [sample for sample in samples_of(folder) if sample.id in ids], folder


def origins(run: Path) -> Origins:
    """What tells where the samples of the run came from.

    Raises:
        StoreError: The run has made nothing yet.
    """
    recipe, surveyed = read_run(run)
    done = completed(surveyed)
    if "generate" not in done:
        raise StoreError(f"The run in {run} has not generated its samples yet.", hint="Run it to its end first.")
    return Origins(recipe, done)


def explain(run: Path, prefix: str) -> dict[str, Any]:
    """Lineage, provenance, outcomes and decision of the sample whose id begins with `prefix`.

    Raises:
        FieldError: No sample has such an id, or several have.
        StoreError: The run has made nothing yet.
    """
    told = origins(run)
    recipe, done = told.recipe, told.done
    made = [row for path in parts(done["generate"].folder) for row in read_made(path)]
    found = [row for row in made if (row.seed if isinstance(row, Failure) else row.id).startswith(prefix)]
    if len(found) != 1 or not prefix:
        count = "No sample" if not found else f"{len(found)} samples"
        raise FieldError(
            f"{count} of {run} have an id that begins with {prefix!r}.", hint="Ids are on the report page."
        )
    (row,) = found
    if isinstance(row, Failure):
        return _of_failure(row)
    outcomes = {
        column: _in_words(outcome)
        for column in recipe.score
        if (name := str(score_id(column))) in done
        for id_, outcome in outcomes_of(done[name].folder)
        if id_ == row.id
    }
    decision = None
    if "keep" in done:
        decision = next(d for d in read_decisions(done["keep"].folder / "decisions.parquet") if d.id == row.id)
    said = told.of(row)
    return {
        "id": row.id,
        "kept": decision is not None and decision.keep,
        "fate": "dropped" if decision else "not decided yet",
        "fields": {name: asdict(value) if isinstance(value, Image) else value for name, value in row.fields.items()},
        "made_by": row.made_by,
        "nth": row.nth,
        "parents": list(row.parents),
        "provenance": said.record(),
        "came": in_words(replace(said, prompt="")),  # it stands among the fields
        "outcomes": outcomes,
        "decision": asdict(decision) if decision else None,
    }


def explain_file(path: Path) -> dict[str, Any]:
    """What the PNG file says of itself, and whether it is the file that `assay export` wrote.

    Raises:
        StoreError: It cannot be read, or carries no provenance of assay's.
    """
    try:
        said, same = read_provenance(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} does not say where it came from: {error}.", hint="PNG files that assay exported do."
        ) from error
    return {"id": said.id, "file": str(path), "as_exported": same, "provenance": said.record(), "came": in_words(said)}


def _of_failure(row: Failure) -> dict[str, Any]:
    return {
        "id": row.seed,
        "kept": False,
        "fate": f"failed: {row.reason}",
        "fields": {},
        "made_by": "",
        "nth": 0,
        "parents": [],
        "provenance": None,
        "came": [],
        "outcomes": {},
        "decision": None,
    }


def _in_words(outcome: Outcome) -> str:
    if isinstance(outcome, Score):
        return f"{outcome.value:.4f}" + _said(outcome)
    if isinstance(outcome, Label):
        return outcome.value + _said(outcome)
    if isinstance(outcome, Fingerprint):
        return f"a vector of {len(outcome.vector)} numbers"
    return f"unscored, {outcome.cause}: {outcome.reason}"


def _said(outcome: Score | Label) -> str:
    answer = f", it says {outcome.answer!r}" if outcome.answer else ""
    return answer + (f" ({outcome.reason})" if outcome.reason else "")
