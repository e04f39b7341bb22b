"""Group relative policy optimization (GRPO): reinforcement learning from verifiable rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from assay.components.trainers.checks import (
    HELD_OUT,
    METHOD,
    WARMUP_RATIO,
    check_fields,
    check_model,
    check_samples,
    split_held_out,
    weights_digest,
)
from assay.components.trainers.reinforcement.rewards import HeldOutEvaluation, check_scorers, check_weights
from assay.components.trainers.sft.rows import row_order
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.requests import encode_prompt
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.grpo_loop import GRPOJob, GRPOResult

LossType = Literal["grpo", "bnpo", "dr_grpo", "dapo"]


@dataclass(frozen=True)
class GRPO:
    """Tune a language model by the rewards of its own answers for exactly `steps` steps and keep the last weights.

    In each step the model samples `num_generations` answers to each of `prompts_per_step` tasks. Scorers reward every
    answer, and answers with a higher reward than the others of their group become more probable: group relative policy
    optimization (Shao et al. 2024, "DeepSeekMath", section 4.1), as for DeepSeek-R1 (Guo et al. 2025), with a KL
    penalty towards the start. The implementation is TRL's GRPOTrainer. Prompts are encoded with the checkpoint's chat
    template, as in `assay ask`; only the rewards see the reference answers of the tasks. The start must succeed
    sometimes: answers that are never sampled are never reinforced.

    A reward is any scorer of the field `text` and the task's own fields. Its sign is flipped if lower is better. An
    answer that a scorer cannot parse gets the lowest value of its scale and is counted as "unread"; an answer for which
    a scorer fails, as by a timeout, is excluded and counted as "unrewarded".

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process,
    also if the training is interrupted and resumes from its last checkpoint. Files in `lab.workspace()`: `model/`, full
    weights in the dtype of the start with configuration, tokenizer and chat template; `history.json`, rows of [step,
    loss, learning rate]; `curves.json`, the metrics of each step; and, with held-out prompts, `held-out-rewards.json`,
    the rewards of greedy answers to them before and after training.

    Raises, when trained: RecipeError (no usable samples, rewards that never differ or always fail, a loss that is not
    finite, out of memory), FieldError, ModelError.
    """

    rewards: Mapping[str, Scorer]
    """Scorers by name; their weighted sum is the reward."""
    model: str = "embedded:smollm2"
    """Reference of the start, which is also the reference model of the KL penalty."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of rewards; 1 by default."""
    watch: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers that are logged at each step but not trained on; they reveal reward hacking."""
    steps: int = 100
    prompts_per_step: int = 8
    num_generations: int = 8
    """Answers per prompt, the size of a group."""
    batch_size: int | None = None
    """Answers per forward and backward pass; all of a step if None. Smaller batches need less memory."""
    num_iterations: int = 1
    """Steps on the same answers. Above 1, `clip_range` limits the later ones."""
    max_tokens: int = 256
    """Maximum number of tokens of an answer; longer ones are truncated."""
    temperature: float = 1.0
    """Sampling temperature of the answers."""
    learning_rate: float = 5e-5
    """Peak learning rate. LoRA needs more than full fine-tuning."""
    warmup_ratio: float = 0.1
    """Fraction of the steps with linear warmup."""
    beta: float = 0.001
    """Weight of the KL penalty; above 0, as the divergence is logged anyway. DeepSeek-R1 uses 0.001."""
    clip_range: float = 0.2
    """Clipping range of the ratio of new to old token probabilities (epsilon)."""
    loss_type: LossType = "dapo"
    """Averaging of token losses: per answer first ("grpo"); over all tokens of a batch ("bnpo") or of a step ("dapo",
    Yu et al. 2025); or divided by `max_tokens` ("dr_grpo", Liu et al. 2025), which has no length bias."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Standard deviation by which centered rewards are divided: that of the group, of the step, or none."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on all linear layers but the output layer, merged at the end; or full fine-tuning."""
    rank: int = 16
    """Rank of LoRA."""
    alpha: float = 32.0
    """LoRA's update is scaled by alpha / rank."""
    max_length: int = 512
    """Maximum number of tokens of a prompt; tasks with longer ones are dropped and counted as "too long"."""
    held_out: float = 0.0
    """Fraction of the prompts that are held out; greedy answers to them are rewarded before and after training."""
    system: str = ""
    """System message; if empty, the template's default, if it has one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; "auto" is bfloat16 if the hardware supports it. Sums are float32."""
    save_every: int = 10
    """Steps between checkpoints, rounded up to a multiple of `num_iterations`; 0 for none. Removed at the end."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS, _CHOICES)
        if not self.rewards:
            raise ValueError("GRPO.rewards must hold at least one reward, was empty.")
        check_weights("GRPO.weights", self.rewards, self.weights)
        answers = self.prompts_per_step * self.num_generations
        if self.batch_size is not None and not (self.batch_size >= 1 and answers % self.batch_size == 0):
            raise ValueError(f"GRPO.batch_size must divide the {answers} answers of a step, was {self.batch_size}.")
        if self.steps % self.num_iterations:
            raise ValueError(
                f"GRPO.steps must be a multiple of num_iterations, {self.num_iterations}, was {self.steps}."
            )

    def base(self, lab: Lab) -> str:
        """Reference of the model before training."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether a sample has an instruction."""
        return bool(str(sample.fields.get(self.instruction, "")).strip())

    @property
    def _lora_rank(self) -> int:
        return self.rank if self.method == "lora" else 0

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that the model can be trained as configured, and by these rewards.

        Raises:
            ModelError: A training library is not installed, the model does not exist, or it has no chat template.
            RecipeError: The rank or the lengths exceed what the model supports, or a scorer cannot be a reward.
        """
        check_scorers("GRPO.rewards", self.rewards, lab)
        check_scorers("GRPO.watch", self.watch, lab)
        check_model("GRPO", self.model, self.max_length, self._lora_rank, self.max_tokens)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        check_samples("GRPO", samples)
        self.check((), lab)
        from assay.components.trainers.reinforcement import grpo_loop
        from assay.components.trainers.training_run import (
            ignore_progress,
            prepare_checkpoints,
            remove_checkpoints,
            write_history,
        )

        training, held_out = split_held_out(samples, self.held_out)
        tasks, rows = self._rows(training)
        job = self._job(tasks, rows, lab)
        prepare_checkpoints(lab.workspace(), job.digest)
        panel = grpo_loop.RewardPanel(self.rewards, self.watch, tasks, lab)
        result = grpo_loop.reinforce(job, panel, lab.progress or ignore_progress)
        write_history(lab.workspace(), result.history, result.curves)
        prompts, greedy = [(sample, self._prompt(sample)) for sample in held_out], Decoding(max_tokens=self.max_tokens)
        evaluation = HeldOutEvaluation("GRPO", self.rewards, self.weights, prompts, greedy)
        evaluation.write(self.model, lab.workspace(), lab)
        remove_checkpoints(lab.workspace())
        folder = lab.workspace() / "model"
        counts = {"held out": len(held_out), "too long": len(training) - len(tasks)}
        facts = {"steps": len(result.history), "samples": len(samples), **counts, **_facts(job, result)}
        return Artifact(str(folder), "text-model", weights_digest(folder), facts)

    def _job(self, tasks: Sequence[Sample], rows: tuple[tuple[int, ...], ...], lab: Lab) -> GRPOJob:
        from assay.components.trainers.reinforcement.grpo_loop import GRPOJob
        from assay.components.trainers.training_run import training_config

        count = self.steps // self.num_iterations * self.prompts_per_step
        return GRPOJob(
            config=training_config(self, lab, rank=self._lora_rank, warmup_ratio=self.warmup_ratio),
            num_generations=self.num_generations,
            batch_size=self.batch_size or self.prompts_per_step * self.num_generations,
            num_iterations=self.num_iterations,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            beta=self.beta,
            clip_range=self.clip_range,
            loss_type=self.loss_type,
            scale_rewards=self.scale_rewards,
            rows=rows,
            order=tuple(islice(row_order([(1.0, range(len(rows)))], lab.seed), count)),
            rewards=tuple((name, self.weights.get(name, 1.0), repr(scorer)) for name, scorer in self.rewards.items()),
            watch=tuple((name, repr(scorer)) for name, scorer in self.watch.items()),
            tasks=tuple(task.id for task in tasks),
        )

    def _rows(self, samples: Sequence[Sample]) -> tuple[list[Sample], tuple[tuple[int, ...], ...]]:
        """Tasks whose prompt is short enough, and the tokens of their prompts."""
        from assay.components.trainers.language_model import load_tokenizer

        tokenizer = load_tokenizer(locate(self.model))
        rows = [tuple(encode_prompt(tokenizer, self._prompt(sample), self.model)) for sample in samples]
        short = [(sample, row) for sample, row in zip(samples, rows, strict=True) if len(row) <= self.max_length]
        if not short:
            raise RecipeError(
                f"None of {len(samples)} prompts fits into {self.max_length} tokens.",
                hint="Raise GRPO.max_length.",
                name="GRPO.max_length",
                samples=len(samples),
                value=self.max_length,
            )
        return [sample for sample, _ in short], tuple(row for _, row in short)

    def _prompt(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(
            sample, instruction=self.instruction, input=self.input, history=self.history, system=self.system
        )


def _facts(job: GRPOJob, result: GRPOResult) -> dict[str, float]:
    return {
        "seen": len(job.order) * job.num_generations,
        **_first_and_last(result.curves.values),
        "unread": result.unread,
        "unrewarded": result.unrewarded,
        "trained parameters": result.trained,
    }


def _first_and_last(curves: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """Mean reward of the first and of the last fifth of the steps, and mean KL divergence of the last fifth."""
    means = dict[str, float]()
    for fact, name, last in (
        ("first reward", "reward", False),
        ("last reward", "reward", True),
        ("last kl", "kl", True),
    ):
        values = [value for value in curves.get(name, ()) if value is not None]
        size = max(1, len(values) // 5)
        part = values[-size:] if last else values[:size]
        if part:
            means[fact] = sum(part) / len(part)
    return means


_BOUNDS = (
    ("prompts_per_step", 1, 10**6),
    ("num_generations", 2, 10**6),
    ("num_iterations", 1, 10**6),
    ("max_tokens", 1, 10**7),
    ("temperature", 1e-3, 100.0),
    WARMUP_RATIO,
    ("beta", 1e-12, 1e3),
    ("clip_range", 1e-6, 1.0),
    HELD_OUT,
)
_CHOICES = (("loss_type", get_args(LossType)), ("scale_rewards", ("group", "batch", "none")), METHOD)
