"""Prompts of Self-Instruct, parsing of their answers, and the pool of tasks that serve as examples."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from assay.core.completions import Answer, Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.sample import Failure, Sample
from assay.text.answers.extraction import extract_yes_no
from assay.text.instructions.dialogues import said_before
from assay.text.instructions.self_instruct import (
    ABOUT_INSTANCES,
    CUT_OFF,
    LIST_ENDED,
    NOT_NOVEL,
    UNREADABLE,
    instance_rules,
    instruction_rules,
)
from assay.text.instructions.task_parsing import read_instance, read_list
from assay.text.instructions.task_prompts import (
    Layout,
    Task,
    Wording,
    label_prompt,
    list_prompt,
    list_stop,
    solve_prompt,
    sort_prompt,
    wording_of,
)
from assay.text.similarity.novelty import NoveltyFilter, Rule

MADE_BY = "SelfInstruct"
SORTING = Decoding(max_tokens=8)
"""Of yes or no: a word, and what a chatty model says before it."""
Items = list[tuple[str, str]]
"""Each instruction of a list, and the rule that it breaks or ""."""


class Settings(Protocol):
    """The fields of `SelfInstruct` that its prompts depend on."""

    @property
    def per_call(self) -> int: ...
    @property
    def human(self) -> int: ...
    @property
    def machine(self) -> int: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def solving_layout(self) -> Layout: ...
    @property
    def decoding(self) -> Decoding: ...
    @property
    def solving(self) -> Decoding: ...
    @property
    def yes(self) -> int: ...
    @property
    def no(self) -> int: ...
    @property
    def shots(self) -> int: ...


@dataclass(frozen=True)
class Call:
    """A list of instructions that is asked for at once, and the tasks that it goes on from."""

    plan: Sample
    """What its randomness depends on, beside the run's seed."""
    shown: tuple[Task, ...]

    @property
    def language(self) -> str:
        """Of all that is shown."""
        return self.shown[0].language

    @property
    def words(self) -> Wording:
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


class Pool:
    """People's tasks, and instructions made before that break no rule and are new.

    Nothing is added once it is made: what is judged depends on what is held alone, never on what else is judged.
    """

    def __init__(self, human: Sequence[Task], made: Sequence[Task], novelty: float) -> None:
        self._novelty = Rule(novelty)
        self._held = NoveltyFilter(self._novelty)
        self._held.remember(task.instruction for task in human)
        kept = self._held.add_all(task.instruction for task in made)
        self._made = tuple(task for task, one in zip(made, kept, strict=True) if one.kept)

    def shown(self, tasks: Sequence[Task], human: int, machine: int, rng: random.Random) -> list[Task]:
        """`human` of these tasks and `machine` of those made in their language, mixed; people's where those lack."""
        own = [task for task in self._made if task.language == tasks[0].language]
        chosen = rng.sample(own, min(machine, len(own)))
        chosen += rng.sample(tasks, human + machine - len(chosen))
        rng.shuffle(chosen)
        return chosen

    def judged(self, instructions: Sequence[str]) -> list[str]:
        """For each the rule that it breaks, or "": of its form, and of being new beside the pool and those before."""
        broken = [next(iter(instruction_rules(one)), "") for one in instructions]
        fresh = self._held.look(instructions)
        own = NoveltyFilter(self._novelty)
        return [
            rule or ("" if one.kept and own.add(text).kept else NOT_NOVEL)
            for text, rule, one in zip(instructions, broken, fresh, strict=True)
        ]


@dataclass(frozen=True)
class TaskPrompts:
    """The three kinds of prompt of Self-Instruct, built from human-written tasks by language."""

    settings: Settings
    tasks: Mapping[str, tuple[Task, ...]]
    lab: Lab

    def call(self, name: str, pool: Pool) -> Call:
        """The call of that name: the tasks that it shows, all of one language."""
        plan = plan_of(name)
        rng = self.lab.rng(plan, "tasks")
        (tasks,) = rng.choices(list(self.tasks.values()), [len(some) for some in self.tasks.values()])
        return Call(plan, tuple(pool.shown(tasks, self.settings.human, self.settings.machine, rng)))

    def listing(self, call: Call) -> TextRequest:
        """Asks for a list of instructions."""
        own = self.settings
        prompt = list_prompt([one.instruction for one in call.shown], own.per_call, call.words, own.layout)
        stop = list_stop(len(call.shown), own.per_call, call.words, own.layout)
        return TextRequest(prompt, _decoding(own.decoding, self.lab.seed_of(call.plan, "list"), *stop))

    def listed(self, answer: Answer, pool: Pool) -> Items:
        """The instructions in the answer, each judged beside the pool and those before it."""
        found = read_list(answer.text, continues=self.settings.layout == "plain")[: self.settings.per_call]
        judged = pool.judged([one.text for one in found])
        cut = [answer.end == "length" and not one.whole for one in found]
        return [(one.text, CUT_OFF if gone else rule) for one, gone, rule in zip(found, cut, judged, strict=True)]

    def sorting(self, draft: Draft) -> TextRequest:
        """Asks whether a task is one of classification."""
        language, own = draft.call.language, self.settings
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
        kind, language, own = bool(draft.classification), draft.call.language, self.settings
        yes, no = (own.shots, 0) if kind else (0, own.shots)
        examples = few_shot(self.tasks[language], yes, no, self.lab.rng(plan_of(""), f"solved/{language}/{kind}"))
        render = label_prompt if kind else solve_prompt
        prompt = render(draft.instruction, examples, draft.call.words, own.solving_layout)
        seed = self.lab.seed_of(draft.seed, "instance")
        return TextRequest(prompt, _decoding(own.solving, seed, f"\n{draft.call.words.task}:"))

    def solved(self, draft: Draft, answer: Answer) -> Draft:
        """With the instance, or rejected by the rule that it breaks."""
        label_first, plain = bool(draft.classification), self.settings.solving_layout == "plain"
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


def task_of(sample: Sample) -> Task:
    """A task that people wrote, as it is shown.

    Raises:
        FieldError: It has no instruction or no output.
        RecipeError: It is a dialogue, which makes no sense without what was said before.
    """
    if said_before(sample):
        raise RecipeError(
            f"SelfInstruct shows tasks that stand for themselves, and sample {sample.id} goes on with a dialogue.",
            hint="Give SelfInstruct.tasks a file without histories, or of chats of one question and answer.",
        )

    def field(name: str) -> str:
        value = sample.fields.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    instruction, output = sample.text("instruction").strip(), sample.text("output").strip()
    kind = field("classification").casefold() == "yes"
    return Task(sample.id, instruction, field("input"), output, kind, field("language"))


def of_language(tasks: Sequence[Task], language: str, least: int) -> dict[str, tuple[Task, ...]]:
    """Tasks by their language, or those of one where it is not "any"; at least `least` in each.

    Raises:
        RecipeError: There are fewer, or none.
    """
    known = sorted({task.language for task in tasks})
    wanted = known if language == "any" else [language]
    found = {one: tuple(task for task in tasks if task.language == one) for one in wanted}
    for one, own in found.items():
        if len(own) < least:
            named = f" in {one!r}" if one else ""
            raise RecipeError(
                f"SelfInstruct shows {least} tasks at a time, and there are {len(own)}{named}.",
                hint=f"Give more tasks, or show fewer: 'human' and 'machine'. Languages: {', '.join(known) or 'none'}.",
            )
    if not found:
        raise RecipeError("SelfInstruct.tasks holds no task.", hint="A task has an instruction and an output.")
    return found


def pool_of(human: Sequence[Task], made: Sequence[Sample], novelty: float) -> Pool:
    """The pool of one round, which is the same for all its parts."""
    good = (sample for sample in made if _is_good(sample))
    own = (Task(one.id, one.text("instruction"), language=one.text("language")) for one in good)
    return _pool_of(tuple(human), tuple(own), novelty)


@lru_cache(maxsize=1)
def _pool_of(human: tuple[Task, ...], made: tuple[Task, ...], novelty: float) -> Pool:
    return Pool(human, made, novelty)


def _is_good(sample: Sample) -> bool:
    """Whether its instruction is, whatever became of its instance: one that was cut itself has no class."""
    rule = sample.text("rejected")
    return not rule or rule in ABOUT_INSTANCES or (rule == CUT_OFF and bool(sample.text("classification")))


def few_shot(tasks: Sequence[Task], yes: int, no: int, rng: random.Random) -> list[Task]:
    """Up to `yes` tasks of classification and `no` others, mixed."""
    sorts = [[task for task in tasks if task.classification is kind] for kind in (True, False)]
    chosen = [task for own, most in zip(sorts, (yes, no), strict=True) for task in rng.sample(own, min(most, len(own)))]
    rng.shuffle(chosen)
    return chosen
