"""Self-Instruct: tasks written by a language model from human-written examples (Wang et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import ClassVar

from assay.components.generators.task_calls import (
    MADE_BY,
    Call,
    Draft,
    TaskPrompts,
    answer_of,
    draft_of,
    of_language,
    plan_of,
    pool_of,
    sample_of,
    size_of,
    task_of,
)
from assay.core.completions import FATAL, Answer, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.model_kinds import TextModel
from assay.core.roles import Source, listing_of
from assay.core.sample import Failure, Made, Sample
from assay.models.remote.budget import placeholder_text
from assay.text.instructions.self_instruct import RULE_DESCRIPTIONS
from assay.text.instructions.self_instruct_prompts import LAYOUTS, PromptLayout

TOKENS_EACH = 32
"""Minimum of max_tokens for each instruction of a list, so that lists are not always truncated."""
Drafts = list[Draft | Failure]


@dataclass(frozen=True)
class SelfInstruct:
    """Generate `count` tasks with a language model from human-written tasks, in rounds that build on each other.

    A call shows `human` human-written instructions and `machine` generated ones of earlier rounds, and asks for
    `per_call` more; the k-th instruction of the list becomes the k-th sample. If there are too few generated ones,
    human-written ones are shown instead. An instruction that breaks a rule of `text.instructions.self_instruct`, or has
    a ROUGE-L F above `novelty` with one of the pool or one before it in its list, gets the name of the rule in the
    field `rejected` and causes no further call. For the others the model is asked whether the task is a classification,
    and then for an input and an output; a classification gets the label first. A sample whose instance breaks a rule,
    or whose list was too short, is rejected too. Fields: instruction, input, output, classification, language,
    rejected, call, place. Parents: the seed, and the tasks that were shown when the instruction was written.

    The requests of a call depend only on its number, the seed of the run, `tasks` and the pool of earlier rounds, so
    more samples leave the existing ones unchanged. A refusal, a withheld answer and an error are failures, which the
    next run retries with the same random seed. A failed task does not join the pools of rounds that are already
    complete.

    Source: Wang et al. 2022, section 2 and appendix A; yizhongw/self-instruct. Differences: the pool grows by rounds of
    `per_round` instead of with every answer; a truncated list loses its last item instead of being dropped; each call
    has one language; an instruction gets one instance instead of up to five; few-shot examples are sampled from `tasks`
    instead of being fixed; instances are sampled, as a small model with greedy decoding repeats its input as the
    output; top-p is 0.9 instead of 0.5, and there are no presence penalties (2 and 1.5), which open models do not have;
    instructions keep their case.
    """

    tasks: Source
    """Human-written tasks with the fields instruction and output; input, classification (yes or no) and language are
    optional.
    """
    count: int
    model: str = "embedded:smollm2"
    per_round: int = 64
    """Samples of a round. All calls of a round use the same pool."""
    per_call: int = 1
    """Instructions to ask for in one call. The paper uses 8, which is cheaper with a large model; the embedded model
    repeats itself in longer lists.
    """
    human: int = 6
    machine: int = 2
    novelty: float = 0.7
    language: str = "any"
    """Show only tasks of this language. With "any", each call shows tasks of one language, drawn in proportion to their
    number.
    """
    layout: PromptLayout = "plain"
    """Layout of the prompt for a list: plain text that the model continues, or a chat. Services get plain text as a
    single user message.
    """
    solving_layout: PromptLayout = "plain"
    """Layout of the prompts for the classification question and for an instance."""
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", temperature=0.7, top_p=0.9, max_tokens=64))
    """Decoding of a list, with at least 32 tokens for each instruction. Its seed is ignored, as each call has its own.
    """
    solving: Decoding = field(default_factory=lambda: Decoding("sample", temperature=0.7, top_p=0.9, max_tokens=300))
    """Decoding of an instance. Its seed is ignored, as each instruction has its own."""
    yes: int = 12
    """Maximum of classification tasks among the examples of the classification question."""
    no: int = 19
    """Maximum of other tasks among those examples."""
    shots: int = 6
    """Maximum of examples in the prompt for an instance."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, least in _LEAST:
            if getattr(self, name) < least:
                raise ValueError(f"SelfInstruct.{name} must be at least {least}, was {getattr(self, name)}.")
        if not 0 < self.novelty <= 1:
            raise ValueError(f"SelfInstruct.novelty must be above 0 and at most 1, was {self.novelty}.")
        for name in ("layout", "solving_layout"):
            if (layout := getattr(self, name)) not in LAYOUTS:
                hint = did_you_mean(layout, LAYOUTS)
                raise ValueError(f"SelfInstruct.{name} must be one of {', '.join(LAYOUTS)}, was {layout!r}. {hint}")
        if not self.language:
            raise ValueError("SelfInstruct.language must name a language, or be 'any', was empty.")
        self._check_decoding()

    def _check_decoding(self) -> None:
        for name in ("decoding", "solving"):
            if (answers := getattr(self, name).answers) != 1:
                raise ValueError(f"SelfInstruct.{name} must give one answer, was {answers}.")
        if (tokens := self.decoding.max_tokens) < (least := TOKENS_EACH * self.per_call):
            expected = f"at least {least}, for {self.per_call} instructions in a call"
            raise ValueError(f"SelfInstruct.decoding.max_tokens must be {expected}, was {tokens}.")

    def listing(self) -> str:
        """Digest of the files that `tasks` reads."""
        return listing_of(self.tasks)

    def seeds(self) -> Sequence[Sample]:
        """Return a call and a place in its list for each task."""
        return [
            Sample({"call": str(call), "place": str(place)}, made_by=MADE_BY)
            for call, place in (self._place(nth) for nth in range(self.count))
        ]

    def _place(self, nth: int) -> tuple[int, int]:
        full_rounds, within = divmod(nth, self.per_round)
        return full_rounds * -(-self.per_round // self.per_call) + within // self.per_call, within % self.per_call

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        """Return the seeds by round and call; a call is never split."""
        each = -(-self.per_round // self.per_call)
        calls = [list(group) for _, group in groupby(seeds, key=lambda seed: seed.text("call"))]
        return [list(group) for _, group in groupby(calls, key=lambda group: int(group[0].text("call")) // each)]

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Read the tasks.

        Raises:
            UserError: They cannot be read, or are too few.
        """
        self._questions(lab)

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """Return the tasks.

        Raises:
            ModelError: The budget is spent, or the service rejects the key or the model. Earlier answers are kept.
            RecipeError: There are too few tasks to show.
        """
        model = lab.models.text_model(self.model)
        if not seeds:
            return []
        asking = self._questions(lab)
        pool = pool_of([task for group in asking.tasks.values() for task in group], lab.made, self.novelty)
        calls = {name: asking.call(name, pool) for name in dict.fromkeys(seed.text("call") for seed in seeds)}
        answers = self._ask(model, [asking.listing(call) for call in calls.values()])
        lists = {
            name: answer if isinstance(answer, NotCompleted) else asking.listed(answer, pool)
            for name, answer in zip(calls, answers, strict=True)
        }
        drafts: Drafts = []
        for seed in seeds:
            group = lists[name := seed.text("call")]
            if isinstance(group, NotCompleted):
                drafts.append(Failure(seed.id, group.reason))
            else:
                drafts.append(draft_of(seed, calls[name], group))
        drafts = self._step(model, drafts, asking.sorting, asking.sorted)
        return [sample_of(draft) for draft in self._step(model, drafts, asking.solving, asking.solved)]

    def asks(self, seeds: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Return the requests of `generate` at most, by model.

        The longest tasks are shown, every list is as long as max_tokens allows, and no instruction is rejected.
        """
        if not seeds:
            return {self.model: []}
        asking = self._questions(lab)
        longest = [
            sorted(group, key=lambda task: len(task.instruction))[-self._example_count :]
            for group in asking.tasks.values()
        ]
        results = []
        for group in (list(group) for _, group in groupby(seeds, key=lambda seed: seed.text("call"))):
            calls = [Call(plan_of(group[0].text("call")), tuple(some)) for some in longest]
            results.append(max(map(asking.listing, calls), key=size_of))
            each = -(-self.decoding.max_tokens // len(group))
            for seed in group:
                drafts = [Draft(seed, call, placeholder_text(each, int(seed.id, 16))) for call in calls]
                results.append(max(map(asking.sorting, drafts), key=size_of))
                both = [replace(draft, classification=kind) for draft in drafts for kind in (True, False)]
                results.append(max(map(asking.solving, both), key=size_of))
        return {self.model: results}

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """Return placeholder samples of maximal length, to estimate the cost of requests about them."""
        long, short = placeholder_text(self.solving.max_tokens), placeholder_text(self.decoding.max_tokens)
        fields = {
            "instruction": short,
            "input": long,
            "output": long,
            "classification": "yes",
            "language": self.language,
            "rejected": max(RULE_DESCRIPTIONS, key=len),
        }
        return [Sample({**seed.fields, **fields}, (seed.id,), MADE_BY) for seed in seeds]

    @property
    def _example_count(self) -> int:
        return self.human + self.machine

    def _questions(self, lab: Lab) -> TaskPrompts:
        tasks = [task_of(sample) for sample in self.tasks.read(lab)]
        return TaskPrompts(self, of_language(tasks, self.language, self._example_count), lab)

    def _step(
        self,
        model: TextModel,
        drafts: Drafts,
        ask: Callable[[Draft], TextRequest],
        parse: Callable[[Draft, Answer], Draft],
    ) -> Drafts:
        """Send a request about each draft that is not rejected, and parse the answers."""
        active = [nth for nth, draft in enumerate(drafts) if isinstance(draft, Draft) and not draft.rejected]
        pending = [draft for nth in active if isinstance(draft := drafts[nth], Draft)]
        results = list(drafts)
        for nth, draft, answer in zip(active, pending, self._ask(model, list(map(ask, pending))), strict=True):
            if isinstance(answer, NotCompleted):
                results[nth] = Failure(draft.seed.id, answer.reason)
            else:
                results[nth] = parse(draft, answer)
        return results

    def _ask(self, model: TextModel, requests: Sequence[TextRequest]) -> list[Answer | NotCompleted]:
        """Return the answer to each request, or why there is none; raise if a retry could not help."""
        results: list[Answer | NotCompleted] = []
        for completion in model.complete(requests) if requests else ():
            if isinstance(completion, NotCompleted) and completion.lack in FATAL:
                raise fatal_error(self.model, completion.lack, completion.reason)
            results.append(answer_of(completion, certain=model.means.reproducible))
        return results


_LEAST = (
    ("count", 1),
    ("per_round", 1),
    ("per_call", 1),
    ("human", 1),
    ("machine", 0),
    ("yes", 0),
    ("no", 0),
    ("shots", 0),
)
