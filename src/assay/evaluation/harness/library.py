"""Access to the lm-evaluation-harness library, and its requests on assay's models.

The library (PyPI `lm_eval`) is imported lazily, when a task is loaded.

Source: https://github.com/EleutherAI/lm-evaluation-harness (Gao et al.), release 0.4.13: `lm_eval/api/model.py` defines
the request types, `lm_eval/models/huggingface.py` implements them. Three differences: a request longer than the context
is an error and never truncated; special tokens in a text are plain text; sampling uses no top-k unless the task does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.core.completions import Completion, Continuations, Likelihood, NotCompleted, TextRequest
from assay.core.decoding import SAMPLING, Decoding
from assay.core.errors import ModelError, RecipeError, SourceError, did_you_mean

if TYPE_CHECKING:
    from assay.core.model_kinds import LikelihoodModel, SteppedModel, TextModel

Answered = TypeVar("Answered", Likelihood, Completion)
INSTALL = "pip install 'assay[harness]'"
MOST_TOKENS = 256
"""Default maximum tokens of an answer, as in the harness."""
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Argument names for the maximum tokens of an answer; the first one present is used."""
KNOWN = ("until", "do_sample", "num_beams", "length_penalty", "repetition_penalty", *SAMPLING, *LENGTHS)


class Opens(Protocol):
    """What opens models; `OpenModels` is one."""

    def text_model(self, reference: str) -> TextModel: ...

    def stepped_model(self, reference: str) -> SteppedModel: ...


def run(
    reference: str,
    tasks: Sequence[str],
    models: Opens,
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
        found: Mapping[str, Any] = lm_eval.simple_evaluate(
            model=harness_model(reference, models),
            tasks=manager.match_tasks(list(tasks)),
            num_fewshot=shots,
            limit=limit,
            task_manager=manager,
        )
    return found


def matching(manager: Any, task: str) -> list[str]:
    """Task names that match a name or pattern.

    Raises:
        RecipeError: No task matches.
    """
    found: list[str] = manager.match_tasks([task])
    if not found:
        known = [name for name in manager.all_tasks if task[:3].casefold() in name.casefold()]
        raise RecipeError(f"Unknown task {task!r} of lm-evaluation-harness.", hint=did_you_mean(task, known[:200]))
    return found


@contextmanager
def data_of(tasks: str) -> Iterator[None]:
    """Convert errors of data loading to `SourceError`.

    Raises:
        SourceError: `datasets` cannot read a file or reach the network.
    """
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"The data of {tasks} is not available: {error}.", hint="Many tasks download from the Hugging Face hub."
        ) from error


def harness_model(reference: str, models: Opens) -> Any:
    """A model of assay as a `lm_eval.api.model.LM`, for `lm_eval.simple_evaluate(model=...)`.

    Raises:
        RecipeError: The library is not installed.
    """
    # Built here, since its base class is the library's.
    kind = type("AssayModel", (_Answers, library("lm_eval.api.model").LM), {})
    return kind(reference, models)


class _Answers:
    """The three methods that a `LM` must have. `requests` are `Instance`s: all of one sort of a whole run at once."""

    def __init__(self, reference: str, models: Opens) -> None:
        super().__init__()
        self.reference = reference
        self.models = models

    def get_model_info(self) -> dict[str, str]:
        """What the harness writes beside its results."""
        return {"model_reference": self.reference}

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """For each (context, continuation): the log-probability, and whether greedy decoding would say it."""
        pairs = [(str(context), str(text)) for context, text in (request.args for request in requests)]
        found = pairs_likely(_likely(self.reference, self.models), pairs)
        whole = [_there(self.reference, context, one) for (context, _), one in zip(pairs, found, strict=True)]
        return [(one.log_prob, bool(one.greedy)) for one in whole]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """For each text: its log-probability from its first token on, after the model's first special token.

        The harness reads what is longer than the context in windows; here it is an error.
        """
        texts = [str(request.args[0]) for request in requests]
        found = texts_likely(_likely(self.reference, self.models), texts)
        return [_there(self.reference, text, one).log_prob for text, one in zip(texts, found, strict=True)]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """For each (context, arguments): the answer, up to the first of the stop strings."""
        seen: Counter[str] = Counter()
        asked = []
        for context, arguments in (request.args for request in requests):
            # A task may ask the same again to see several samples: each has a seed of its own.
            asked.append(TextRequest(str(context), decoding_of(arguments, seen[str((context, arguments))])))
            seen[str((context, arguments))] += 1
        found = self.models.text_model(self.reference).complete(asked)
        whole = [_there(self.reference, one.prompt, answer) for one, answer in zip(asked, found, strict=True)]
        return [one.answers[0].text for one in whole]


def pairs_likely(model: LikelihoodModel, pairs: Sequence[tuple[str, str]]) -> list[Likelihood | NotCompleted]:
    """Log-likelihood of each text given its context; each context is processed once."""
    texts: dict[str, dict[str, None]] = {}
    for context, text in pairs:
        texts.setdefault(context, {})[text] = None
    asked = [Continuations(context, tuple(own)) for context, own in texts.items()]
    found: dict[tuple[str, str], Likelihood | NotCompleted] = {}
    for one, answer in zip(asked, model.likelihoods(asked), strict=True):
        for nth, text in enumerate(one.texts):
            found[str(one.prompt), text] = answer if isinstance(answer, NotCompleted) else answer[nth]
    return [found[pair] for pair in pairs]


def texts_likely(model: LikelihoodModel, texts: Sequence[str]) -> list[Likelihood | NotCompleted]:
    """Log-likelihood of each whole text; 0 for an empty text."""
    asked = [Continuations("", (text,)) for text in dict.fromkeys(texts) if text]
    found: dict[str, Likelihood | NotCompleted] = {"": Likelihood(0.0, 0)}
    for one, answer in zip(asked, model.likelihoods(asked), strict=True):
        found[one.texts[0]] = answer if isinstance(answer, NotCompleted) else answer[0]
    return [found[text] for text in texts]


def decoding_of(arguments: Mapping[str, Any], seed: int = 0) -> Decoding:
    """Convert `generation_kwargs` of a task to a `Decoding`.

    As in the harness, sampling is used if `do_sample` is true or, if it is not set, the temperature is above 0; greedy
    decoding ignores sampling arguments.

    Raises:
        ModelError: An argument is not supported, or a value is out of range.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    for name in given:
        if name not in KNOWN:
            raise ModelError(
                f"The task uses the decoding argument {name!r}, which is not supported.", hint=did_you_mean(name, KNOWN)
            )
    until = given.get("until", ())
    stop = (until,) if isinstance(until, str) else tuple(until)
    sampled = bool(given.get("do_sample", float(given.get("temperature", 0)) > 0))
    beams = int(given.get("num_beams", 1))
    lengths = [int(given[name]) for name in LENGTHS if name in given]
    wanted = {"repetition_penalty", *(SAMPLING if sampled else ()), *(("length_penalty",) if beams > 1 else ())}
    if sampled and beams > 1:
        raise ModelError("The task uses beam sampling, which is not supported.")
    try:
        return Decoding(
            "sample" if sampled else "beam" if beams > 1 else "greedy",
            beams=beams,
            stop=tuple(one for one in stop if one),
            max_tokens=(lengths or [MOST_TOKENS])[0],
            seed=seed if sampled else 0,
            **{name: value for name, value in given.items() if name in wanted},
        )
    except ValueError as error:
        raise ModelError(f"The decoding of the task is not supported: {error}") from error


def _likely(reference: str, models: Opens) -> LikelihoodModel:
    """Who says how probable texts are: the model itself, or else the same weights by transformers.

    Raises:
        ModelError: Neither does, as with models that are asked over HTTP.
    """
    model: Any = models.text_model(reference)
    if not isinstance(model, LikelihoodModel):
        model = models.stepped_model(reference)
    if not isinstance(model, LikelihoodModel):
        raise ModelError(f"Model {reference!r} does not say how probable a text is.")
    return model


def _there(reference: str, asked: object, answer: Answered | NotCompleted) -> Answered:
    if isinstance(answer, NotCompleted):
        hint = f"MethodResult: ...{str(asked)[-60:]!r}"
        raise ModelError(f"Model {reference!r} did not answer: {answer.reason}", hint=hint)
    return answer


def library(name: str) -> Any:
    """Import a module of lm-evaluation-harness.

    Raises:
        RecipeError: The library is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise RecipeError(f"lm-evaluation-harness cannot be imported: {error}.", hint=INSTALL) from error
