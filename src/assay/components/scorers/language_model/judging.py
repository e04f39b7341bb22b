"""Ask an LLM judge as a scorer: one call per question, parsed to an outcome."""

from __future__ import annotations

from collections.abc import Sequence

from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import Continuations, NotCompleted, TextRequest
from assay.core.lab import Models
from assay.core.score import Outcome
from assay.text.prompting.judge_prompts import JudgeQuestion


def likelihood_outcomes(model: str, questions: Sequence[JudgeQuestion], models: Models) -> list[Outcome]:
    """Outcomes by the likelihoods of the answer tokens.

    Raises:
        ModelError: The model cannot be loaded, or the problem affects all further questions too.
    """
    scorer = models.likelihood_model(model)
    results = scorer.likelihoods([Continuations(question.prompt, question.words) for question in questions])
    return [
        unanswered(model, likelihoods) if isinstance(likelihoods, NotCompleted) else question.weigh(likelihoods)
        for question, likelihoods in zip(questions, results, strict=True)
    ]


def written_outcomes(
    model: str, questions: Sequence[JudgeQuestion], requests: Sequence[TextRequest], models: Models
) -> list[Outcome]:
    """Outcomes by the written answers to `requests`, one per question.

    Raises:
        ModelError: The model cannot be loaded, or the problem affects all further questions too.
    """
    outcomes: list[Outcome] = []
    for question, completion in zip(questions, models.text_model(model).complete(requests), strict=True):
        if isinstance(completion, NotCompleted):
            outcomes.append(unanswered(model, completion))
        else:
            texts, ends = [answer.text for answer in completion.answers], [answer.end for answer in completion.answers]
            outcomes.append(question.parse(texts, ends))
    return outcomes
