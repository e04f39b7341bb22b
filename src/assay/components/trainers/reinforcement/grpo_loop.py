"""Group relative policy optimization with TRL's GRPOTrainer, from prompts to a saved model.

We differ from TRL in two ways that leave the numbers unchanged: frozen layers are cast to bfloat16 once, and on a CPU
logits are computed for answer tokens only. Importing this imports TRL, which takes seconds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from assay.components.trainers.language_model import (
    cast_linear_layers,
    load_model,
    load_tokenizer,
    lora_config,
    save_tuned,
    trainable_parameters,
)
from assay.components.trainers.reinforcement.rewards import ScorerRewards, mean_score, scorer_rewards
from assay.components.trainers.training_run import History, Progress, TrainingConfig, training_run
from assay.components.trainers.trl_common import (
    ScheduledTrainer,
    StepCallback,
    check_one_gpu,
    configure,
    train,
    trl_arguments,
)
from assay.core.curves import REWARD_PREFIX, WATCH_PREFIX, Curves, curves_of
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.models.references import Checkpoint, locate

EQUAL_REWARD_STEPS = 10
"""Steps without any difference between the rewards of a group after which training stops with an error."""
TOLERANCE = 1e-6
"""Rewards that differ by less are equal."""


@dataclass(frozen=True)
class GRPOJob:
    """Everything that determines the trained weights but versions and machine; fields as of `GRPO`."""

    config: TrainingConfig
    num_generations: int
    batch_size: int
    num_iterations: int
    max_tokens: int
    temperature: float
    beta: float
    clip_range: float
    loss_type: str
    scale_rewards: str
    rows: tuple[tuple[int, ...], ...]
    """Tokens of each prompt."""
    order: tuple[int, ...]
    """Indices of prompts, the same number in each step."""
    rewards: tuple[tuple[str, float, str], ...]
    """Name, weight and representation of each scorer."""
    watch: tuple[tuple[str, str], ...]
    """Name and representation of each scorer."""
    tasks: tuple[str, ...]
    """Ids of the tasks, in the order of `rows`."""

    @property
    def prompts_per_step(self) -> int:
        """Prompts per step."""
        return len(self.order) * self.num_iterations // self.config.steps

    @property
    def digest(self) -> str:
        """Identifies the training, for its checkpoints."""
        return self.config.digest(tuple(value for name, value in vars(self).items() if name != "config"))


@dataclass(frozen=True)
class GRPOResult:
    """Result of a training."""

    history: History
    curves: Curves
    trained: int
    """Number of trainable parameters."""
    unread: int
    """Lowest rewards given because a scorer could not parse an answer."""
    unrewarded: int
    """Answers excluded because a scorer failed."""


@dataclass(frozen=True)
class RewardPanel:
    """The scorers of a training and the tasks that are answered."""

    rewards: Mapping[str, Scorer]
    watch: Mapping[str, Scorer]
    tasks: Sequence[Sample]
    lab: Lab
    reasons: dict[str, None] = field(default_factory=dict)
    """Reasons of scorer failures so far."""

    def score(self, kind: str, name: str, places: Sequence[int], texts: Sequence[str]) -> ScorerRewards:
        """Rewards by the scorer `name` among "rewards" or "watch" of answers to the tasks at these indices."""
        scorer = (self.rewards if kind == "rewards" else self.watch)[name]
        answers = [
            Sample({**task.fields, "text": text.strip()}, parents=(task.id,), made_by="GRPO")
            for task, text in zip([self.tasks[place] for place in places], texts, strict=True)
        ]
        rewards = scorer_rewards(f"GRPO.{kind}.{name}", scorer, answers, self.lab)
        self.reasons.update(dict.fromkeys(f"{name}: {reason}" for reason in rewards.reasons))
        return rewards


def reinforce(job: GRPOJob, panel: RewardPanel, progress: Progress) -> GRPOResult:
    """Train, resuming from the last checkpoint, and save `model/` in the job's folder.

    Raises:
        RecipeError: The loss is not finite, no answer of a step has a reward, rewards never differ, memory ran out, or
            several GPUs are visible.
        ModelError: The model cannot be loaded.
    """
    config, checkpoint = job.config, locate(job.config.model)
    check_one_gpu("GRPO")
    with training_run(config.model, "Use a smaller GRPO.batch_size, or method: lora."):
        set_seed(config.torch_seed)  # LoRA's matrices are initialized before the Trainer sets a seed
        trainer = _trainer(job, panel, checkpoint, progress)
        logs, history = train(trainer, config)
        save_tuned(checkpoint, trainer.model, Path(config.folder) / "model")
    return GRPOResult(
        history,
        curves_of([_curve_row(row) for row in logs]),
        trainable_parameters(trainer.model),
        _total(logs, "unread "),
        _total(logs, "unrewarded"),
    )


def _curve_row(logs: Mapping[str, float | None]) -> dict[str, float]:
    """TRL's logs of a step by the names of our curves."""
    row: dict[str, float | None] = {
        "step": logs["step"],
        "reward": logs.get("reward"),
        "kl": logs.get("answer kl"),
        "length": logs.get("completions/mean_length"),
        "entropy": logs.get("entropy"),
        "alike": logs.get("alike"),
        "clipped": logs.get("clip_ratio/region_mean"),
    }
    if (truncated := logs.get("completions/clipped_ratio")) is not None:
        row["ended"] = 1 - truncated
    for name, value in sorted(logs.items()):  # a checkpoint sorts what was logged before it
        if name.startswith("rewards/") and name.endswith("/mean"):
            row[REWARD_PREFIX + name.removeprefix("rewards/").removesuffix("/mean")] = value
        elif name.startswith(WATCH_PREFIX):
            row[name] = value
    return {name: float(value) for name, value in row.items() if value is not None}


def _total(logs: list[dict[str, float]], prefix: str) -> int:
    return round(sum(value for row in logs for name, value in row.items() if name.startswith(prefix)))


def _trainer(job: GRPOJob, panel: RewardPanel, checkpoint: Checkpoint, progress: Progress) -> RewardedTrainer:
    config = job.config
    model = load_model(checkpoint)
    if config.rank and config.bf16:
        cast_linear_layers(model)
    trainer = RewardedTrainer(
        model=model,
        args=_arguments(job),
        train_dataset=Dataset.from_dict({"prompt": [str(place) for place in job.order]}),
        processing_class=load_tokenizer(checkpoint),
        reward_funcs=[_reward_function(name, panel) for name, _, _ in job.rewards],
        callbacks=[RewardCallback(progress)],
        peft_config=lora_config(config.rank, config.alpha),
    )
    trainer.prompt_ids, trainer.panel = job.rows, panel
    cpu = not torch.cuda.is_available()
    trainer.answers_only = cpu and "logits_to_keep" in inspect.signature(type(model).forward).parameters
    if not config.rank:
        trainer.set_reference(load_model(checkpoint), job.beta)
    configure(trainer, config)
    return trainer


def _arguments(job: GRPOJob) -> GRPOConfig:
    config = job.config
    # A checkpoint holds no answers, so a run cannot resume between two iterations on the same answers.
    save_steps = -(-config.save_every // job.num_iterations) * job.num_iterations
    return GRPOConfig(
        **{**trl_arguments(config), "save_steps": save_steps or config.steps},
        per_device_train_batch_size=job.batch_size,
        gradient_accumulation_steps=job.prompts_per_step * job.num_generations // job.batch_size,
        num_generations=job.num_generations,
        num_iterations=job.num_iterations,
        max_completion_length=job.max_tokens,
        temperature=job.temperature,
        beta=job.beta if config.rank else 0.0,
        epsilon=job.clip_range,
        loss_type=job.loss_type,
        scale_rewards=job.scale_rewards,
        reward_weights=[weight for _, weight, _ in job.rewards],
        shuffle_dataset=False,
    )


def _reward_function(name: str, panel: RewardPanel) -> Callable[..., list[float | None]]:
    """A scorer in the form of TRL's reward functions."""

    def reward(*, prompts: list[str], completions: list[str], log_metric: Any, **_: Any) -> list[float | None]:
        rewards = panel.score("rewards", name, [int(prompt) for prompt in prompts], completions)
        log_metric(f"unread {name}", rewards.unread)
        log_metric(f"failed {name}", rewards.failed)
        return list(rewards.values)

    reward.__name__ = name
    return reward


class RewardedTrainer(ScheduledTrainer, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with tokenized prompts, further metrics, and logits for answer tokens only.

    A prompt is given as its index in `prompt_ids`, so that training uses exactly the tokens used in inference.
    """

    prompt_ids: Sequence[Sequence[int]]
    panel: RewardPanel
    answers_only = False
    """Whether logits are computed for answer tokens only. TRL's own kernel needs Triton, which a CPU lacks."""
    _log_probs: torch.Tensor

    def set_reference(self, model: Any, beta: float) -> None:
        """Use `model` as reference. TRL would load it by path, which does not work for a GGUF file."""
        add_fused_lm_head(model, temperature=self.temperature)
        self.ref_model = self.accelerator.prepare_model(model.eval().requires_grad_(False), evaluation_mode=True)
        self.beta = beta

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [list(self.prompt_ids[int(prompt)]) for prompt in prompts], None, {}

    def _generate_single_turn(self, *rows: Any, **more: Any) -> Any:
        """Generate in the precision of training."""
        with self.accelerator.autocast():
            return super()._generate_single_turn(*rows, **more)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """TRL's rewards; an answer without one of its rewards is excluded."""
        rewards: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        rewards[rewards.isnan().any(1)] = torch.nan
        if rewards.isnan().all():
            reasons = "; ".join(reason.removesuffix(".") for reason in list(self.panel.reasons)[:3])
            answers, step = len(rewards), self.state.global_step + 1
            raise RecipeError(
                f"None of the {answers} answers of step {step} could be rewarded: {reasons}.",
                answers=answers,
                step=step,
                reasons=tuple(self.panel.reasons),
            )
        groups = (rewards * self.reward_weights.to(rewards)).sum(1).view(-1, self.num_generations)
        spread = groups.nan_to_num(-torch.inf).amax(1) - groups.nan_to_num(torch.inf).amin(1)
        metrics = self._metrics["train"]
        metrics["alike"].append((spread < TOLERANCE).float().mean().item())
        metrics["unrewarded"].append(rewards[:, 0].isnan().sum().item())
        places = [int(prompt) for prompt in prompts]
        for name, scorer in self.panel.watch.items():
            scores = self.panel.score("watch", name, places, completions).values
            if values := [value for value in scores if value is not None]:
                metrics[f"{WATCH_PREFIX}{name}"].append(mean_score(scorer, values))
        return rewards

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, batch_size: Any = None, **more: Any
    ) -> Any:
        """TRL's, or with logits for answer tokens only. Shape: (answers, tokens), twice; (), or None."""
        if not self.answers_only:
            outputs = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, **more
            )
            self._log_probs = outputs[0].detach()
            return outputs
        size = batch_size or len(input_ids)
        parts = [
            self._answer_log_probs(model, ids, mask, logits_to_keep)
            for ids, mask in zip(input_ids.split(size), attention_mask.split(size), strict=True)
        ]
        log_probs, entropies = (torch.cat(part) for part in zip(*parts, strict=True))
        self._log_probs = log_probs.detach()
        return log_probs, entropies if more.get("compute_entropy") else None, None

    def _answer_log_probs(self, model: Any, ids: Any, mask: Any, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies of the last `count` tokens; shape: (answers, tokens) each."""
        with self.accelerator.autocast():
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=count + 1).logits
        logs = (logits[:, -count - 1 : -1].float() / self.temperature).log_softmax(-1)
        log_probs = logs.gather(-1, ids[:, -count:, None])[..., 0]
        with torch.no_grad():
            entropies = -(logs.exp() * logs).sum(-1)
        return log_probs, entropies

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        """TRL's loss; the KL divergence is logged as a sum over each answer, too, not only as a mean over tokens."""
        loss = super()._compute_loss(model, inputs)
        log_ratio = inputs["ref_per_token_logps"] - self._log_probs
        sums = ((log_ratio.exp() - log_ratio - 1) * inputs["completion_mask"]).sum(1)
        self._metrics["train"]["answer kl"].append(sums.mean().item())
        return loss


class RewardCallback(StepCallback):
    """Also refuses rewards that never differ."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **more: Any) -> None:
        """Check the loss and the rewards."""
        super().on_log(args, state, control, logs, **more)
        alike = [row["alike"] for row in state.log_history if "alike" in row]
        enough = len(alike) == EQUAL_REWARD_STEPS or state.global_step >= state.max_steps
        if alike and enough and min(alike[:EQUAL_REWARD_STEPS]) == 1:
            means = [row["reward"] for row in state.log_history if "reward" in row]
            mean = sum(means) / len(means)
            raise RecipeError(
                f"In {len(alike)} steps all answers to each prompt had equal rewards (mean reward {mean:.3g}): there "
                "is nothing to learn.",
                hint="Start from a model that sometimes succeeds, such as one tuned by SFT, or use easier or harder "
                "tasks.",
                steps=len(alike),
                reward=mean,
            )
