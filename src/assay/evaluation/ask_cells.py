"""Asks a model the questions of one cell, many at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from assay.core.completions import Completion, Continuations, Message, NotCompleted
from assay.core.errors import RecipeError
from assay.core.model_kinds import LikelihoodModel, TextModel
from assay.core.sample import Sample
from assay.evaluation.asking import Asked, Quest, Way, ask_each, first_prompt
from assay.evaluation.plan import Cell, choices_of
from assay.store.answers import StoredAnswer
from assay.text.prompting.methods import FewShotExample, Prompt, multiple_choice
from assay.text.prompting.multiple_choice import (
    MultipleChoiceItem,
    cloze_prompt,
    continuations,
    item_of,
    mmlu_prompt,
    truthfulqa_prompt,
)

Pool = Mapping[str, Sequence[Sample]]
"""Items that are answered, by subject; "" where there are no subjects."""


def pool_of(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Items that are answered, by subject."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(_subject(sample), []).append(sample)
    return found


def worded(item: Sample) -> str:
    """The question, with its choices under it where it has any."""
    choices = choices_of(item)
    return multiple_choice(item.text("question"), choices) if choices else item.text("question")


def given(cell: Cell, item: Sample, pool: Pool) -> tuple[Prompt, str]:
    """What a model is given first about `item`, and the digest of it that stands in the answer's row.

    Raises:
        RecipeError: There are too few examples.
    """
    own = pool.get(_subject(item), ())
    if cell.manner.convention is not None:
        asked = _continuations(cell, item_of(item), [item_of(one) for one in own])
        return asked.prompt, _digest((asked.prompt, *asked.texts))
    prompt = first_prompt(_quest(cell, item, tuple(map(_example, own))))
    return prompt, _digest((prompt,))


def quests_of(cell: Cell, items: Sequence[Sample], pool: Pool) -> list[Quest]:
    """What a model that writes is asked."""
    shown = {subject: tuple(map(_example, samples)) for subject, samples in pool.items()}
    return [_quest(cell, item, shown.get(_subject(item), ())) for item in items]


def written(model: TextModel, cell: Cell, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
    """What the model writes.

    Raises:
        ModelError: It cannot decode as the cell wants.
        RecipeError: There are too few examples.
    """
    return [_row(item, asked) for item, asked in zip(items, ask_each(model, quests_of(cell, items, pool)), strict=True)]


def compared(model: LikelihoodModel, cell: Cell, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
    """How probable the choices are.

    Raises:
        ModelError: The model refuses a conversation.
        RecipeError: There are too few examples.
    """
    asked = [
        _continuations(cell, item_of(item), [item_of(one) for one in pool.get(_subject(item), ())]) for item in items
    ]
    rows = []
    for item, one, found in zip(items, asked, model.likelihoods(asked), strict=True):
        prompt = _digest((one.prompt, *one.texts))
        if isinstance(found, NotCompleted):
            rows.append(StoredAnswer(item.id, prompt, lack=found.lack, reason=found.reason))
        else:
            rows.append(StoredAnswer(item.id, prompt, likelihoods=found))
    return rows


def _continuations(cell: Cell, item: MultipleChoiceItem, pool: Sequence[MultipleChoiceItem]) -> Continuations:
    manner = cell.manner
    assert manner.convention is not None, "only cells that compare come here"
    if len(pool) < manner.shots:
        raise RecipeError(f"Needed {manner.shots} examples of {item.subject or cell.task.name!r}, had {len(pool)}.")
    examples = pool[: manner.shots]
    if cell.task.solved == "truthfulqa":
        prompt = truthfulqa_prompt(item)
    else:
        prompt = (mmlu_prompt if manner.convention == "letter" else cloze_prompt)(item, examples)
    return continuations(item, prompt, manner.convention)


def _quest(cell: Cell, item: Sample, pool: Sequence[FewShotExample]) -> Quest:
    assert cell.decoding is not None, "only cells that write come here"
    choices = choices_of(item)
    prompting = cell.manner.prompting(cell.task.kind, len(choices))
    about = cell.task.about.format(subject=_subject(item).replace("_", " ")).strip()
    # A stream of its own: else the nth sample of every question would draw alike.
    own = int(hashlib.sha256(f"{cell.decoding.seed}/{item.id}".encode()).hexdigest()[:15], 16)
    way = Way(cell.manner.name, replace(prompting, instruction=about), replace(cell.decoding, seed=own))
    return Quest(way, worded(item), choices, tuple(pool))


def _row(item: Sample, asked: Asked) -> StoredAnswer:
    prompt = _digest(asked.prompts[:1])
    lack = asked.lacking[0] if asked.lacking else None
    done = [one for one in asked.made if isinstance(one, Completion)]
    tokens = [answer.tokens for one in done for answer in one.answers]
    return StoredAnswer(
        item.id,
        prompt,
        texts=asked.texts if lack is None else (),
        thinking=asked.thinking,
        ends=tuple(answer.end for answer in asked.answers) if lack is None else (),
        lack=lack.lack if lack is not None else "",
        reason=lack.reason if lack is not None else "",
        tokens=None if any(one is None for one in tokens) else sum(one for one in tokens if one is not None),
        dollars=asked.dollars,
    )


def _example(item: Sample) -> FewShotExample:
    return FewShotExample(worded(item), item.text("answer"), str(item.fields.get("reasoning", "")))


def _subject(item: Sample) -> str:
    return str(item.fields.get("subject", ""))


def _digest(parts: Sequence[object]) -> str:
    """Of all that a model was given: words as they are, and the turns of a conversation."""
    text = "\0".join(part if isinstance(part, str) else _turns(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _turns(prompt: object) -> str:
    assert isinstance(prompt, tuple), "a prompt is words or turns"
    return "\n".join(f"{turn.role}: {turn.text}" for turn in prompt if isinstance(turn, Message))
