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
from assay.text.instructions.dialogues import history_messages
from assay.text.instructions.self_instruct import (
    CUT_OFF,
    INSTANCE_RULE_NAMES,
    LIST_ENDED,
    NOT_NOVEL,
    UNREADABLE,
    broken_instance_rules,
    broken_instruction_rules,
)
from assay.text.instructions.self_instruct_prompts import (
    ExampleTask,
    PromptLayout,
    TaskWording,
    label_prompt,
    list_prompt,
    list_stop,
    parse_instance,
    parse_instructions,
    solve_prompt,
    sort_prompt,
    task_wording,
)
from assay.text.similarity.novelty import NoveltyFilter, NoveltyRule

MADE_BY = "SelfInstruct"
SORTING = Decoding(max_tokens=8)
"""Decoding of the classification question: yes or no, and words that a chat model may put before it."""
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
    def layout(self) -> PromptLayout: ...
    @property
    def solving_layout(self) -> PromptLayout: ...
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
    """A request for a list of instructions, and the tasks that it shows as examples."""

    plan: Sample
    """Sample that the randomness of the call depends on, with the seed of the run."""
    examples: tuple[ExampleTask, ...]

    @property
    def language(self) -> str:
        """Language of all tasks that are shown."""
        return self.examples[0].language

    @property
    def words(self) -> TaskWording:
        """Wording of the prompt."""
        return task_wording(self.language)


@dataclass(frozen=True)
class Draft:
    """A task in progress: one place in a list."""

    seed: Sample
    call: Call
    instruction: str = ""
    rejected: str = ""
    classification: bool | None = None
    """None until the model was asked."""
    input: str = ""
    output: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """Fields of the resulting sample, without those of its seed."""
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
    """Human-written tasks, and generated instructions that break no rule and are novel.

    A pool is immutable, so the result for an instruction does not depend on other instructions.
    """

    def __init__(self, human: Sequence[ExampleTask], generated: Sequence[ExampleTask], novelty: float) -> None:
        self._novelty = NoveltyRule(novelty)
        self._filter = NoveltyFilter(self._novelty)
        self._filter.add_references(task.instruction for task in human)
        decisions = self._filter.add_all(task.instruction for task in generated)
        self._generated = tuple(task for task, decision in zip(generated, decisions, strict=True) if decision.kept)

    def sample(self, tasks: Sequence[ExampleTask], human: int, machine: int, rng: random.Random) -> list[ExampleTask]:
        """Sample `human` of `tasks` and `machine` generated ones of the same language, shuffled.

        Human-written tasks replace missing generated ones.
        """
        generated = [task for task in self._generated if task.language == tasks[0].language]
        chosen = rng.sample(generated, min(machine, len(generated)))
        chosen += rng.sample(tasks, human + machine - len(chosen))
        rng.shuffle(chosen)
        return chosen

    def broken_rules(self, instructions: Sequence[str]) -> list[str]:
        """Return the rule that each instruction breaks, or "".

        The rules are those of form, and novelty against the pool and against earlier instructions.
        """
        broken = [next(iter(broken_instruction_rules(text)), "") for text in instructions]
        fresh = self._filter.check(instructions)
        within = NoveltyFilter(self._novelty)
        return [
            rule or ("" if decision.kept and within.add(text).kept else NOT_NOVEL)
            for text, rule, decision in zip(instructions, broken, fresh, strict=True)
        ]


@dataclass(frozen=True)
class TaskPrompts:
    """The three kinds of prompt of Self-Instruct, built from human-written tasks by language."""

    settings: Settings
    tasks: Mapping[str, tuple[ExampleTask, ...]]
    lab: Lab

    def call(self, name: str, pool: Pool) -> Call:
        """Return the call of that name with the tasks that it shows, all of one language."""
        plan = plan_of(name)
        rng = self.lab.rng(plan, "tasks")
        (tasks,) = rng.choices(list(self.tasks.values()), [len(members) for members in self.tasks.values()])
        return Call(plan, tuple(pool.sample(tasks, self.settings.human, self.settings.machine, rng)))

    def listing(self, call: Call) -> TextRequest:
        """Return the request for a list of instructions."""
        settings = self.settings
        instructions = [task.instruction for task in call.examples]
        prompt = list_prompt(instructions, settings.per_call, call.words, settings.layout)
        stop = list_stop(len(call.examples), settings.per_call, call.words, settings.layout)
        return TextRequest(prompt, _decoding(settings.decoding, self.lab.seed_of(call.plan, "list"), *stop))

    def listed(self, answer: Answer, pool: Pool) -> Items:
        """Return the instructions of an answer, each with the rule that it breaks."""
        items = parse_instructions(answer.text, continues=self.settings.layout == "plain")[: self.settings.per_call]
        rules = pool.broken_rules([item.text for item in items])
        cuts = [answer.end == "length" and not item.complete for item in items]
        return [(item.text, CUT_OFF if is_cut else rule) for item, is_cut, rule in zip(items, cuts, rules, strict=True)]

    def sorting(self, draft: Draft) -> TextRequest:
        """Return the request whether a task is a classification."""
        language, settings = draft.call.language, self.settings
        rng = self.lab.rng(plan_of(""), f"sorted/{language}")
        examples = few_shot(self.tasks[language], settings.yes, settings.no, rng)
        prompt = sort_prompt(draft.instruction, examples, draft.call.words, settings.solving_layout)
        return TextRequest(prompt, _decoding(SORTING, 0, "\n") if settings.solving_layout == "plain" else SORTING)

    def sorted(self, draft: Draft, answer: Answer) -> Draft:
        """Return the draft with the answer to that; an unreadable answer counts as no."""
        extracted = extract_yes_no(answer.text, continues=True)
        return replace(draft, classification=extracted is not None and extracted.value == "yes")

    def solving(self, draft: Draft) -> TextRequest:
        """Return the request for an instance: input first, or label first for a classification."""
        kind, language, settings = bool(draft.classification), draft.call.language, self.settings
        yes, no = (settings.shots, 0) if kind else (0, settings.shots)
        examples = few_shot(self.tasks[language], yes, no, self.lab.rng(plan_of(""), f"solved/{language}/{kind}"))
        render = label_prompt if kind else solve_prompt
        prompt = render(draft.instruction, examples, draft.call.words, settings.solving_layout)
        seed = self.lab.seed_of(draft.seed, "instance")
        return TextRequest(prompt, _decoding(settings.solving, seed, f"\n{draft.call.words.task}:"))

    def solved(self, draft: Draft, answer: Answer) -> Draft:
        """Return the draft with its instance, or rejected by the rule that the instance breaks."""
        label_first, plain = bool(draft.classification), self.settings.solving_layout == "plain"
        instance = parse_instance(answer.text, label_first=label_first, continues=plain)
        if instance is None:
            return replace(draft, rejected=CUT_OFF if answer.end == "length" else UNREADABLE)
        truncation = [CUT_OFF] if answer.end == "length" and not instance.complete else []
        rule = next(iter([*truncation, *broken_instance_rules(draft.instruction, instance.input, instance.output)]), "")
        return replace(draft, input=instance.input, output=instance.output, rejected=rule)


def plan_of(call: str) -> Sample:
    """Return the sample that the randomness of a call depends on; "" for what all calls of a run share."""
    return Sample({"call": call}, made_by=MADE_BY)


def draft_of(seed: Sample, call: Call, items: Items) -> Draft:
    """Return the item of a list at the place of a seed."""
    nth = int(seed.text("place"))
    return Draft(seed, call, *(items[nth] if nth < len(items) else ("", LIST_ENDED)))


def answer_of(completion: Completion | NotCompleted, *, certain: bool) -> Answer | NotCompleted:
    """Return an answer, or a failure that a retry may fix.

    Args:
        completion: The completion.
        certain: Whether the model is reproducible: an empty answer is then final.
    """
    if isinstance(completion, NotCompleted):
        return completion
    answer = completion.answers[0]
    if answer.end in ("stop", "length") or (answer.end == "empty" and certain):
        return answer
    return NotCompleted("broken", f"the answer is no text: {answer.end}")


def sample_of(draft: Draft | Failure) -> Sample | Failure:
    """Return the sample of a finished draft."""
    if isinstance(draft, Failure):
        return draft
    parents = (draft.seed.id, *(task.id for task in draft.call.examples))
    return Sample({**draft.seed.fields, **draft.fields}, parents, MADE_BY)


def size_of(request: TextRequest) -> int:
    """Bytes of the text of a prompt."""
    prompt = request.prompt
    return len(prompt.encode()) if isinstance(prompt, str) else sum(len(turn.text.encode()) for turn in prompt)


def _decoding(decoding: Decoding, seed: int, *stop: str) -> Decoding:
    return replace(decoding, seed=seed, stop=tuple(dict.fromkeys((*decoding.stop, *stop))))


def task_of(sample: Sample) -> ExampleTask:
    """Return a human-written task in the form of an example.

    Raises:
        FieldError: It has no instruction or no output.
        RecipeError: It is a dialogue, which makes no sense without its history.
    """
    if history_messages(sample):
        raise RecipeError(
            f"SelfInstruct needs tasks without a history, but sample {sample.id} continues a dialogue.",
            hint="Set SelfInstruct.tasks to a file without histories, or of chats with one question and answer.",
        )

    def field(name: str) -> str:
        value = sample.fields.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    instruction, output = sample.text("instruction").strip(), sample.text("output").strip()
    kind = field("classification").casefold() == "yes"
    return ExampleTask(sample.id, instruction, field("input"), output, kind, field("language"))


def of_language(tasks: Sequence[ExampleTask], language: str, least: int) -> dict[str, tuple[ExampleTask, ...]]:
    """Return tasks by language, or those of one language unless it is "any"; at least `least` of each.

    Raises:
        RecipeError: There are fewer.
    """
    languages = sorted({task.language for task in tasks})
    selected = languages if language == "any" else [language]
    by_language = {name: tuple(task for task in tasks if task.language == name) for name in selected}
    for name, members in by_language.items():
        if len(members) < least:
            suffix = f" in {name!r}" if name else ""
            raise RecipeError(
                f"SelfInstruct shows {least} tasks in a call, but there are only {len(members)}{suffix}.",
                hint=f"Add tasks, or lower 'human' or 'machine'. Languages: {', '.join(languages) or 'none'}.",
                language=name,
                languages=tuple(languages),
                needed=least,
                tasks=len(members),
            )
    if not by_language:
        hint = "A task has an instruction and an output."
        raise RecipeError("SelfInstruct.tasks has no task.", hint=hint, name="SelfInstruct.tasks", tasks=0)
    return by_language


def pool_of(human: Sequence[ExampleTask], generated: Sequence[Sample], novelty: float) -> Pool:
    """Return the pool of a round, which all its parts share."""
    good = (sample for sample in generated if _is_good(sample))
    examples = (ExampleTask(sample.id, sample.text("instruction"), language=sample.text("language")) for sample in good)
    return _pool_of(tuple(human), tuple(examples), novelty)


@lru_cache(maxsize=1)
def _pool_of(human: tuple[ExampleTask, ...], generated: tuple[ExampleTask, ...], novelty: float) -> Pool:
    return Pool(human, generated, novelty)


def _is_good(sample: Sample) -> bool:
    """Whether the instruction was accepted, regardless of its instance.

    An instruction that was truncated itself has no class.
    """
    rule = sample.text("rejected")
    return not rule or rule in INSTANCE_RULE_NAMES or (rule == CUT_OFF and bool(sample.text("classification")))


def few_shot(tasks: Sequence[ExampleTask], yes: int, no: int, rng: random.Random) -> list[ExampleTask]:
    """Sample up to `yes` classification tasks and `no` other tasks, shuffled."""
    sorts = [[task for task in tasks if task.classification is kind] for kind in (True, False)]
    chosen = [
        task for group, most in zip(sorts, (yes, no), strict=True) for task in rng.sample(group, min(most, len(group)))
    ]
    rng.shuffle(chosen)
    return chosen
