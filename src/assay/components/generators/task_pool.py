"""The tasks that may be shown to a language model which invents more: people's, and those made before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from assay.core.errors import RecipeError
from assay.core.sample import Sample
from assay.text.instructions.dialogues import said_before
from assay.text.instructions.self_instruct import ABOUT_INSTANCES, CUT_OFF, NOT_NOVEL, instruction_rules
from assay.text.instructions.task_prompts import ExampleTask
from assay.text.similarity.novelty import NoveltyFilter, Rule


def task_of(sample: Sample) -> ExampleTask:
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
    return ExampleTask(sample.id, instruction, field("input"), output, kind, field("language"))


def of_language(tasks: Sequence[ExampleTask], language: str, least: int) -> dict[str, tuple[ExampleTask, ...]]:
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


class Pool:
    """People's tasks, and instructions made before that break no rule and are new.

    Nothing is added once it is made: what is judged depends on what is held alone, never on what else is judged.
    """

    def __init__(self, human: Sequence[ExampleTask], made: Sequence[ExampleTask], novelty: float) -> None:
        self._novelty = Rule(novelty)
        self._held = NoveltyFilter(self._novelty)
        self._held.remember(task.instruction for task in human)
        kept = self._held.add_all(task.instruction for task in made)
        self._made = tuple(task for task, one in zip(made, kept, strict=True) if one.kept)

    def shown(self, tasks: Sequence[ExampleTask], human: int, machine: int, rng: random.Random) -> list[ExampleTask]:
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


def pool_of(human: Sequence[ExampleTask], made: Sequence[Sample], novelty: float) -> Pool:
    """The pool of one round, which is the same for all its parts."""
    good = (sample for sample in made if _is_good(sample))
    own = (ExampleTask(one.id, one.text("instruction"), language=one.text("language")) for one in good)
    return _pool_of(tuple(human), tuple(own), novelty)


@lru_cache(maxsize=1)
def _pool_of(human: tuple[ExampleTask, ...], made: tuple[ExampleTask, ...], novelty: float) -> Pool:
    return Pool(human, made, novelty)


def _is_good(sample: Sample) -> bool:
    """Whether its instruction is, whatever became of its instance: one that was cut itself has no class."""
    rule = sample.text("rejected")
    return not rule or rule in ABOUT_INSTANCES or (rule == CUT_OFF and bool(sample.text("classification")))


def few_shot(tasks: Sequence[ExampleTask], yes: int, no: int, rng: random.Random) -> list[ExampleTask]:
    """Up to `yes` tasks of classification and `no` others, mixed."""
    sorts = [[task for task in tasks if task.classification is kind] for kind in (True, False)]
    chosen = [task for own, most in zip(sorts, (yes, no), strict=True) for task in rng.sample(own, min(most, len(own)))]
    rng.shuffle(chosen)
    return chosen
