"""Batched inference for one cell of an evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from assay.core.completions import Continuations, Message, NotCompleted
from assay.core.errors import RecipeError
from assay.core.lab import request_seed
from assay.core.model_kinds import LikelihoodModel, TextModel
from assay.core.sample import Sample
from assay.evaluation.asking import MethodResult, PromptedQuestion, PromptingMethod, ask_each, rendered_first
from assay.evaluation.plan import EvalCell, choices_of
from assay.store.answers import StoredAnswer, answer_row
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
"""Few-shot examples by subject; the key is "" without subjects."""


def pool_by_subject(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Group few-shot examples by subject."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_subject(sample), []).append(sample)
    return groups


def question_text(item: Sample) -> str:
    """The question, followed by its choices if it has any."""
    choices = choices_of(item)
    return multiple_choice(item.text("question"), choices) if choices else item.text("question")


def rendered_prompt(cell: EvalCell, item: Sample, pool: Pool) -> tuple[Prompt, str]:
    """The first prompt about `item`, and its digest as stored with the answer.

    Raises:
        RecipeError: There are too few few-shot examples.
    """
    examples = pool.get(_subject(item), ())
    if cell.setup.convention is not None:
        request = _continuations(cell, item_of(item), [item_of(sample) for sample in examples])
        return request.prompt, _digest((request.prompt, *request.texts))
    prompt = rendered_first(_prompted_question(cell, item, tuple(map(_example, examples))))
    return prompt, _digest((prompt,))


def prompted_questions(cell: EvalCell, items: Sequence[Sample], pool: Pool) -> list[PromptedQuestion]:
    """Questions for a text model, with their prompts and decoding."""
    examples = {subject: tuple(map(_example, samples)) for subject, samples in pool.items()}
    return [_prompted_question(cell, item, examples.get(_subject(item), ())) for item in items]


def generated_answers(model: TextModel, cell: EvalCell, items: Sequence[Sample], pool: Pool) -> list[StoredAnswer]:
    """Generate answers with a text model.

    Raises:
        ModelError: The model does not support the decoding of the cell.
        RecipeError: There are too few few-shot examples.
    """
    return [
        _row(item, result)
        for item, result in zip(items, ask_each(model, prompted_questions(cell, items, pool)), strict=True)
    ]


def likelihood_answers(
    model: LikelihoodModel, cell: EvalCell, items: Sequence[Sample], pool: Pool
) -> list[StoredAnswer]:
    """Log-likelihoods of the answer choices.

    Raises:
        ModelError: The model does not accept a conversation.
        RecipeError: There are too few few-shot examples.
    """
    requests = [
        _continuations(cell, item_of(item), [item_of(sample) for sample in pool.get(_subject(item), ())])
        for item in items
    ]
    rows = []
    for item, request, answer in zip(items, requests, model.likelihoods(requests), strict=True):
        prompt = _digest((request.prompt, *request.texts))
        if isinstance(answer, NotCompleted):
            rows.append(StoredAnswer(item.id, prompt, lack=answer.lack, reason=answer.reason))
        else:
            rows.append(StoredAnswer(item.id, prompt, likelihoods=answer))
    return rows


def _continuations(cell: EvalCell, item: MultipleChoiceItem, pool: Sequence[MultipleChoiceItem]) -> Continuations:
    setup = cell.setup
    assert setup.convention is not None, "only cells scored by likelihood have continuations"
    if len(pool) < setup.shots:
        raise RecipeError(
            f"{setup.shots} few-shot examples of {item.subject or cell.task.name!r} are needed, found {len(pool)}."
        )
    examples = pool[: setup.shots]
    if cell.task.solved == "truthfulqa":
        prompt = truthfulqa_prompt(item)
    else:
        prompt = (mmlu_prompt if setup.convention == "letter" else cloze_prompt)(item, examples)
    return continuations(item, prompt, setup.convention)


def _prompted_question(cell: EvalCell, item: Sample, pool: Sequence[FewShotExample]) -> PromptedQuestion:
    assert cell.decoding is not None, "only cells that generate text have a decoding"
    choices = choices_of(item)
    prompting = cell.setup.prompting(cell.task.kind, len(choices))
    about = cell.task.about.format(subject=_subject(item).replace("_", " ")).strip()
    # A separate stream per question: otherwise the nth samples of all questions would be correlated.
    seed = request_seed(cell.decoding.seed, item.id)
    method = PromptingMethod(cell.setup.name, replace(prompting, instruction=about), replace(cell.decoding, seed=seed))
    return PromptedQuestion(method, question_text(item), choices, tuple(pool))


def _row(item: Sample, result: MethodResult) -> StoredAnswer:
    prompt = _digest(result.prompts[:1])
    return answer_row(item.id, prompt, result.calls, final=result.final, thinking=result.thinking)


def _example(item: Sample) -> FewShotExample:
    return FewShotExample(question_text(item), item.text("answer"), str(item.fields.get("reasoning", "")))


def _subject(item: Sample) -> str:
    return str(item.fields.get("subject", ""))


def _digest(parts: Sequence[object]) -> str:
    """SHA-256 prefix of prompts: plain text, or the turns of a conversation."""
    text = "\0".join(part if isinstance(part, str) else _turns(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _turns(prompt: object) -> str:
    assert isinstance(prompt, tuple), "a prompt is text or a conversation"
    return "\n".join(f"{turn.role}: {turn.text}" for turn in prompt if isinstance(turn, Message))
