"""A few tasks that people wrote to many that a language model wrote (Wang et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import ClassVar

from assay.components.generators.task_calls import (
    MADE_BY,
    Call,
    Draft,
    Questions,
    answer_of,
    draft_of,
    plan_of,
    sample_of,
    size_of,
)
from assay.components.generators.task_pool import of_language, pool_of, task_of
from assay.core.completions import HOPELESS, Answer, NotCompleted, TextRequest, stopped
from assay.core.decoding import Decoding
from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.model_kinds import TextModel
from assay.core.roles import Source
from assay.core.sample import Failure, Made, Sample
from assay.models.remote.budget import placeholder_text
from assay.text.instructions.self_instruct import SENTENCES
from assay.text.instructions.task_prompts import LAYOUTS, Layout

TOKENS_EACH = 32
"""A list needs so many for each instruction: else it would always be cut."""
Drafts = list[Draft | Failure]


@dataclass(frozen=True)
class SelfInstruct:
    """Has a language model write `count` tasks after those of people, in rounds that build on each other.

    A call shows `human` instructions of people and `machine` of those made in earlier rounds, and asks for `per_call`
    more; the k-th goes to the k-th sample. Where fewer were made yet, people's take their place. An instruction that
    breaks a rule of `text.self_instruct`, or has a ROUGE-L F above `novelty` with one of the pool or before it in its
    list, is `rejected` by that rule's name and costs no further call. Of the others the model is asked whether they are
    classification, and for an input and an output; for classification the label comes first. A sample whose instance
    breaks a rule is rejected too, and one whose list was too short. Fields: instruction, input, output, classification,
    language, rejected, call, place. Parents: the seed, and the tasks that were shown when the instruction was written.

    What a call asks depends on its number, the run's seed, `tasks` and the pool of earlier rounds alone: more samples
    never change those there were. A refusal, a withheld answer or an error is a failure: the next run asks its call
    again with the same stream. A task that failed is in no pool of a round that is made already.

    Source: Wang et al. 2022, section 2 and appendix A; yizhongw/self-instruct. Where we differ: rounds of `per_round`
    stand for a pool that grows with every answer; a list that was cut loses its last item, there it is dropped whole;
    the language is one for each call; of an instruction one instance is made, there up to five; the few-shot examples
    are drawn from `tasks`, there they are fixed texts; an instance is sampled, for a small model that is greedy repeats
    its input as the output; the paper's top-p is 0.5, and its presence penalties (2 and 1.5), which open models do not
    know, are left out; instructions keep their capitals.
    """

    tasks: Source
    """Tasks that people wrote: fields instruction and output; input, classification (yes or no) and language if any."""
    count: int
    model: str = "embedded:smollm2"
    per_round: int = 64
    """Samples of a round, which makes up its calls from the same pool."""
    per_call: int = 1
    """Instructions that are asked for at once. The embedded model soon repeats itself in a list; the paper has 8, and a
    larger model is asked more cheaply with so many."""
    human: int = 6
    machine: int = 2
    novelty: float = 0.7
    language: str = "any"
    """Only tasks of this language are shown, or each call shows those of one, by their share."""
    layout: Layout = "plain"
    """Of a list: plain words that the model goes on with, or a chat. Services get plain words as one turn of a chat."""
    solving_layout: Layout = "plain"
    """Of the questions whether a task is classification, and for an instance."""
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", temperature=0.7, top_p=0.9, max_tokens=64))
    """Of a list, with 32 tokens or more for each instruction. Its seed is not used, for every call has its own."""
    solving: Decoding = field(default_factory=lambda: Decoding("sample", temperature=0.7, top_p=0.9, max_tokens=300))
    """Of an instance; its seed is not used, for every instance has its own."""
    yes: int = 12
    """Classification tasks shown where a task is sorted, at most."""
    no: int = 19
    """Other tasks shown there, at most."""
    shots: int = 6
    """Tasks shown where an instance is asked for, at most."""

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
            asked = f"at least {least}, for {self.per_call} instructions in a call"
            raise ValueError(f"SelfInstruct.decoding.max_tokens must be {asked}, was {tokens}.")

    def listing(self) -> str:
        """What `tasks` says of the file that it reads, so that another one is gone on from anew."""
        return str(getattr(self.tasks, "listing", str)())

    def seeds(self) -> Sequence[Sample]:
        """A call and a place in its list for each task."""
        return [
            Sample({"call": str(call), "place": str(place)}, made_by=MADE_BY)
            for call, place in (self._place(nth) for nth in range(self.count))
        ]

    def _place(self, nth: int) -> tuple[int, int]:
        done, within = divmod(nth, self.per_round)
        return done * -(-self.per_round // self.per_call) + within // self.per_call, within % self.per_call

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        """The calls of each round: a call is made in one piece."""
        each = -(-self.per_round // self.per_call)
        calls = [list(own) for _, own in groupby(seeds, key=lambda seed: seed.text("call"))]
        return [list(own) for _, own in groupby(calls, key=lambda own: int(own[0].text("call")) // each)]

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Reads the tasks.

        Raises:
            UserError: They cannot be read, or are too few.
        """
        self._questions(lab)

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """The tasks.

        Raises:
            ModelError: The budget is spent, or the service knows the key or the model not; answers are kept.
            RecipeError: There are too few tasks to show.
        """
        model = lab.models.text_model(self.model)
        if not seeds:
            return []
        asking = self._questions(lab)
        pool = pool_of([task for own in asking.tasks.values() for task in own], lab.made, self.novelty)
        calls = {name: asking.call(name, pool) for name in dict.fromkeys(seed.text("call") for seed in seeds)}
        answers = self._ask(model, [asking.listing(call) for call in calls.values()])
        lists = {
            name: one if isinstance(one, NotCompleted) else asking.listed(one, pool)
            for name, one in zip(calls, answers, strict=True)
        }
        drafts: Drafts = []
        for seed in seeds:
            own = lists[name := seed.text("call")]
            if isinstance(own, NotCompleted):
                drafts.append(Failure(seed.id, own.reason))
            else:
                drafts.append(draft_of(seed, calls[name], own))
        drafts = self._step(model, drafts, asking.sorting, asking.sorted)
        return [sample_of(one) for one in self._step(model, drafts, asking.solving, asking.solved)]

    def asks(self, seeds: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """What `generate` would ask at most, by model.

        As if the longest tasks were shown, every list were as long as its max_tokens allow, and nothing were rejected.
        """
        if not seeds:
            return {self.model: []}
        asking = self._questions(lab)
        longest = [sorted(own, key=lambda one: len(one.instruction))[-self._shown :] for own in asking.tasks.values()]
        found = []
        for own in (list(own) for _, own in groupby(seeds, key=lambda seed: seed.text("call"))):
            calls = [Call(plan_of(own[0].text("call")), tuple(some)) for some in longest]
            found.append(max(map(asking.listing, calls), key=size_of))
            each = -(-self.decoding.max_tokens // len(own))
            for seed in own:
                drafts = [Draft(seed, call, placeholder_text(each, int(seed.id, 16))) for call in calls]
                found.append(max(map(asking.sorting, drafts), key=size_of))
                both = [replace(draft, classification=kind) for draft in drafts for kind in (True, False)]
                found.append(max(map(asking.solving, both), key=size_of))
        return {self.model: found}

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """As long as the tasks can become: what is asked about them can be priced before there are any."""
        long, short = placeholder_text(self.solving.max_tokens), placeholder_text(self.decoding.max_tokens)
        fields = {
            "instruction": short,
            "input": long,
            "output": long,
            "classification": "yes",
            "language": self.language,
            "rejected": max(SENTENCES, key=len),
        }
        return [Sample({**seed.fields, **fields}, (seed.id,), MADE_BY) for seed in seeds]

    @property
    def _shown(self) -> int:
        return self.human + self.machine

    def _questions(self, lab: Lab) -> Questions:
        tasks = [task_of(one) for one in self.tasks.read(lab)]
        return Questions(self, of_language(tasks, self.language, self._shown), lab)

    def _step(
        self,
        model: TextModel,
        drafts: Drafts,
        ask: Callable[[Draft], TextRequest],
        read: Callable[[Draft, Answer], Draft],
    ) -> Drafts:
        """Asks something about each draft that is not rejected, and reads the answers."""
        going = [nth for nth, one in enumerate(drafts) if isinstance(one, Draft) and not one.rejected]
        asked = [draft for nth in going if isinstance(draft := drafts[nth], Draft)]
        found = list(drafts)
        for nth, draft, answer in zip(going, asked, self._ask(model, list(map(ask, asked))), strict=True):
            if isinstance(answer, NotCompleted):
                found[nth] = Failure(draft.seed.id, answer.reason)
            else:
                found[nth] = read(draft, answer)
        return found

    def _ask(self, model: TextModel, requests: Sequence[TextRequest]) -> list[Answer | NotCompleted]:
        """The answer to each request, or why there is none that asking again could not mend."""
        found: list[Answer | NotCompleted] = []
        for made in model.complete(requests) if requests else ():
            if isinstance(made, NotCompleted) and made.lack in HOPELESS:
                raise stopped(self.model, made.lack, made.reason)
            found.append(answer_of(made, certain=model.means.reproducible))
        return found


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
