"""The three kinds of question of Self-Instruct, and what their answers make of a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.components.generators.task_pool import Pool, few_shot
from assay.core.completions import Answer, Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Failure, Sample
from assay.text.answers.extraction import extract_yes_no
from assay.text.instructions.self_instruct import CUT_OFF, LIST_ENDED, UNREADABLE, instance_rules
from assay.text.instructions.task_parsing import read_instance, read_list
from assay.text.instructions.task_prompts import (
    ExampleTask,
    TaskWording,
    label_prompt,
    list_prompt,
    list_stop,
    solve_prompt,
    sort_prompt,
    wording_of,
)

if TYPE_CHECKING:
    from assay.components.generators.self_instruct import SelfInstruct

MADE_BY = "SelfInstruct"
SORTING = Decoding(max_tokens=8)
"""Of yes or no: a word, and what a chatty model says before it."""
Items = list[tuple[str, str]]
"""Each instruction of a list, and the rule that it breaks or ""."""


@dataclass(frozen=True)
class Call:
    """A list of instructions that is asked for at once, and the tasks that it goes on from."""

    plan: Sample
    """What its randomness depends on, beside the run's seed."""
    shown: tuple[ExampleTask, ...]

    @property
    def language(self) -> str:
        """Of all that is shown."""
        return self.shown[0].language

    @property
    def words(self) -> TaskWording:
        """To ask in."""
        return wording_of(self.language)


@dataclass(frozen=True)
class Draft:
    """A place in a list, on its way to a task."""

    seed: Sample
    call: Call
    instruction: str = ""
    rejected: str = ""
    classification: bool | None = None
    """None until it is asked."""
    input: str = ""
    output: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """Of the sample that it becomes, beside those of its seed."""
        kinds = {None: "", True: "yes", False: "no"}
        return {
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            "classification": kinds[self.classification],
            "language": self.call.language,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class Questions:
    """What a generator asks, given the tasks of people by their language."""

    own: SelfInstruct
    tasks: Mapping[str, tuple[ExampleTask, ...]]
    lab: Lab

    def call(self, name: str, pool: Pool) -> Call:
        """The call of that name: the tasks that it shows, all of one language."""
        plan = plan_of(name)
        rng = self.lab.rng(plan, "tasks")
        (tasks,) = rng.choices(list(self.tasks.values()), [len(some) for some in self.tasks.values()])
        return Call(plan, tuple(pool.shown(tasks, self.own.human, self.own.machine, rng)))

    def listing(self, call: Call) -> TextRequest:
        """Asks for a list of instructions."""
        own = self.own
        prompt = list_prompt([one.instruction for one in call.shown], own.per_call, call.words, own.layout)
        stop = list_stop(len(call.shown), own.per_call, call.words, own.layout)
        return TextRequest(prompt, _decoding(own.decoding, self.lab.seed_of(call.plan, "list"), *stop))

    def listed(self, answer: Answer, pool: Pool) -> Items:
        """The instructions in the answer, each judged beside the pool and those before it."""
        found = read_list(answer.text, continues=self.own.layout == "plain")[: self.own.per_call]
        judged = pool.judged([one.text for one in found])
        cut = [answer.end == "length" and not one.whole for one in found]
        return [(one.text, CUT_OFF if gone else rule) for one, gone, rule in zip(found, cut, judged, strict=True)]

    def sorting(self, draft: Draft) -> TextRequest:
        """Asks whether a task is one of classification."""
        language, own = draft.call.language, self.own
        rng = self.lab.rng(plan_of(""), f"sorted/{language}")
        examples = few_shot(self.tasks[language], own.yes, own.no, rng)
        prompt = sort_prompt(draft.instruction, examples, draft.call.words, own.solving_layout)
        return TextRequest(prompt, _decoding(SORTING, 0, "\n") if own.solving_layout == "plain" else SORTING)

    def sorted(self, draft: Draft, answer: Answer) -> Draft:
        """As the answer has it; no readable answer is a no."""
        said = extract_yes_no(answer.text, continues=True)
        return replace(draft, classification=said is not None and said.value == "yes")

    def solving(self, draft: Draft) -> TextRequest:
        """Asks for an instance: the input first, or for classification the label."""
        kind, language, own = bool(draft.classification), draft.call.language, self.own
        yes, no = (own.shots, 0) if kind else (0, own.shots)
        examples = few_shot(self.tasks[language], yes, no, self.lab.rng(plan_of(""), f"solved/{language}/{kind}"))
        render = label_prompt if kind else solve_prompt
        prompt = render(draft.instruction, examples, draft.call.words, own.solving_layout)
        seed = self.lab.seed_of(draft.seed, "instance")
        return TextRequest(prompt, _decoding(own.solving, seed, f"\n{draft.call.words.task}:"))

    def solved(self, draft: Draft, answer: Answer) -> Draft:
        """With the instance, or rejected by the rule that it breaks."""
        label_first, plain = bool(draft.classification), self.own.solving_layout == "plain"
        found = read_instance(answer.text, label_first=label_first, continues=plain)
        if found is None:
            return replace(draft, rejected=CUT_OFF if answer.end == "length" else UNREADABLE)
        cut = [CUT_OFF] if answer.end == "length" and not found.whole else []
        rule = next(iter([*cut, *instance_rules(draft.instruction, found.input, found.output)]), "")
        return replace(draft, input=found.input, output=found.output, rejected=rule)


def plan_of(call: str) -> Sample:
    """What the randomness of a call depends on; "" for what is the same in all calls of a run."""
    return Sample({"call": call}, made_by=MADE_BY)


def draft_of(seed: Sample, call: Call, items: Items) -> Draft:
    """What a list has in the place of a seed."""
    nth = int(seed.text("place"))
    return Draft(seed, call, *(items[nth] if nth < len(items) else ("", LIST_ENDED)))


def answer_of(made: Completion | NotCompleted, *, certain: bool) -> Answer | NotCompleted:
    """An answer, or why there is none that asking again may mend.

    `certain`: who says nothing now would say nothing again, so nothing is what it says.
    """
    if isinstance(made, NotCompleted):
        return made
    answer = made.answers[0]
    if answer.end in ("stop", "length") or (answer.end == "empty" and certain):
        return answer
    return NotCompleted("broken", f"the answer is no text: {answer.end}")


def sample_of(draft: Draft | Failure) -> Sample | Failure:
    """The task that a draft has become."""
    if isinstance(draft, Failure):
        return draft
    parents = (draft.seed.id, *(one.id for one in draft.call.shown))
    return Sample({**draft.seed.fields, **draft.fields}, parents, MADE_BY)


def size_of(request: TextRequest) -> int:
    """Bytes of the words of a prompt."""
    prompt = request.prompt
    return len(prompt.encode()) if isinstance(prompt, str) else sum(len(turn.text.encode()) for turn in prompt)


def _decoding(decoding: Decoding, seed: int, *stop: str) -> Decoding:
    return replace(decoding, seed=seed, stop=tuple(dict.fromkeys((*decoding.stop, *stop))))
