"""What trainings on preference pairs share, whichever TRL trainer they use: job, steps, curves, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from datasets import Dataset

from assay.components.trainers.checks import check_samples, weights_digest
from assay.components.trainers.language_model import load_tokenizer, trainable_parameters
from assay.components.trainers.preference.rows import PairReader, PairRow, accuracy, pair_rows
from assay.components.trainers.sft.rows import row_order
from assay.components.trainers.training_run import (
    Progress,
    TrainingConfig,
    final_loss,
    history_of,
    ignore_progress,
    prepare_checkpoints,
    remove_checkpoints,
    training_config,
    write_history,
)
from assay.components.trainers.trl_common import ScheduledTrainer, configure, train, trl_arguments
from assay.core.curves import HELD_OUT_PREFIX, curves_of
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.references import locate

HELD_OUT_FILE = "held-out.json"
"""A list of objects with `id`, `prompt`, `before` and `after`: the margin of a held-out pair."""
MEMORY_HINT = "Use a smaller batch_size or max_length, or method: lora."
Loss: TypeAlias = Mapping[str, float | str | bool]
"""Settings of the loss."""


@dataclass(frozen=True)
class PairJob:
    """Everything that determines the trained weights but versions and machine."""

    trainer: str
    """Name of the component."""
    config: TrainingConfig
    batch_size: int
    """Pairs per step."""
    eval_every: int
    loss: Loss
    learned: tuple[PairRow, ...]
    held_out: tuple[PairRow, ...]

    @property
    def digest(self) -> str:
        """Identifies the training, for its checkpoints."""
        return self.config.digest((self.trainer, self.batch_size, self.loss, self.learned, self.held_out))

    @property
    def order(self) -> list[int]:
        """Indices of the pairs of all steps, `batch_size` per step: epoch after epoch, each in a random order."""
        rows = row_order([(1.0, range(len(self.learned)))], self.config.seed)
        return list(islice(rows, self.config.steps * self.batch_size))


@dataclass(frozen=True)
class PairResult:
    """Result of a training."""

    logs: Sequence[Mapping[str, float]]
    """What TRL logged, one mapping per step."""
    trained: int
    """Number of trainable parameters."""
    before: tuple[float, ...]
    after: tuple[float, ...]
    """Margins of the held-out pairs before and after training."""


def train_on_pairs(
    trainer: Any,
    samples: Sequence[Sample],
    lab: Lab,
    learn: Callable[[PairJob, Progress], PairResult],
    loss: Loss,
    curve_names: Mapping[str, str],
) -> Artifact:
    """Train a component with the fields of a pair trainer by `learn`, and write all files.

    `curve_names` maps names that TRL logs to the names of our curves.

    Raises:
        RecipeError: There are no usable pairs, or as `learn`.
        FieldError: As `pair_rows`.
        ModelError: As `pair_rows` and `learn`.
    """
    owner = type(trainer).__name__
    check_samples(owner, samples, "pairs")
    tokenizer = load_tokenizer(locate(trainer.model))
    reader = PairReader(owner, trainer.model, tokenizer, trainer.max_length, bool(loss.get("margin")))
    rows = pair_rows(samples, reader, trainer.held_out)
    rank = trainer.rank if trainer.method == "lora" else 0
    job = PairJob(
        trainer=owner,
        config=training_config(trainer, lab, rank=rank, warmup_ratio=trainer.warmup_ratio),
        batch_size=trainer.batch_size,
        eval_every=trainer.eval_every,
        loss=loss,
        learned=rows.learned,
        held_out=rows.held_out,
    )
    prepare_checkpoints(lab.workspace(), job.digest)
    result = learn(job, lab.progress or ignore_progress)
    facts = {"samples": len(samples), **_write_results(job, result, curve_names), **rows.dropped}
    folder = lab.workspace() / "model"
    return Artifact(str(folder), trainer.makes, weights_digest(folder), facts)


def pair_arguments(job: PairJob) -> dict[str, Any]:
    """Arguments that RewardConfig and DPOConfig share."""
    return {
        **trl_arguments(job.config),
        "per_device_train_batch_size": job.batch_size,
        "max_length": None,
        "train_sampling_strategy": "sequential",
    }


def pair_dataset(job: PairJob, examples: Sequence[Mapping[str, Any]]) -> Dataset:
    """Dataset of the training pairs in the order of the steps; `examples` holds each pair once."""
    return Dataset.from_list([dict(example) for example in examples]).select(job.order)


def run_steps(trainer: Any, job: PairJob, held_out: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, float]], int]:
    """Train, resuming from the last checkpoint; the logs of all steps, and the number of trainable parameters.

    `held_out` holds the held-out pairs in the form that the trainer's collator takes.
    """
    configure(trainer, job.config)
    trainer.eval_every = job.eval_every
    trainer.evaluate_held_out = lambda: held_out_metrics(trainer.margins(held_out, job.batch_size))
    logs, _ = train(trainer, job.config)
    return logs, trainable_parameters(trainer.model)


def held_out_metrics(margins: Sequence[float]) -> dict[str, float]:
    """Accuracy and mean margin of the held-out pairs; empty if there are none."""
    if not margins:
        return {}
    return {f"{HELD_OUT_PREFIX}accuracy": accuracy(margins), f"{HELD_OUT_PREFIX}margin": sum(margins) / len(margins)}


def _write_results(job: PairJob, result: PairResult, curve_names: Mapping[str, str]) -> dict[str, float]:
    """Write `history.json`, `curves.json` and `held-out.json`, remove the checkpoints, and return the facts."""
    folder = Path(job.config.folder)
    history = history_of(result.logs)
    write_history(folder, history, curves_of(_curve_rows(job, result, curve_names)))
    pairs = [
        {"id": row.id, "prompt": row.prompt, "before": before, "after": after}
        for row, before, after in zip(job.held_out, result.before, result.after, strict=True)
    ]
    (folder / HELD_OUT_FILE).write_text(json.dumps(pairs, indent=1), encoding="utf-8")
    remove_checkpoints(folder)
    facts = {
        "steps": len(history),
        "seen": job.config.steps * job.batch_size,
        "last loss": final_loss(history),
        "trained parameters": result.trained,
        "held-out pairs": len(job.held_out),
    }
    if job.held_out:
        facts["held-out accuracy before"] = accuracy(result.before)
        facts["held-out accuracy"] = accuracy(result.after)
    return facts


def _curve_rows(job: PairJob, result: PairResult, curve_names: Mapping[str, str]) -> list[dict[str, float]]:
    """One row per step; before them a row for step 0 if there are held-out pairs."""
    rows = [{"step": 0.0, **held_out_metrics(result.before)}] if job.held_out else []
    lengths = [len(row.chosen) - row.start for row in job.learned]
    order = job.order
    for nth, logs in enumerate(result.logs):
        places = order[nth * job.batch_size : (nth + 1) * job.batch_size]
        row = {"step": logs["step"], "length": sum(lengths[place] for place in places) / job.batch_size}
        row |= {ours: logs[theirs] for theirs, ours in curve_names.items() if theirs in logs}
        rows.append({**row, **{name: value for name, value in logs.items() if name.startswith(HELD_OUT_PREFIX)}})
    rows[-1] |= held_out_metrics(result.after)
    return rows


class PairTrainer(ScheduledTrainer):
    """Mixin before TRL's trainers on pairs: tokenized datasets, and metrics of ours in the logs of a step."""

    evaluate_held_out: Callable[[], Mapping[str, float]]
    """Metrics of the held-out pairs."""
    eval_every = 0
    """Steps between evaluations of the held-out pairs; 0 for none."""
    state: Any

    def step_metrics(self) -> Mapping[str, float]:
        """Further metrics of the step that ended."""
        return {}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what TRL logs and our metrics. The held-out pairs are evaluated elsewhere after the last step."""
        step = self.state.global_step
        if "loss" in logs:
            logs |= self.step_metrics()
            if self.eval_every and step % self.eval_every == 0 and step < self.state.max_steps:
                logs |= self.evaluate_held_out()
        super().log(logs, start_time)  # type: ignore[misc]

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """Return the dataset, which is tokenized already."""
        return dataset
