"""What our subclasses of TRL's trainers share: learning-rate schedule, arguments, callback, no telemetry.

Importing this imports torch and transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from assay.components.trainers.language_model import skip_input_casts
from assay.components.trainers.training_run import (
    CHECKPOINTS,
    History,
    Progress,
    TrainingConfig,
    history_of,
    last_complete_checkpoint,
    step_logs,
)
from assay.core.errors import RecipeError

LOWER_RATE = "A lower learning rate may help."


class ScheduledTrainer:
    """Mixin before a TRL trainer: warmup and cosine decay, no model card, no telemetry."""

    schedule: Callable[[int], float]
    """Fraction of the peak learning rate in each step."""
    optimizer: Any

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Scheduler of `schedule`."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.schedule)
        return self.lr_scheduler

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing: checkpoints are removed at the end."""

    def _send_telemetry(self) -> None:
        """Send nothing."""


class StepCallback(TrainerCallback):  # type: ignore[misc]
    """Reports each step, refuses a loss that is not finite, and saves no checkpoint after the last step."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report the step."""
        if state.global_step >= state.max_steps:
            control.should_save = False
        self.progress(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Check the loss."""
        if logs and not math.isfinite(value := logs.get("loss", 0.0)):
            step = state.global_step
            raise RecipeError(f"The loss was {value} at step {step}.", hint=LOWER_RATE, step=step, loss=value)


def warmup_cosine(step: int, steps: int, warmup_ratio: float) -> float:
    """Fraction of the peak learning rate in step `step`, counted from 0: linear warmup, cosine decay, never 0."""
    warmup = round(warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def check_one_gpu(owner: str) -> None:
    """Check that at most one GPU is visible.

    Raises:
        RecipeError: There are more.
    """
    if (count := torch.cuda.device_count()) > 1:
        hint = "Set CUDA_VISIBLE_DEVICES to one of them."
        raise RecipeError(f"{owner} trains on one GPU, and {count} are visible.", hint=hint)


def trl_arguments(config: TrainingConfig) -> dict[str, Any]:
    """Arguments that SFTConfig, RewardConfig, DPOConfig and GRPOConfig share."""
    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(Path(config.folder) / CHECKPOINTS),
        "max_steps": config.steps,
        "learning_rate": config.learning_rate,
        "weight_decay": 0.0,
        "bf16": config.bf16,
        "use_cpu": not gpu,
        "seed": config.torch_seed,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": gpu,
        "save_strategy": "steps" if config.save_every else "no",
        "save_steps": config.save_every or config.steps,
        "save_total_limit": 1,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def configure(trainer: Any, config: TrainingConfig) -> None:
    """Set the schedule of a TRL trainer, silence it, and let autocast alone cast LoRA's inputs."""
    trainer.remove_callback(PrinterCallback)
    trainer.schedule = lambda step: warmup_cosine(step, config.steps, config.warmup_ratio)
    if config.bf16:
        skip_input_casts(trainer.model)


def train(trainer: Any, config: TrainingConfig) -> tuple[list[dict[str, float]], History]:
    """Train, resuming from the last checkpoint; the logs and the history of all steps."""
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(Path(config.folder)))
    logs = step_logs(trainer, config.steps)
    return logs, history_of(logs)
