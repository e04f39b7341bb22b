"""One reinforcement by TRL's GRPOTrainer, in this process: from prompts to a folder that transformers loads.

What LoRA leaves alone is halved once, and on a CPU logits are made for answers alone; TRL does neither, to the same
numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.components.trainers.reinforcement.grpo_rewards import Panel
from assay.components.trainers.sft.loop import share_of_rate
from assay.components.trainers.sft.model import adapter, cast_once, halve, loaded, save, tokenizer_of, trainable
from assay.components.trainers.training_run import (
    CHECKPOINTS,
    Tell,
    history_of,
    hushed,
    last_whole,
    log_of,
    made_for,
    randomness_kept,
    short_memory_told,
)
from assay.core.curves import REWARD, WATCH, Curves, curves_of
from assay.core.errors import RecipeError
from assay.models.references import Checkpoint, locate

Row = Mapping[str, float | None]


@dataclass(frozen=True)
class Job:
    """All that a reinforcement depends on but versions and machine."""

    model: str
    """Reference of the start, which is the reference model too."""
    folder: str
    """Where everything is written."""
    steps: int
    answers: int
    """Of a prompt in a step."""
    batch: int
    """Answers that are looked at at once."""
    iterations: int
    """Steps on the same answers."""
    max_tokens: int
    temperature: float
    rate: float
    warmup: float
    rank: int
    """Of LoRA; 0 to train all weights."""
    alpha: float
    half: bool
    """Whether matrices are multiplied in bfloat16."""
    beta: float
    clip: float
    loss: str
    scale: str
    seed: int
    save_every: int
    rows: tuple[tuple[int, ...], ...]
    """Tokens of each prompt."""
    order: tuple[int, ...]
    """Places of prompts, step after step; as many in each."""
    rewards: tuple[tuple[str, float, str], ...]
    """Name, weight, and the scorer in words."""
    watch: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]
    """Ids of the tasks, in the order of `rows`."""

    @property
    def prompts(self) -> int:
        """Of a step."""
        return len(self.order) * self.iterations // self.steps

    @property
    def digest(self) -> str:
        """Of everything but the folder, and of the start's files: what a checkpoint must have been made for."""
        return made_for(self.model, replace(self, folder=""))


@dataclass(frozen=True)
class Reinforced:
    """What came of it."""

    history: list[tuple[int, float, float]]
    """Step, loss, rate."""
    curves: Curves
    trained: int
    """Parameters that were trained."""
    unread: int
    """Answers that got the lowest reward because a scorer could read nothing."""
    unrewarded: int
    """Answers that took no part because a scorer failed."""


def reinforce(job: Job, panel: Panel, tell: Tell) -> Reinforced:
    """Does `job`, going on from its last checkpoint where it was interrupted, and leaves `model/` in its folder.

    Raises:
        RecipeError: The loss is no longer finite, no answer of a step can be rewarded, rewards never differ, or memory
            is short.
        ModelError: The model cannot be loaded.
    """
    from transformers import set_seed

    start = locate(job.model)
    with hushed(), randomness_kept():
        with short_memory_told(job.model, "A smaller GRPO.batch needs less; so does method lora."):
            set_seed(job.seed % 2**32)  # LoRA's matrices are drawn before the Trainer seeds anything
            trainer = _trainer(job, panel, start, tell)
            trainer.train(resume_from_checkpoint=last_whole(Path(job.folder)))
        rows = log_of(trainer, job.steps)
        save(start, trainer.model, Path(job.folder) / "model")
    return Reinforced(
        history_of(rows),
        curves_of([_watched(row) for row in rows]),
        trainable(trainer.model),
        _total(rows, "unread "),
        _total(rows, "unrewarded"),
    )


def _watched(row: Row) -> dict[str, float]:
    """What TRL logged of a step, in the words of `core.curves`."""
    found: dict[str, float | None] = {
        "step": row["step"],
        "reward": row.get("reward"),
        "kl": row.get("answer kl"),
        "length": row.get("completions/mean_length"),
        "entropy": row.get("entropy"),
        "alike": row.get("alike"),
        "clipped": row.get("clip_ratio/region_mean"),
    }
    if (cut := row.get("completions/clipped_ratio")) is not None:
        found["ended"] = 1 - cut
    for name, value in sorted(row.items()):  # a checkpoint sorts what was logged before it
        if name.startswith("rewards/") and name.endswith("/mean"):
            found[REWARD + name.removeprefix("rewards/").removesuffix("/mean")] = value
        elif name.startswith(WATCH):
            found[name] = value
    return {name: float(value) for name, value in found.items() if value is not None}


def _total(rows: list[dict[str, float]], name: str) -> int:
    return round(sum(value for row in rows for key, value in row.items() if key.startswith(name)))


def _trainer(job: Job, panel: Panel, start: Checkpoint, tell: Tell) -> Any:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback

    from assay.components.trainers.reinforcement.grpo_trl import Judging, Reinforcer, reward_function

    gpu = torch.cuda.is_available()
    if gpu and torch.cuda.device_count() > 1:
        hint = "Set CUDA_VISIBLE_DEVICES to one of them."
        raise RecipeError(f"GRPO trains on one GPU, and sees {torch.cuda.device_count()}.", hint=hint)
    model = loaded(start)
    if job.rank and job.half:
        halve(model)
    trainer = Reinforcer(
        model=model,
        args=_settings(job, gpu=gpu),
        train_dataset=Dataset.from_dict({"prompt": [str(place) for place in job.order]}),
        processing_class=tokenizer_of(start),
        reward_funcs=[reward_function(name, panel) for name, _, _ in job.rewards],
        callbacks=[Judging(tell)],
        peft_config=adapter(job.rank, job.alpha),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.share = lambda step: share_of_rate(step, job.steps, job.warmup)
    trainer.asked, trainer.panel = job.rows, panel
    trainer.answers_only = not gpu and "logits_to_keep" in inspect.signature(type(model).forward).parameters
    if not job.rank:
        trainer.refer(loaded(start), job.beta)
    if job.half:
        cast_once(trainer.model)
    return trainer


def _settings(job: Job, *, gpu: bool) -> Any:
    from trl import GRPOConfig

    # A checkpoint holds no answers: one between two steps on the same answers could not be gone on from.
    every = -(-job.save_every // job.iterations) * job.iterations
    return GRPOConfig(
        output_dir=str(Path(job.folder) / CHECKPOINTS),
        max_steps=job.steps,
        per_device_train_batch_size=job.batch,
        gradient_accumulation_steps=job.prompts * job.answers // job.batch,
        num_generations=job.answers,
        num_iterations=job.iterations,
        max_completion_length=job.max_tokens,
        temperature=job.temperature,
        beta=job.beta if job.rank else 0.0,
        epsilon=job.clip,
        loss_type=job.loss,
        scale_rewards=job.scale,
        reward_weights=[weight for _, weight, _ in job.rewards],
        learning_rate=job.rate,
        weight_decay=0.0,
        bf16=job.half,
        use_cpu=not gpu,
        seed=job.seed % 2**32,
        shuffle_dataset=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=gpu,
        save_strategy="steps" if job.save_every else "no",
        save_steps=every or job.steps,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
