"""Proximal policy optimization (PPO): reinforcement learning from a reward model or from scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.components.trainers.checks import (
    HELD_OUT,
    check_fields,
    check_model,
    check_samples,
    prompt_digest,
    split_held_out,
    weights_digest,
)
from assay.components.trainers.reinforcement.rewards import (
    ByRewardModel,
    HeldOutEvaluation,
    check_scorers,
    check_weights,
)
from assay.core.completions import Message
from assay.core.curves import curves_of
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.requests import encode_prompt
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.ppo_loop import EncodedPrompt, PPOConfig, PPOState


@dataclass(frozen=True)
class PPO:
    """Tune a language model by exactly `steps` steps of proximal policy optimization and keep the last weights.

    Each step samples an answer to each of `prompts_per_step` prompts, rewards it, and trains on these answers for some
    epochs, with a penalty on the KL divergence from the start. `ppo_loop.py` is the loop, written to be read. The start
    must earn a reward sometimes: answers that are never sampled are never reinforced.

    Samples are tasks, dialogues or pairs, of which the prompt is used; of several with the same prompt the first. All
    prompts but the held-out ones (`split_held_out`, the same for all trainers) are trained on epoch after epoch, each
    in a new random order. Prompts longer than `max_length` are dropped and counted as "too long".

    An answer is scored as a sample with the fields of its prompt and `text`, as in GRPO: the sign of scores is flipped
    if lower is better; an answer that a scorer cannot parse gets the lowest value of its scale and is counted as
    "unread"; an answer for which a scorer fails is excluded from its step and counted as "unrewarded". The mean reward
    of the start's first answers is subtracted from all rewards, and `missing_eos_penalty` from that of an answer that
    does not end within `max_tokens`; curves show rewards before these changes.

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process, if
    the scorers are deterministic; also if the training is interrupted and resumes from its last checkpoint. Files in
    `lab.workspace()`: `model/`, as of SFT; `history.json`, rows of [step, policy loss, learning rate]; `curves.json`;
    and, with held-out prompts, `held-out-rewards.json`, the rewards of answers sampled by the start and by the tuned
    model.

    Raises, when trained: RecipeError (no prompts, a reward that is not finite or always the same, a loss that is not
    finite, out of memory), FieldError, ModelError.

    Source: Ouyang et al. 2022, section 3.5, without the pretraining loss; formulas and details name theirs.
    """

    model: str = "embedded:smollm2"
    """Reference of the start, which is also the reference model of the KL penalty."""
    reward: str = ""
    """Reference of a reward model; alternatively `rewards`."""
    rewards: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers by name, whose weighted sum is the reward."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of rewards; 1 by default."""
    watch: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers that are logged at each step but not trained on; they reveal reward hacking."""
    steps: int = 20
    prompts_per_step: int = 16
    """Prompts per step, each with one answer."""
    epochs: int = 2
    """Epochs over the answers of a step."""
    num_minibatches: int = 2
    """Minibatches of the answers of a step, each with one update."""
    max_tokens: int = 32
    """Maximum number of tokens of an answer, including the end token."""
    temperature: float = 1.0
    """Temperature of the policy, in sampling and in training."""
    learning_rate: float = 2e-4
    """Learning rate of the first step; it decays linearly."""
    value_learning_rate: float = 1e-3
    """Learning rate of the value head."""
    clip_range: float = 0.2
    """Clipping range of the ratio of new to old token probabilities (epsilon)."""
    value_clip_range: float = 0.2
    """Clipping range of changes of a value."""
    value_coef: float = 0.1
    """Weight of the value loss."""
    gamma: float = 1.0
    """Discount factor per token."""
    lam: float = 0.95
    """Lambda of generalized advantage estimation."""
    kl_coef: float = 0.05
    """Weight of the KL penalty, in rewards per nat; 0 for none."""
    kl_estimator: Literal["k1", "k3"] = "k1"
    """Estimator of the KL divergence from the sampled tokens."""
    target_kl: float = 0.0
    """If above 0, the KL weight starts at `kl_coef` and adapts to reach this divergence per answer, in nats."""
    kl_gain: float = 0.1
    """Speed of that adaptation: the weight changes by at most a fifth of this fraction per step."""
    missing_eos_penalty: float = 1.0
    """Subtracted from the reward of an answer that does not end."""
    rank: int = 16
    """Rank of LoRA."""
    alpha: float = 32.0
    """LoRA's update is scaled by alpha / rank."""
    held_out: float = 0.2
    """Fraction of the prompts that are held out, the same ones as for RewardModel and DPO."""
    held_out_answers: int = 4
    """Answers sampled to each held-out prompt before and after training; 0 for no evaluation."""
    max_length: int = 512
    """Maximum number of tokens of a prompt."""
    system: str = ""
    """System message; if empty, the template's default, if it has one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of matrix products; "auto" is bfloat16 if the hardware supports it. Sums are float32."""
    save_every: int = 10
    """Steps between checkpoints; 0 for none. They are removed at the end."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS, _CHOICES)
        if bool(self.reward) == bool(self.rewards):
            choice = "both" if self.reward else "none"
            raise ValueError(f"PPO needs either reward, a reward model, or rewards, scorers; had {choice}.")
        if self.num_minibatches > self.prompts_per_step:
            raise ValueError(
                f"PPO.num_minibatches must be at most prompts_per_step, {self.prompts_per_step}, was "
                f"{self.num_minibatches}."
            )
        if self.target_kl and not self.kl_coef:
            raise ValueError("PPO.kl_coef must be above 0 with a target_kl, which multiplies it, was 0.")
        check_weights("PPO.weights", self.rewards, self.weights)

    @property
    def scorers(self) -> Mapping[str, Scorer]:
        """Scorers of the reward by name."""
        return self.rewards or {"reward": ByRewardModel(self.reward, self.system)}

    def base(self, lab: Lab) -> str:
        """Reference of the model before training."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether a sample has an instruction."""
        return bool(str(sample.fields.get("instruction", "")).strip())

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Preflight: check that the model can be trained as configured, and load the models of the rewards.

        Raises:
            ModelError: A training library is not installed, the model does not exist, or it has no chat template.
            RecipeError: The rank or the lengths exceed what the model supports, or a scorer cannot be a reward.
        """
        check_model("PPO", self.model, self.max_length, self.rank, self.max_tokens)
        check_scorers("PPO.rewards", self.scorers, lab)
        check_scorers("PPO.watch", self.watch, lab)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        check_samples("PPO", samples)
        self.check((), lab)
        from assay.components.trainers.reinforcement.ppo_loop import train_ppo
        from assay.components.trainers.training_run import prepare_checkpoints, remove_checkpoints, write_history

        prompts, held_out, long = self._prompts(samples)
        config = self._config(lab)
        digest = config.training.digest((self, [(prompt.sample.id, prompt.ids) for prompt in prompts]))
        prepare_checkpoints(lab.workspace(), digest)
        state, trained = train_ppo(config, prompts, lab)
        folder = lab.workspace() / "model"
        write_history(lab.workspace(), state.history, curves_of(state.curves))
        self._held_out_rewards(held_out).write(self.model, lab.workspace(), lab)
        remove_checkpoints(lab.workspace())
        counts = {"held out": len(held_out), "too long": long}
        facts = {**_facts(state), "samples": len(prompts), "trained parameters": trained, **counts}
        return Artifact(str(folder), "text-model", weights_digest(folder), facts)

    def _config(self, lab: Lab) -> PPOConfig:
        from assay.components.trainers.reinforcement.ppo_loop import PPOConfig
        from assay.components.trainers.training_run import training_config

        return PPOConfig(
            training=training_config(self, lab, rank=self.rank),
            scorers=self.scorers,
            weights=self.weights,
            watch=self.watch,
            prompts_per_step=self.prompts_per_step,
            epochs=self.epochs,
            num_minibatches=self.num_minibatches,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            value_learning_rate=self.value_learning_rate,
            clip_range=self.clip_range,
            value_clip_range=self.value_clip_range,
            value_coef=self.value_coef,
            gamma=self.gamma,
            lam=self.lam,
            kl_coef=self.kl_coef,
            kl_estimator=self.kl_estimator,
            target_kl=self.target_kl,
            kl_gain=self.kl_gain,
            missing_eos_penalty=self.missing_eos_penalty,
        )

    def _prompts(self, samples: Sequence[Sample]) -> tuple[list[EncodedPrompt], list[Sample], int]:
        """Training prompts without duplicates, held-out samples, and the number of prompts that are too long."""
        from assay.components.trainers.language_model import load_tokenizer
        from assay.components.trainers.reinforcement.ppo_loop import EncodedPrompt

        tokenizer = load_tokenizer(locate(self.model))
        first = {prompt_digest(sample): sample for sample in reversed(samples)}
        unique = [sample for sample in samples if first[prompt_digest(sample)] is sample]
        training, held_out = split_held_out(unique, self.held_out)
        prompts = [
            EncodedPrompt(sample, tuple(encode_prompt(tokenizer, self._messages(sample), self.model)))
            for sample in training
        ]
        short = [prompt for prompt in prompts if len(prompt.ids) <= self.max_length]
        if not short:
            raise RecipeError(
                f"All {len(prompts)} prompts are longer than {self.max_length} tokens.",
                hint="Raise PPO.max_length.",
                name="PPO.max_length",
                samples=len(prompts),
                value=self.max_length,
            )
        return short, held_out, len(prompts) - len(short)

    def _messages(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(sample, system=self.system)

    def _held_out_rewards(self, held_out: Sequence[Sample]) -> HeldOutEvaluation:
        """Evaluation on answers that are sampled as in training: the policy is trained as a distribution."""
        count = max(1, self.held_out_answers)
        decoding = Decoding("sample", temperature=self.temperature, max_tokens=self.max_tokens, answers=count)
        prompts = [(sample, self._messages(sample)) for sample in held_out] if self.held_out_answers else []
        return HeldOutEvaluation("PPO", self.scorers, self.weights, prompts, decoding)


def _facts(state: PPOState) -> dict[str, float]:
    """Counts, and means over the first and the last fifth of the steps, at least one step."""
    rewards = [row["reward"] for row in state.curves]
    part = max(1, len(rewards) // 5)
    return {
        "steps": len(rewards),
        "answers": state.answers,
        "first reward": sum(rewards[:part]) / part,
        "last reward": sum(rewards[-part:]) / part,
        "last kl": sum(row["kl"] for row in state.curves[-part:]) / part,
        "unread": state.unread,
        "unrewarded": state.unrewarded,
    }


_BOUNDS = (
    ("prompts_per_step", 1, 10**6),
    ("epochs", 1, 10**4),
    ("num_minibatches", 1, 10**6),
    ("max_tokens", 1, 10**6),
    ("temperature", 0.01, 100.0),
    ("value_learning_rate", 1e-12, 1e3),
    ("clip_range", 1e-6, 1e6),
    ("value_clip_range", 1e-6, 1e9),
    ("value_coef", 0.0, 1e6),
    ("held_out_answers", 0, 1024),
    ("gamma", 0.0, 1.0),
    ("lam", 0.0, 1.0),
    ("kl_coef", 0.0, 1e6),
    ("target_kl", 0.0, 1e6),
    ("kl_gain", 0.0, 5.0),
    ("missing_eos_penalty", 0.0, 1e6),
    HELD_OUT,
)
_CHOICES = (("kl_estimator", ("k1", "k3")),)
