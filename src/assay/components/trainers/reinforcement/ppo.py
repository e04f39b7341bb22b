"""Reinforcement learning from a reward: a language model learns to answer as a reward model or scorers like it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.components.trainers.labels import check_given, digest_of
from assay.components.trainers.preference.held_out import held_back, prompt_of
from assay.components.trainers.reinforcement.held_out_rewards import Earning
from assay.components.trainers.reinforcement.rewards import ByRewardModel, check_scorers, check_weights
from assay.components.trainers.starts import HELD_OUT, check_fields, check_start, halves
from assay.core.completions import Message
from assay.core.curves import curves_of
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.chat import rendered
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.ppo_loop import Prompt, State


@dataclass(frozen=True)
class PPO:
    """Tunes a language model by exactly `steps` steps of proximal policy optimization and keeps the last weights.

    Each step samples an answer to each of `prompts` prompts, has it rewarded, and learns from the step's answers for
    some epochs, kept near the start by a penalty on the KL divergence from it. `ppo_loop.py` is the loop, written to be
    read. Start from a model that now and then does what is rewarded: what is never sampled is never learned.

    Samples are tasks, dialogues or pairs; of each it takes the prompt, of several with one prompt the first. It learns
    from all prompts but those that `held_back` keeps from every trainer of preferences, epoch after epoch, each in an
    order of its own. A prompt longer than `max_length` is left out and counted as "too long".

    An answer is scored as a sample with the fields of its prompt and `text`, as GRPO has it scored: on a scale where
    lower is better scores are turned round; an answer that a scorer cannot read gets the lowest value of its scale and
    is counted as "unread"; one for which a scorer failed is left out of its step and counted as "unrewarded". The mean
    reward of the start's first answers counts as no reward, and an answer that does not end within `max_tokens` loses
    `missing_end`; curves show rewards as they came.

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process, if
    the scorers say the same; so does a training that was killed and goes on from its last checkpoint. Leaves in
    `lab.workspace()`: `model/`, as SFT does, `history.json`, rows of [step, policy loss, rate], `curves.json`, and,
    where prompts are held back, `held-out-rewards.json`: what answers earn that the start and the tuned model sample.

    Raises, when trained: RecipeError (no prompts, a reward that is no number or always the same, a loss that is no
    number, too little memory), FieldError, ModelError.

    Source: Ouyang et al. 2022, section 3.5, without the pretraining loss; formulas and details name theirs.
    """

    model: str = "embedded:smollm2"
    """Reference of the checkpoint to start from, which is also the reference that the policy is kept near."""
    reward: str = ""
    """Reference of a reward model; or else:"""
    rewards: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers by name, whose weighted sum is the reward."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of rewards; 1 where one is not here."""
    watch: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers that are looked at in every step and not learned from: they show a reward that is won by a trick."""
    steps: int = 20
    prompts: int = 16
    """Prompts a step, each with one answer."""
    epochs: int = 2
    """Times that a step's answers are learned from."""
    minibatches: int = 2
    """Into which a step's answers are parted; each is an update."""
    max_tokens: int = 32
    """Of an answer, with the one that ends it."""
    temperature: float = 1.0
    """Of the policy, when it is sampled and when it is learned."""
    rate: float = 2e-4
    """Learning rate of the first step, from which it falls in a line."""
    value_rate: float = 1e-3
    """The same, of the value head."""
    clip: float = 0.2
    """By which share a token's probability may change before its loss is flat."""
    value_clip: float = 0.2
    """By how much a value may change before its loss is flat."""
    value_coef: float = 0.1
    """What the value head's loss is multiplied by."""
    gamma: float = 1.0
    """What a reward is worth one token earlier."""
    lam: float = 0.95
    """Of the advantage estimates: 1 trusts rewards alone, 0 the next value alone."""
    kl: float = 0.05
    """What the KL divergence from the start is multiplied by, in rewards a nat; 0 for no penalty."""
    kl_estimator: Literal["k1", "k3"] = "k1"
    """How the divergence is estimated from the sampled tokens."""
    target_kl: float = 0.0
    """Where above 0, `kl` is where the weight begins, and moves so that an answer's divergence nears this, in nats."""
    kl_gain: float = 0.1
    """How fast it moves: in one step by a fifth of this share at most."""
    missing_end: float = 1.0
    """Taken from the reward of an answer that does not end."""
    rank: int = 16
    """Of LoRA's matrices."""
    alpha: float = 32.0
    """What LoRA adds is multiplied by alpha / rank."""
    held_out: float = 0.2
    """Share of the prompts that are held back, as RewardModel and DPO do."""
    held_out_answers: int = 4
    """Answers to each of them that the start samples, and the tuned model after training, to see what they earn; 0 for
    none."""
    max_length: int = 512
    """Most tokens of a prompt."""
    system: str = ""
    """What a system message says; where empty, the template's own, if it has one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """What matrices are multiplied in; "auto" is bfloat16 where the processor has it in hardware. Sums are float32."""
    save_every: int = 10
    """Steps from one checkpoint to the next; 0 for none. They are removed in the end."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS, _WORDS)
        if bool(self.reward) == bool(self.rewards):
            had = "both" if self.reward else "none"
            raise ValueError(f"PPO takes a reward model in reward or scorers in rewards, had {had}.")
        if self.minibatches > self.prompts:
            raise ValueError(f"PPO.minibatches must be at most the {self.prompts} prompts, was {self.minibatches}.")
        if self.target_kl and not self.kl:
            raise ValueError("PPO.kl must be above 0 with a target_kl, which multiplies it, was 0.")
        check_weights("PPO.weights", self.rewards, self.weights)

    @property
    def scorers(self) -> Mapping[str, Scorer]:
        """By name, what rewards."""
        return self.rewards or {"reward": ByRewardModel(self.reward, self.system)}

    def base(self, lab: Lab) -> str:
        """The reference of the model it starts from: what a proof compares the tuned one with."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether it has something to ask."""
        return bool(str(sample.fields.get("instruction", "")).strip())

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Looks, before anything is generated, whether the start can be trained as is asked, and opens what rewards.

        Raises:
            ModelError: What trains is not installed, there is no such model, or it has no chat template.
            RecipeError: The rank or the lengths are more than the model has, or a scorer can reward no answer.
        """
        check_start("PPO", self.model, self.max_length, self.rank, self.max_tokens)
        check_scorers("PPO.rewards", self.scorers, lab)
        check_scorers("PPO.watch", self.watch, lab)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.components.trainers.reinforcement.ppo_run import learn
        from assay.components.trainers.training_run import CHECKPOINTS, note, settle

        check_given("PPO", samples)
        self.check((), lab)
        prompts, held, long = self._prompts(samples)
        half = halves(self.precision)
        settle(lab.workspace(), self._digest(prompts, lab.seed, half=half))
        state, trained = learn(self, prompts, lab, half=half)
        folder = lab.workspace() / "model"
        note(lab.workspace(), state.history, curves_of(state.curves))
        self._earning(held).note(self.model, lab.workspace(), lab)
        shutil.rmtree(lab.workspace() / CHECKPOINTS)
        left = {"held out": len(held), "too long": long}
        facts = {**_facts(state), "samples": len(prompts), "trained parameters": trained, **left}
        return Artifact(str(folder), "text-model", digest_of(folder), facts)

    def _prompts(self, samples: Sequence[Sample]) -> tuple[list[Prompt], list[Sample], int]:
        """What is learned from, each prompt once; what was held back; and how many are too long."""
        from assay.components.trainers.reinforcement.ppo_loop import Prompt
        from assay.components.trainers.sft.model import tokenizer_of

        tokenizer = tokenizer_of(locate(self.model))
        first = {prompt_of(one): one for one in reversed(samples)}
        unique = [one for one in samples if first[prompt_of(one)] is one]
        learned, held = held_back(unique, self.held_out)
        prompts = [Prompt(one, tuple(rendered(tokenizer, self._asked(one), self.model))) for one in learned]
        fit = [one for one in prompts if len(one.ids) <= self.max_length]
        if not fit:
            raise RecipeError(
                f"All {len(prompts)} prompts are longer than {self.max_length} tokens.", hint="Raise PPO.max_length."
            )
        return fit, held, len(prompts) - len(fit)

    def _asked(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(sample, system=self.system)

    def _earning(self, held: Sequence[Sample]) -> Earning:
        """Sampled as in training: greedy answers tell little of a policy that learned what not to sample."""
        count = max(1, self.held_out_answers)
        how = Decoding("sample", temperature=self.temperature, max_tokens=self.max_tokens, answers=count)
        asked = [(one, self._asked(one)) for one in held] if self.held_out_answers else []
        return Earning("PPO", self.scorers, self.weights, asked, how)

    def _digest(self, prompts: Sequence[Prompt], seed: int, *, half: bool) -> str:
        """Of all that a training depends on but versions and machine: what a checkpoint must have been made for."""
        from assay.components.trainers.training_run import made_for

        return made_for(self.model, (self, [(one.sample.id, one.ids) for one in prompts], seed, half))


def _facts(state: State) -> dict[str, float]:
    """First and last are means of a fifth of the steps, one at least."""
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
    ("prompts", 1, 10**6),
    ("epochs", 1, 10**4),
    ("minibatches", 1, 10**6),
    ("max_tokens", 1, 10**6),
    ("temperature", 0.01, 100.0),
    ("value_rate", 1e-12, 1e3),
    ("clip", 1e-6, 1e6),
    ("value_clip", 1e-6, 1e9),
    ("value_coef", 0.0, 1e6),
    ("held_out_answers", 0, 1024),
    ("gamma", 0.0, 1.0),
    ("lam", 0.0, 1.0),
    ("kl", 0.0, 1e6),
    ("target_kl", 0.0, 1e6),
    ("kl_gain", 0.0, 5.0),
    ("missing_end", 0.0, 1e6),
    HELD_OUT,
)
_WORDS = (("kl_estimator", ("k1", "k3")),)
