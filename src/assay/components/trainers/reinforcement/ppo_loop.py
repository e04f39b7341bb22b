"""Proximal policy optimization of a language model: the whole loop, to be read from top to bottom.

A step samples answers with the policy as it is, has them rewarded, works out how much better than expected each token
was, and moves the policy a little, more than once but never far, towards the tokens that were better:

1. rollouts: one answer to each of the step's prompts, drawn from the policy;
2. a reward for each answer, minus a penalty for each token by which the policy has left the reference;
3. advantages of tokens over what the value head expected;
4. some epochs over minibatches of the step's answers, with a loss that is flat where a token's probability has
   already changed by the share `clip`.

The formulas are in `ppo_math.py`, the networks in `ppo_policy.py`, sampling in `rollouts.py`, and what an answer is
rewarded in `answer_rewards.py`. To see it learn, here to answer like the reference answers, with the embedded model:

    from pathlib import Path

    from assay.core.lab import Lab
    from assay.core.sample import Sample
    from assay.models import OpenModels
    from assay.components.scorers.reference.chrf import ChrF
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

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from assay.components.trainers.reinforcement import ppo_math
from assay.components.trainers.reinforcement.ppo_policy import Policy, Reading
from assay.components.trainers.reinforcement.rewards import Rewarded, answer_samples, rewarded, watched
from assay.components.trainers.reinforcement.rollouts import Rollouts, Sampling, sample_answers
from assay.components.trainers.sft.rows import stream
from assay.core.curves import WATCH
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.sample import Sample

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.ppo import PPO

STEEPEST = 1.0
"""Longer gradients are scaled down to this length (Huang et al. 2022, "The 37 Implementation Details of PPO", 11)."""
LOWER = "A lower rate or a larger KL weight may help."
SAME = 4
"""Steps after which a reward that was the same for every answer is refused."""


@dataclass(frozen=True)
class Prompt:
    """What is asked."""

    sample: Sample
    ids: tuple[int, ...]


@dataclass
class State:
    """What goes on from step to step beside weights; plain values, so that a checkpoint can hold them."""

    kl_weight: float
    step: int = 0
    """Steps that were taken."""
    zero: float | None = None
    """The mean reward of the start's own answers, which counts as none."""
    lowest: float = math.inf
    highest: float = -math.inf
    answers: int = 0
    unread: int = 0
    unrewarded: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    history: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, policy loss, rate."""


@dataclass(frozen=True)
class Batch:
    """Answers of one step, and what updates need to know of them as they were sampled; (answers, tokens)."""

    rollouts: Rollouts
    old: Reading
    advantages: torch.Tensor
    returns: torch.Tensor


class Loop:
    """One training, step by step."""

    def __init__(self, ppo: PPO, policy: Policy, tokenizer: Any, prompts: Sequence[Prompt], lab: Lab) -> None:
        """Takes a policy that starts at its reference."""
        self.ppo, self.policy, self.tokenizer, self.lab = ppo, policy, tokenizer, lab
        self.state = State(kl_weight=ppo.kl)
        # Adam's epsilon as in Huang et al. 2022, 3; PyTorch's own is 1e-8.
        self.optimizer = torch.optim.AdamW(
            [{"params": policy.adapter}, {"params": list(policy.value.parameters())}], eps=1e-5, weight_decay=0.0
        )
        order = stream([(1.0, range(len(prompts)))], lab.seed)
        self.order = [prompts[place] for place in islice(order, ppo.steps * ppo.prompts)]

    def step(self) -> None:
        """Takes the next step: rollouts, rewards, advantages, updates.

        Raises:
            RecipeError: No answer could be rewarded, all rewards so far are the same, or the loss is no number.
        """
        ppo, state = self.ppo, self.state
        asked = self.order[state.step * ppo.prompts : (state.step + 1) * ppo.prompts]
        state.step += 1
        rollouts = self.sample(asked)
        found, seen = self.reward(asked, rollouts)
        kept = [nth for nth, reward in enumerate(found.rewards) if reward is not None]
        rewards = torch.tensor([one for one in found.rewards if one is not None], device=self.policy.device)
        batch, measured = self.advantages(rollouts.of(torch.tensor(kept, device=self.policy.device)), rewards)
        rate = 1 - (state.step - 1) / ppo.steps  # down in a line (Huang et al. 2022, 4)
        losses = self.update(batch, rate)
        state.history.append((state.step, losses.pop("policy loss"), ppo.rate * rate))
        state.curves.append({"step": state.step, "reward": float(rewards.mean()), **measured, **seen, **losses})
        if ppo.target_kl:
            state.kl_weight = ppo_math.adapted(state.kl_weight, measured["kl"], ppo.target_kl, ppo.kl_gain)

    def sample(self, asked: Sequence[Prompt]) -> Rollouts:
        """One answer to each prompt, by randomness that hangs on the seed and the step alone."""
        how = Sampling(self.policy.ends, self.ppo.max_tokens, self.ppo.temperature)
        draws, prompts = self._randomness(self.policy.device), [one.ids for one in asked]
        with self.policy.precision():
            return sample_answers(self.policy.model, prompts, how, draws, self.policy.last(1))

    def reward(self, asked: Sequence[Prompt], rollouts: Rollouts) -> tuple[Rewarded, dict[str, float]]:
        """What each answer is rewarded, and what else is seen of the answers.

        Raises:
            RecipeError: As `step`.
        """
        ppo, state = self.ppo, self.state
        samples = answer_samples("PPO", [one.sample for one in asked], rollouts.texts(self.tokenizer))
        found = rewarded("PPO.rewards", ppo.scorers, ppo.weights, samples, self.lab)
        values = [one for one in found.rewards if one is not None]
        if not values:
            raise RecipeError(
                f"None of the {len(samples)} answers of step {state.step} could be rewarded.", hint=found.reason
            )
        state.answers += len(samples)
        state.unread += found.unread
        state.unrewarded += len(samples) - len(values)
        state.lowest, state.highest = min(state.lowest, *values), max(state.highest, *values)
        if state.zero is None:
            state.zero = sum(values) / len(values)
        if state.step >= min(SAME, ppo.steps) and state.lowest == state.highest:
            raise RecipeError(
                f"All {state.answers} answers so far were rewarded {state.lowest:g}: there is nothing to learn.",
                hint="Take a reward that tells the start's own answers apart.",
            )
        watch = watched("PPO.watch", ppo.watch, samples, self.lab)
        return found, {
            "length": float(rollouts.mask.sum(1).mean()),
            "ended": float(rollouts.ended.float().mean()),
            **{f"{WATCH}{name}": value for name, value in watch.items()},
        }

    def advantages(self, rollouts: Rollouts, rewards: torch.Tensor) -> tuple[Batch, dict[str, float]]:
        """How much better than expected each token was; and the KL from the reference, and the entropy.

        The policy is read anew, in the minibatches that are learned from: numbers differ in their last bits between
        batches and between reading and sampling, and ratios must be exactly 1 before the first update.
        """
        ppo, mask = self.ppo, rollouts.mask
        with torch.no_grad():
            old = Reading.joined([self.policy.read(rollouts.of(part)) for part in self._parts(rollouts)])
            reference = torch.cat([self.policy.reference(rollouts.of(part)) for part in self._parts(rollouts)])
        assert old.entropy is not None, "no gradient was taken"
        # Ziegler et al. 2019, eq. 2, token by token: R(x, y) = r(x, y) - beta log(policy(y|x) / reference(y|x)).
        divergence = (ppo_math.k1 if ppo.kl_estimator == "k1" else ppo_math.k3)(old.log_probs, reference)
        # Rewards are moved by a bias (Ouyang et al. 2022, section 3.5), and who does not end pays (Huang et al. 2024).
        assert self.state.zero is not None, "rewards come first"
        scores = rewards - self.state.zero - ppo.missing_end * (~rollouts.ended).float()
        given = ppo_math.token_rewards(scores, self.state.kl_weight * divergence, mask)
        advantages = ppo_math.gae(given, old.values, mask, ppo.gamma, ppo.lam)
        returns = advantages + old.values * mask
        measured = {
            "kl": float((divergence * mask).sum(1).mean()),
            "kl weight": self.state.kl_weight,
            "entropy": float(ppo_math.masked_mean(old.entropy, mask)),
        }
        return Batch(rollouts, old, ppo_math.whitened(advantages, mask), returns), measured

    def update(self, batch: Batch, rate: float) -> dict[str, float]:
        """Some epochs over the step's minibatches, at the share `rate` of the rates; means over all of them.

        Raises:
            RecipeError: The loss is no number.
        """
        ppo, draws, seen = self.ppo, self._randomness(torch.device("cpu")), []
        for group, peak in zip(self.optimizer.param_groups, (ppo.rate, ppo.value_rate), strict=True):
            group["lr"] = peak * rate
        parts = self._parts(batch.rollouts)
        for _ in range(ppo.epochs):
            for nth in torch.randperm(len(parts), generator=draws).tolist():
                losses = self.losses(batch, parts[nth])
                total = losses["policy loss"] + ppo.value_coef * losses["value loss"]
                if not math.isfinite(total.item()):
                    raise RecipeError(f"The loss was {total.item()} at step {self.state.step}.", hint=LOWER)
                self.optimizer.zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_([*self.policy.adapter, *self.policy.value.parameters()], STEEPEST)
                self.optimizer.step()
                seen.append({name: value.item() for name, value in losses.items()})
        return {name: sum(one[name] for one in seen) / len(seen) for name in seen[0]}

    def losses(self, batch: Batch, part: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of one minibatch, by the policy as it is now."""
        rollouts, ppo = batch.rollouts.of(part), self.ppo
        now, mask = self.policy.read(rollouts), rollouts.mask
        policy, clipped = ppo_math.clipped_policy_loss(
            now.log_probs, batch.old.log_probs[part], batch.advantages[part], mask, ppo.clip
        )
        value = ppo_math.clipped_value_loss(
            now.values, batch.old.values[part], batch.returns[part], mask, ppo.value_clip
        )
        return {"policy loss": policy, "value loss": value, "clipped": clipped}

    def _parts(self, rollouts: Rollouts) -> list[torch.Tensor]:
        """Places of the minibatches' rows. Prompts come in a random order, so neighbors are as good as any."""
        rows = torch.arange(len(rollouts.ids), device=self.policy.device)
        return list(rows.chunk(min(self.ppo.minibatches, len(rows))))

    def _randomness(self, device: torch.device) -> torch.Generator:
        """Of this step; a training that was cut off goes on as it would have."""
        return torch.Generator(device).manual_seed(seed_of(self.lab.seed, self.state.step))


def seed_of(seed: int, step: int) -> int:
    """Of one step's randomness: 63 bits that differ between steps."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:8], "big") >> 1
