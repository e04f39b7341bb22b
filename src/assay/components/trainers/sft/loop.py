"""Supervised fine-tuning with TRL's SFTTrainer in this process, from token rows to a saved model.

On a CPU we differ from TRL's defaults in four ways that leave the loss unchanged: the rows of a step are packed without
padding, attention is computed row by row, logits are computed for answer tokens only, and the frozen layers are cast to
bfloat16 once. `benchmarks/sft.py` measures the speed-up. Importing this imports TRL, which takes seconds.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from assay.components.trainers.language_model import (
    cast_linear_layers,
    load_model,
    load_tokenizer,
    lora_config,
    save_tuned,
    supports_packing,
    trainable_parameters,
    use_per_row_attention,
)
from assay.components.trainers.training_run import History, Progress, TrainingConfig, training_run
from assay.components.trainers.trl_common import ScheduledTrainer, StepCallback, configure, train, trl_arguments
from assay.core.errors import RecipeError
from assay.models.references import Checkpoint, locate


@dataclass(frozen=True)
class SFTJob:
    """Everything that determines the trained weights but versions and machine; sent to other processes as JSON."""

    config: TrainingConfig
    batch_size: int
    """Bins per step, over all processes."""
    processes: int
    rows: tuple[tuple[int, ...], ...]
    """Token ids."""
    starts: tuple[int, ...]
    """Index of the first answer token of each row."""
    bins: tuple[tuple[int, ...], ...]
    """Indices of the rows of each bin; `batch_size` bins make a step."""

    @property
    def digest(self) -> str:
        """Identifies the training, for its checkpoints."""
        return self.config.digest((self.batch_size, self.processes, self.rows, self.starts, self.bins))


@dataclass(frozen=True)
class SFTResult:
    """Result of a training."""

    history: History
    trained: int
    """Number of trainable parameters."""


def tune(job: SFTJob, progress: Progress) -> SFTResult:
    """Train, resuming from the last checkpoint, and save `model/` in the job's folder.

    Raises:
        RecipeError: The loss is not finite, or memory ran out.
        ModelError: The model cannot be loaded.
    """
    config, checkpoint = job.config, locate(job.config.model)
    with training_run(config.model, "Use a smaller batch_size or max_length, or method: lora."):
        trainer = _trainer(job, checkpoint, progress)
        _, history = train(trainer, config)
        if trainer.is_world_process_zero():
            save_tuned(checkpoint, trainer.model, Path(config.folder) / "model")
    return SFTResult(history, trainable_parameters(trainer.model))


def _trainer(job: SFTJob, checkpoint: Checkpoint, progress: Progress) -> AnswerTrainer:
    config, gpu = job.config, torch.cuda.is_available()
    if gpu and job.processes == 1 and torch.cuda.device_count() > 1:
        hint = "Set SFT.processes to their number, or CUDA_VISIBLE_DEVICES to one of them."
        raise RecipeError(f"One process trains on one GPU, and {torch.cuda.device_count()} are visible.", hint=hint)
    model = load_model(checkpoint)
    packs = supports_packing(model)
    if packs and not gpu:
        use_per_row_attention(model)
    if config.rank and config.bf16:
        cast_linear_layers(model)
    bins = sorted(set(job.bins))
    index = {rows: nth for nth, rows in enumerate(bins)}
    trainer = AnswerTrainer(
        model=model,
        args=_arguments(job),
        train_dataset=Dataset.from_list([_example(job, rows) for rows in bins]).select([index[b] for b in job.bins]),
        processing_class=load_tokenizer(checkpoint),
        data_collator=Collator(packs),
        callbacks=[StepCallback(progress)],
        peft_config=lora_config(config.rank, config.alpha),
    )
    trainer.answers_only = packs and not gpu and "logits_to_keep" in inspect.signature(type(model).forward).parameters
    configure(trainer, config)
    return trainer


def _example(job: SFTJob, bin_: tuple[int, ...]) -> dict[str, list[int]]:
    rows = [(job.rows[place], job.starts[place]) for place in bin_]
    return {
        "input_ids": [token for ids, _ in rows for token in ids],
        "labels": [token if nth >= start else -100 for ids, start in rows for nth, token in enumerate(ids)],
        "seq_lengths": [len(ids) for ids, _ in rows],
    }


def _arguments(job: SFTJob) -> SFTConfig:
    return SFTConfig(
        **trl_arguments(job.config),
        per_device_train_batch_size=job.batch_size // job.processes,
        max_length=None,
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        ddp_find_unused_parameters=False,
    )


class AnswerTrainer(ScheduledTrainer, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that can compute logits for answer tokens only."""

    answers_only = False
    """Whether to do so. TRL's own kernel needs Triton, which a CPU lacks."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy over the answer tokens of all processes, as in TRL."""
        if not self.answers_only:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")[0, 1:]
        places = (labels != -100).nonzero().flatten()
        logits = model(**inputs, use_cache=False, logits_to_keep=places).logits[0].float()
        total = torch.nn.functional.cross_entropy(logits, labels[places], reduction="sum")
        # Gradients are averaged over processes; the number of tokens is that of all processes.
        return total * self.accelerator.num_processes / num_items_in_batch


class Collator:
    """Makes a batch of bins: all rows packed into one sequence without padding, or one padded row each."""

    def __init__(self, packs: bool) -> None:
        self.packs = packs
        # The attention mask covers padding.
        self._collator = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=packs)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors, as TRL's collator makes them."""
        batch: dict[str, Any] = self._collator(list(examples if self.packs else map(dict, _unpacked(examples))))
        return batch


def _unpacked(examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for example in examples:
        start = 0
        for length in example["seq_lengths"]:
            rows.append({name: example[name][start : start + length] for name in ("input_ids", "labels")})
            start += length
    return rows
