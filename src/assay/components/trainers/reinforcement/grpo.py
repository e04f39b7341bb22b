"""Reinforcement learning from rewards that can be checked: a language model learns from what its own answers earn."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from assay.components.trainers.labels import check_given, digest_of
from assay.components.trainers.preference.held_out import held_back
from assay.components.trainers.reinforcement.held_out_rewards import Earning
from assay.components.trainers.reinforcement.rewards import check_scorers, check_weights
from assay.components.trainers.sft.rows import stream
from assay.components.trainers.starts import HELD_OUT, METHOD, WARMUP, check_fields, check_start, halves, untold
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact, Scorer
from assay.core.sample import Sample
from assay.models.references import locate
from assay.models.text.chat import rendered
from assay.text.instructions.dialogues import conversation

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.grpo_loop import Job, Reinforced

Kind = Literal["grpo", "bnpo", "dr_grpo", "dapo"]


@dataclass(frozen=True)
class GRPO:
    """Reinforces a language model by the rewards of its own answers for exactly `steps` steps; keeps the last weights.

    In a step the model answers each of `prompts` tasks `answers` times, the rewards look at every answer, and answers
    better than the others to the same task become more probable, worse ones less: group relative policy optimization
    (Shao et al. 2024, "DeepSeekMath", section 4.1), by which DeepSeek-R1 learned (Guo et al. 2025), with a penalty for
    what drifts away from the start. The code is TRL's GRPOTrainer. Tasks are asked through the checkpoint's own chat
    template, as `assay ask` asks them; a reference answer in a task is seen by the rewards alone, never by the model.
    Reinforcement only sharpens what a model does now and then: begin with one that half succeeds.

    A reward is any scorer that looks at `text` beside the task's own fields. On a scale where lower is better it is
    turned round. An answer that a scorer cannot read gets the lowest value of its scale and is counted as "unread"; one
    for which a scorer failed, as a checker that hangs does, takes no part and is counted as "unrewarded".

    The same samples in the same order with the same `lab.seed` give the same weights on one machine in one process; so
    does a training that was killed and goes on from its last checkpoint. Leaves in `lab.workspace()`: `model/`, whole
    weights in the start's own dtype with configuration, tokenizer and chat template; `history.json`, rows of [step,
    loss, rate]; `curves.json`, what was watched at each step; and, where prompts were held back,
    `held-out-rewards.json`, what greedy answers to them earn before and after.

    Raises, when trained: RecipeError (nothing to learn from, rewards that never differ or that nobody can give, a loss
    that is no number, too little memory), FieldError, ModelError.
    """

    rewards: Mapping[str, Scorer]
    """By a name of your own; their weighted sum is learned from."""
    model: str = "embedded:smollm2"
    """Reference of the checkpoint to start from, and not to drift away from."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Of rewards; 1 where one is not here."""
    watch: Mapping[str, Scorer] = field(default_factory=dict)
    """Looked at in each step's answers and not learned from: what a model that cheats the rewards does not improve."""
    steps: int = 100
    prompts: int = 8
    """Tasks a step."""
    answers: int = 8
    """To each task in a step: the group that they are compared in."""
    batch: int | None = None
    """Answers that are learned from at once; all of a step where None. Fewer take less memory."""
    iterations: int = 1
    """Steps on the same answers. Above 1, `clip` holds the later ones near the first."""
    max_tokens: int = 256
    """Of an answer; what is longer is cut."""
    temperature: float = 1.0
    """Of the answers that are learned from."""
    rate: float = 5e-5
    """Peak of the learning rate. LoRA wants more than full training does."""
    warmup: float = 0.1
    """Share of the steps that the learning rate rises for."""
    beta: float = 0.001
    """Weight of the divergence from the start; above 0, as it is watched anyway. DeepSeek-R1 has 0.001."""
    clip: float = 0.2
    """How far from 1 the ratio of new to old probability of a token may go."""
    loss: Kind = "dapo"
    """How tokens are averaged: within each answer first ("grpo"); over all learned from at once ("bnpo") or all of
    the step ("dapo", Yu et al. 2025); or by `max_tokens` ("dr_grpo", Liu et al. 2025), which favors no length."""
    scale: Literal["group", "batch", "none"] = "group"
    """What rewards less the group's mean are divided by: their deviation in the group or the step, or nothing."""
    method: Literal["lora", "full"] = "lora"
    """LoRA (Hu et al. 2022) on every linear layer but the last, merged in the end; or all weights."""
    rank: int = 16
    """Of LoRA's matrices."""
    alpha: float = 32.0
    """What LoRA adds is multiplied by alpha / rank."""
    max_length: int = 512
    """Tokens of a prompt; a task with a longer one is left out and counted as "too long"."""
    held_out: float = 0.0
    """Share of the prompts that are not learned from, but answered greedily and rewarded before and after."""
    system: str = ""
    """What a system message says; where empty, the template's own, if it has one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """What matrices are multiplied in; "auto" is bfloat16 where the processor has it in hardware. Sums are float32."""
    save_every: int = 10
    """Steps from one checkpoint to the next, rounded up to whole `iterations`; 0 for none. Removed in the end."""
    instruction: str = "instruction"
    input: str = "input"
    history: str = "history"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_fields(self, _BOUNDS, _WORDS)
        if not self.rewards:
            raise ValueError("GRPO.rewards must hold one reward at least, was empty.")
        check_weights("GRPO.weights", self.rewards, self.weights)
        each = self.prompts * self.answers
        if self.batch is not None and not (self.batch >= 1 and each % self.batch == 0):
            raise ValueError(f"GRPO.batch must divide the {each} answers of a step, was {self.batch}.")
        if self.steps % self.iterations:
            raise ValueError(f"GRPO.steps must be a multiple of the {self.iterations} iterations, was {self.steps}.")

    def base(self, lab: Lab) -> str:
        """The reference of the model it starts from: what a proof compares the reinforced one with."""
        return self.model

    def usable(self, sample: Sample) -> bool:
        """Whether it can be asked."""
        return bool(str(sample.fields.get(self.instruction, "")).strip())

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Looks, before anything is generated, whether the start can be trained as is asked, and by these rewards.

        Raises:
            ModelError: What trains is not installed, there is no such model, or it has no chat template.
            RecipeError: The rank or the lengths are more than the model has, or a scorer is no reward.
        """
        check_scorers("GRPO.rewards", self.rewards, lab)
        check_scorers("GRPO.watch", self.watch, lab)
        rank = self.rank if self.method == "lora" else 0
        check_start("GRPO", self.model, self.max_length, rank, self.max_tokens)

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact:
        from assay.components.trainers.reinforcement.grpo_loop import reinforce
        from assay.components.trainers.reinforcement.grpo_rewards import Panel
        from assay.components.trainers.training_run import CHECKPOINTS, note, settle

        check_given("GRPO", samples)
        self.check((), lab)
        own, held = held_back(samples, self.held_out)
        tasks, rows = self._rows(own)
        job = self._job(tasks, rows, lab)
        settle(lab.workspace(), job.digest)
        done = reinforce(job, Panel(self.rewards, self.watch, tasks, lab), lab.progress or untold)
        note(lab.workspace(), done.history, done.curves)
        asked, greedy = [(one, self._asked(one)) for one in held], Decoding(max_tokens=self.max_tokens)
        Earning("GRPO", self.rewards, self.weights, asked, greedy).note(self.model, lab.workspace(), lab)
        shutil.rmtree(lab.workspace() / CHECKPOINTS)
        folder = lab.workspace() / "model"
        left = {"held out": len(held), "too long": len(own) - len(tasks)}
        facts = {"steps": len(done.history), "samples": len(samples), **left, **_facts(job, done)}
        return Artifact(str(folder), "text-model", digest_of(folder), facts)

    def _job(self, tasks: Sequence[Sample], rows: tuple[tuple[int, ...], ...], lab: Lab) -> Job:
        from assay.components.trainers.reinforcement.grpo_loop import Job

        count = self.steps // self.iterations * self.prompts
        return Job(
            model=self.model,
            folder=str(lab.workspace().absolute()),
            steps=self.steps,
            answers=self.answers,
            batch=self.batch or self.prompts * self.answers,
            iterations=self.iterations,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            rate=self.rate,
            warmup=self.warmup,
            rank=self.rank if self.method == "lora" else 0,
            alpha=self.alpha,
            half=halves(self.precision),
            beta=self.beta,
            clip=self.clip,
            loss=self.loss,
            scale=self.scale,
            seed=lab.seed,
            save_every=self.save_every,
            rows=rows,
            order=tuple(islice(stream([(1.0, range(len(rows)))], lab.seed), count)),
            rewards=tuple((name, self.weights.get(name, 1.0), repr(one)) for name, one in self.rewards.items()),
            watch=tuple((name, repr(one)) for name, one in self.watch.items()),
            tasks=tuple(task.id for task in tasks),
        )

    def _rows(self, samples: Sequence[Sample]) -> tuple[list[Sample], tuple[tuple[int, ...], ...]]:
        """The tasks whose prompt is short enough, and its tokens."""
        from assay.components.trainers.sft.model import tokenizer_of

        tokenizer = tokenizer_of(locate(self.model))
        rows = [tuple(rendered(tokenizer, self._asked(sample), self.model)) for sample in samples]
        kept = [(sample, row) for sample, row in zip(samples, rows, strict=True) if len(row) <= self.max_length]
        if not kept:
            raise RecipeError(
                f"None of {len(samples)} prompts fits into {self.max_length} tokens.", hint="Raise GRPO.max_length."
            )
        return [sample for sample, _ in kept], tuple(row for _, row in kept)

    def _asked(self, sample: Sample) -> tuple[Message, ...]:
        return conversation(
            sample, instruction=self.instruction, input=self.input, history=self.history, system=self.system
        )


def _facts(job: Job, done: Reinforced) -> dict[str, float]:
    return {
        "seen": len(job.order) * job.answers,
        **_ends(done.curves.values),
        "unread": done.unread,
        "unrewarded": done.unrewarded,
        "trained parameters": done.trained,
    }


def _ends(curves: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """Mean reward of the first and of the last fifth of the steps, and the divergence in the last."""
    found = dict[str, float]()
    for fact, name, last in (
        ("first reward", "reward", False),
        ("last reward", "reward", True),
        ("last kl", "kl", True),
    ):
        values = [one for one in curves.get(name, ()) if one is not None]
        size = max(1, len(values) // 5)
        part = values[-size:] if last else values[:size]
        if part:
            found[fact] = sum(part) / len(part)
    return found


_BOUNDS = (
    ("prompts", 1, 10**6),
    ("answers", 2, 10**6),
    ("iterations", 1, 10**6),
    ("max_tokens", 1, 10**7),
    ("temperature", 1e-3, 100.0),
    WARMUP,
    ("beta", 1e-12, 1e3),
    ("clip", 1e-6, 1.0),
    HELD_OUT,
)
_WORDS = (("loss", get_args(Kind)), ("scale", ("group", "batch", "none")), METHOD)
