"""A model of assay as `lm_eval.api.model.LM`: an oracle for `assay eval` with the harness' own evaluation loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.core.completions import Completion, Likelihood, NotCompleted, TextRequest
from assay.core.errors import ModelError, RecipeError
from assay.core.model_kinds import LikelihoodModel
from assay.evaluation.harness.library import data_of, decoding_of, library, matching, pairs_likely, texts_likely

if TYPE_CHECKING:
    from assay.core.model_kinds import SteppedModel, TextModel

AnswerType = TypeVar("AnswerType", Likelihood, Completion)


class ModelLoader(Protocol):
    """Loads models."""

    def text_model(self, reference: str) -> TextModel: ...

    def stepped_model(self, reference: str) -> SteppedModel: ...


def run(
    reference: str,
    tasks: Sequence[str],
    models: ModelLoader,
    *,
    limit: int | None = None,
    include_path: str | None = None,
    shots: int | None = None,
) -> Mapping[str, Any]:
    """The results of `lm_eval.simple_evaluate`, as it gives them: "results", "samples", "versions" and so on.

    `tasks` are names, groups or patterns such as "mmlu_*", of the harness or of task files (YAML) in the folder
    `include_path`; the harness fetches their data, from the hub where a task says so. `limit` is for each task, `shots`
    stands instead of the task's own number of examples.

    Raises:
        RecipeError: The library is not installed, or there is no such task.
        SourceError: A task's data cannot be had.
        ModelError: The model cannot be opened, does not fit the task, or did not answer.
    """
    lm_eval = library("lm_eval")
    if include_path is not None and not Path(include_path).is_dir():
        raise RecipeError(f"There is no folder {include_path!r} with task files.")
    manager = library("lm_eval.tasks").TaskManager(include_path=include_path)
    for task in tasks:
        matching(manager, task)
    with data_of(", ".join(tasks)):
        results: Mapping[str, Any] = lm_eval.simple_evaluate(
            model=harness_model(reference, models),
            tasks=manager.match_tasks(list(tasks)),
            num_fewshot=shots,
            limit=limit,
            task_manager=manager,
        )
    return results


def harness_model(reference: str, models: ModelLoader) -> Any:
    """A model of assay as a `lm_eval.api.model.LM`, for `lm_eval.simple_evaluate(model=...)`.

    Raises:
        RecipeError: The library is not installed.
    """
    # Built here, since its base class is the library's.
    kind = type("AssayModel", (_Answers, library("lm_eval.api.model").LM), {})
    return kind(reference, models)


class _Answers:
    """The three request methods of `LM`; `requests` are `Instance` objects of one type."""

    def __init__(self, reference: str, models: ModelLoader) -> None:
        super().__init__()
        self.reference = reference
        self.models = models

    def get_model_info(self) -> dict[str, str]:
        """Model information in the results of the harness."""
        return {"model_reference": self.reference}

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation, and whether it is the greedy one."""
        pairs = [(str(context), str(text)) for context, text in (request.args for request in requests)]
        likelihoods = pairs_likely(_likely(self.reference, self.models), pairs)
        answers = [
            _answer_or_error(self.reference, context, likelihood)
            for (context, _), likelihood in zip(pairs, likelihoods, strict=True)
        ]
        return [(answer.log_prob, bool(answer.greedy)) for answer in answers]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """For each text: its log-probability from its first token on, after the model's first special token.

        The harness reads what is longer than the context in windows; here it is an error.
        """
        texts = [str(request.args[0]) for request in requests]
        likelihoods = texts_likely(_likely(self.reference, self.models), texts)
        return [
            _answer_or_error(self.reference, text, likelihood).log_prob
            for text, likelihood in zip(texts, likelihoods, strict=True)
        ]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """For each (context, arguments): the answer, up to the first of the stop strings."""
        repeats: Counter[str] = Counter()
        text_requests = []
        for context, arguments in (request.args for request in requests):
            # A task may ask the same again to see several samples: each has a seed of its own.
            text_requests.append(TextRequest(str(context), decoding_of(arguments, repeats[str((context, arguments))])))
            repeats[str((context, arguments))] += 1
        completions = self.models.text_model(self.reference).complete(text_requests)
        answers = [
            _answer_or_error(self.reference, text_request.prompt, answer)
            for text_request, answer in zip(text_requests, completions, strict=True)
        ]
        return [completion.answers[0].text for completion in answers]


def _likely(reference: str, models: ModelLoader) -> LikelihoodModel:
    """The model itself if it provides log-likelihoods, else the same weights as a stepped model.

    Raises:
        ModelError: The model provides none, such as a remote model.
    """
    model: Any = models.text_model(reference)
    if not isinstance(model, LikelihoodModel):
        model = models.stepped_model(reference)
    if not isinstance(model, LikelihoodModel):
        raise ModelError(f"Model {reference!r} provides no log-likelihoods.")
    return model


def _answer_or_error(reference: str, prompt: object, answer: AnswerType | NotCompleted) -> AnswerType:
    if isinstance(answer, NotCompleted):
        hint = f"Prompt: ...{str(prompt)[-60:]!r}"
        raise ModelError(f"Model {reference!r} did not answer: {answer.reason}", hint=hint)
    return answer
