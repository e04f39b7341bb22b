"""Proximal policy optimization of a language model: the whole training loop, to be read from top to bottom.

Each step
1. samples one answer to each of the step's prompts from the policy (rollouts);
2. rewards each answer, with a penalty per token for the KL divergence from the reference;
3. estimates the advantage of each token over the prediction of the value head;
4. updates the policy for some epochs over minibatches of the answers, with a loss that is flat where a token's
   probability has already changed by the factor `clip_range`.

The formulas are in `ppo_math.py`, the networks in `ppo_policy.py`, sampling in `rollouts.py`, rewards in `rewards.py`.
Example with the embedded model, which learns to answer like the reference answers:

    from pathlib import Path

    from assay.core.lab import Lab
    from assay.core.sample import Sample
    from assay.models import OpenModels
    from assay.components.scorers.reference.metrics import ChrF
    from assay.store.images import StoredImages
    from assay.components.trainers.reinforcement.ppo import PPO

    Path("tuned").mkdir()
    tasks = [Sample({"instruction": f"Say {word}.", "output": word}) for word in ("yes", "no", "hello", "sorry")]
    lab = Lab(0, OpenModels(), StoredImages([]), Path("tuned"), progress=print)
    tuned = PPO(rewards={"like": ChrF(references=("output",))}, steps=6, max_tokens=12, held_out=0).train(tasks, lab)
    print(tuned.facts, Path("tuned/curves.json").read_text())

Sources: Schulman et al. 2017, "Proximal Policy Optimization Algorithms"; for language models Ziegler et al. 2019,
Stiennon et al. 2020, Ouyang et al. 2022, section 3.5, and Huang et al. 2024, "The N+ Implementation Details of RLHF
with PPO".
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from assay.components.trainers.language_model import load_tokenizer, save_tuned
from assay.components.trainers.reinforcement import ppo_math
from assay.components.trainers.reinforcement.ppo_policy import Policy, PolicyOutput
from assay.components.trainers.reinforcement.rewards import (
    TotalRewards,
    answer_samples,
    total_rewards,
    watched_scores,
)
from assay.components.trainers.reinforcement.rollouts import Rollouts, Sampling, sample_answers
from assay.components.trainers.sft.rows import row_order
from assay.components.trainers.training_run import CHECKPOINTS, TrainingConfig, training_run
from assay.core.curves import WATCH_PREFIX
from assay.core.errors import RecipeError
from assay.core.lab import Lab, hash_seed
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.models.references import locate

MAX_GRADIENT_NORM = 1.0
"""Gradients are clipped to this norm (Huang et al. 2022, "The 37 Implementation Details of PPO", 11)."""
LOWER_RATE = "A lower learning rate or a larger KL coefficient may help."
EQUAL_REWARD_STEPS = 4
"""Steps with the same reward for all answers after which training stops with an error."""
LAST_CHECKPOINT = "last.pt"
"""File name of the only checkpoint, in `CHECKPOINTS`."""
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError)
"""Errors when a damaged checkpoint is read."""


@dataclass(frozen=True)
class PPOConfig:
    """Settings of the loop; fields as of `PPO`."""

    training: TrainingConfig
    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    watch: Mapping[str, Scorer]
    prompts_per_step: int
    epochs: int
    num_minibatches: int
    max_tokens: int
    temperature: float
    value_learning_rate: float
    clip_range: float
    value_clip_range: float
    value_coef: float
    gamma: float
    lam: float
    kl_coef: float
    kl_estimator: str
    target_kl: float
    kl_gain: float
    missing_eos_penalty: float


@dataclass(frozen=True)
class EncodedPrompt:
    """A sample and the tokens of its prompt."""

    sample: Sample
    ids: tuple[int, ...]


@dataclass
class PPOState:
    """State of the loop besides the weights; plain values, for checkpoints."""

    kl_weight: float
    step: int = 0
    """Number of finished steps."""
    zero: float | None = None
    """Mean reward of the start's first answers, which is subtracted from rewards."""
    lowest: float = math.inf
    highest: float = -math.inf
    answers: int = 0
    unread: int = 0
    unrewarded: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    history: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, policy loss, learning rate."""


@dataclass(frozen=True)
class PPOBatch:
    """Answers of one step with the outputs of the policy that sampled them; (answers, tokens)."""

    rollouts: Rollouts
    old: PolicyOutput
    advantages: torch.Tensor
    returns: torch.Tensor


def train_ppo(config: PPOConfig, prompts: Sequence[EncodedPrompt], lab: Lab) -> tuple[PPOState, int]:
    """Train, resuming from the last checkpoint, and save `model/`; the last state, and the number of parameters.

    Raises:
        RecipeError: As `Loop.step`, or memory ran out.
        ModelError: The model cannot be loaded.
    """
    training, checkpoint = config.training, locate(config.training.model)
    hint = "Use fewer prompts_per_step, more num_minibatches or fewer max_tokens."
    with training_run(training.model, hint):
        torch.manual_seed(training.torch_seed)
        policy = Policy(
            checkpoint,
            rank=training.rank,
            alpha=training.alpha,
            bf16=training.bf16,
            temperature=config.temperature,
        )
        loop = Loop(config, policy, load_tokenizer(checkpoint), prompts, lab)
        file = Path(training.folder) / CHECKPOINTS / LAST_CHECKPOINT
        loop.restore(file)
        while loop.state.step < training.steps:
            loop.step()
            step = loop.state.step
            if training.save_every and step % training.save_every == 0 and step < training.steps:
                loop.save(file)
            if lab.progress is not None:
                lab.progress(step, training.steps)
        save_tuned(checkpoint, policy.model, Path(training.folder) / "model")
    groups = loop.optimizer.param_groups
    return loop.state, sum(parameter.numel() for group in groups for parameter in group["params"])


class Loop:
    """One training, step by step."""

    def __init__(
        self, config: PPOConfig, policy: Policy, tokenizer: Any, prompts: Sequence[EncodedPrompt], lab: Lab
    ) -> None:
        """Start with a policy that equals its reference."""
        self.config, self.policy, self.tokenizer, self.lab = config, policy, tokenizer, lab
        self.state = PPOState(kl_weight=config.kl_coef)
        # Adam's epsilon as in Huang et al. 2022, 3; PyTorch's default is 1e-8.
        self.optimizer = torch.optim.AdamW(
            [{"params": policy.adapter}, {"params": list(policy.value.parameters())}], eps=1e-5, weight_decay=0.0
        )
        order = row_order([(1.0, range(len(prompts)))], lab.seed)
        self.order = [prompts[place] for place in islice(order, config.training.steps * config.prompts_per_step)]

    def step(self) -> None:
        """Take the next step: rollouts, rewards, advantages, updates.

        Raises:
            RecipeError: No answer could be rewarded, all rewards so far are equal, or the loss is not finite.
        """
        config, state = self.config, self.state
        prompts = self.order[state.step * config.prompts_per_step : (state.step + 1) * config.prompts_per_step]
        state.step += 1
        rollouts = self.sample(prompts)
        total, answer_metrics = self.reward(prompts, rollouts)
        places = [nth for nth, reward in enumerate(total.rewards) if reward is not None]
        rewards = torch.tensor([reward for reward in total.rewards if reward is not None], device=self.policy.device)
        batch, batch_metrics = self.advantages(rollouts.of(torch.tensor(places, device=self.policy.device)), rewards)
        decay = 1 - (state.step - 1) / config.training.steps  # linear (Huang et al. 2022, 4)
        losses = self.update(batch, decay)
        state.history.append((state.step, losses.pop("policy loss"), config.training.learning_rate * decay))
        reward = float(rewards.mean())
        state.curves.append({"step": state.step, "reward": reward, **batch_metrics, **answer_metrics, **losses})
        if config.target_kl:
            kl = batch_metrics["kl"]
            state.kl_weight = ppo_math.adapt_kl(state.kl_weight, kl, config.target_kl, config.kl_gain)

    def sample(self, prompts: Sequence[EncodedPrompt]) -> Rollouts:
        """Sample one answer to each prompt; randomness depends only on the seed and the step."""
        sampling = Sampling(self.policy.ends, self.config.max_tokens, self.config.temperature)
        generator, ids = self._generator(self.policy.device), [prompt.ids for prompt in prompts]
        with self.policy.precision():
            return sample_answers(self.policy.model, ids, sampling, generator, self.policy.last(1))

    def reward(self, prompts: Sequence[EncodedPrompt], rollouts: Rollouts) -> tuple[TotalRewards, dict[str, float]]:
        """Reward of each answer, and further metrics of the answers.

        Raises:
            RecipeError: As `step`.
        """
        config, state = self.config, self.state
        samples = answer_samples("PPO", [prompt.sample for prompt in prompts], rollouts.texts(self.tokenizer))
        total = total_rewards("PPO.rewards", config.scorers, config.weights, samples, self.lab)
        values = [value for value in total.rewards if value is not None]
        if not values:
            raise RecipeError(
                f"None of the {len(samples)} answers of step {state.step} could be rewarded.",
                hint=total.reason,
                answers=len(samples),
                step=state.step,
                reason=total.reason,
            )
        state.answers += len(samples)
        state.unread += total.unread
        state.unrewarded += len(samples) - len(values)
        state.lowest, state.highest = min(state.lowest, *values), max(state.highest, *values)
        if state.zero is None:
            state.zero = sum(values) / len(values)
        if state.step >= min(EQUAL_REWARD_STEPS, config.training.steps) and state.lowest == state.highest:
            raise RecipeError(
                f"All {state.answers} answers so far had the reward {state.lowest:g}: there is nothing to learn.",
                hint="Use a reward that differs between the start's own answers.",
                answers=state.answers,
                reward=state.lowest,
            )
        watch = watched_scores("PPO.watch", config.watch, samples, self.lab)
        return total, {
            "length": float(rollouts.mask.sum(1).mean()),
            "ended": float(rollouts.ended.float().mean()),
            **{f"{WATCH_PREFIX}{name}": value for name, value in watch.items()},
        }

    def advantages(self, rollouts: Rollouts, rewards: torch.Tensor) -> tuple[PPOBatch, dict[str, float]]:
        """Advantages of all tokens; and the KL divergence from the reference, and the entropy.

        Log-probabilities are computed again in the minibatches of the updates: they differ in the last bits between
        batches, and between sampling and scoring, and ratios must be exactly 1 before the first update.
        """
        config, mask = self.config, rollouts.mask
        with torch.no_grad():
            old = PolicyOutput.joined([self.policy.forward(rollouts.of(part)) for part in self._minibatches(rollouts)])
            reference = torch.cat([self.policy.reference(rollouts.of(part)) for part in self._minibatches(rollouts)])
        assert old.entropy is not None, "no gradient was taken"
        # Ziegler et al. 2019, eq. 2, token by token: R(x, y) = r(x, y) - beta log(policy(y|x) / reference(y|x)).
        kl = (ppo_math.k1 if config.kl_estimator == "k1" else ppo_math.k3)(old.log_probs, reference)
        # A bias shifts rewards (Ouyang et al. 2022, section 3.5); a missing end costs (Huang et al. 2024).
        assert self.state.zero is not None, "rewards come first"
        scores = rewards - self.state.zero - config.missing_eos_penalty * (~rollouts.ended).float()
        token_rewards = ppo_math.token_rewards(scores, self.state.kl_weight * kl, mask)
        advantages = ppo_math.gae(token_rewards, old.values, mask, config.gamma, config.lam)
        returns = advantages + old.values * mask
        metrics = {
            "kl": float((kl * mask).sum(1).mean()),
            "kl weight": self.state.kl_weight,
            "entropy": float(ppo_math.masked_mean(old.entropy, mask)),
        }
        return PPOBatch(rollouts, old, ppo_math.whitened(advantages, mask), returns), metrics

    def update(self, batch: PPOBatch, decay: float) -> dict[str, float]:
        """Train for some epochs over the step's minibatches; mean losses. `decay` multiplies the learning rates.

        Raises:
            RecipeError: The loss is not finite.
        """
        config, generator, steps = self.config, self._generator(torch.device("cpu")), []
        peaks = (config.training.learning_rate, config.value_learning_rate)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * decay
        minibatches = self._minibatches(batch.rollouts)
        for _ in range(config.epochs):
            for nth in torch.randperm(len(minibatches), generator=generator).tolist():
                losses = self.losses(batch, minibatches[nth])
                total = losses["policy loss"] + config.value_coef * losses["value loss"]
                if not math.isfinite(value := total.item()):
                    step = self.state.step
                    raise RecipeError(f"The loss was {value} at step {step}.", hint=LOWER_RATE, step=step, loss=value)
                self.optimizer.zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                parameters = [*self.policy.adapter, *self.policy.value.parameters()]
                torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
                self.optimizer.step()
                steps.append({name: value.item() for name, value in losses.items()})
        return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}

    def losses(self, batch: PPOBatch, part: torch.Tensor) -> dict[str, torch.Tensor]:
        """Losses of one minibatch by the current policy."""
        rollouts, config = batch.rollouts.of(part), self.config
        new, mask = self.policy.forward(rollouts), rollouts.mask
        policy, clipped = ppo_math.clipped_policy_loss(
            new.log_probs, batch.old.log_probs[part], batch.advantages[part], mask, config.clip_range
        )
        value = ppo_math.clipped_value_loss(
            new.values, batch.old.values[part], batch.returns[part], mask, config.value_clip_range
        )
        return {"policy loss": policy, "value loss": value, "clipped": clipped}

    def save(self, file: Path) -> None:
        """Replace the checkpoint atomically."""
        new = file.with_suffix(".new")
        checkpoint = {
            "state": asdict(self.state),
            "policy": self.policy.state(),
            "optimizer": self.optimizer.state_dict(),
        }
        with new.open("wb") as output:
            torch.save(checkpoint, output)
            output.flush()
            os.fsync(output.fileno())
        new.replace(file)

    def restore(self, file: Path) -> None:
        """Resume from a checkpoint, if there is a readable one."""
        if not file.is_file():
            return
        try:
            checkpoint = torch.load(file, map_location=self.policy.device, weights_only=True)
            state = PPOState(**checkpoint["state"])
        except UNREADABLE:
            return
        self.policy.restore(checkpoint["policy"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.state = state

    def _minibatches(self, rollouts: Rollouts) -> list[torch.Tensor]:
        """Row indices of the minibatches. The order of the prompts is random, so neighboring rows will do."""
        rows = torch.arange(len(rollouts.ids), device=self.policy.device)
        return list(rows.chunk(min(self.config.num_minibatches, len(rows))))

    def _generator(self, device: torch.device) -> torch.Generator:
        """Random generator of this step, which depends on nothing else, so that a resumed run repeats it."""
        return torch.Generator(device).manual_seed(hash_seed(self.lab.seed, self.state.step))
