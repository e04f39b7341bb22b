"""Access to the lm-evaluation-harness library, and its requests on assay's models.

The library (PyPI `lm_eval`) is imported lazily, when a task is loaded.

Source: https://github.com/EleutherAI/lm-evaluation-harness (Gao et al.), release 0.4.13: `lm_eval/api/model.py` defines
the request types, `lm_eval/models/huggingface.py` implements them. Three differences: a request longer than the context
is an error and never truncated; special tokens in a text are plain text; sampling uses no top-k unless the task does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from assay.core.completions import Continuations, Likelihood, NotCompleted
from assay.core.decoding import SAMPLING, Decoding
from assay.core.errors import ModelError, RecipeError, SourceError, did_you_mean

if TYPE_CHECKING:
    from assay.core.model_kinds import LikelihoodModel
from assay.core.completions import Completion, TextRequest
from assay.core.lab import Models, request_seed
from assay.store.answers import StoredAnswer, answer_row

NEAREST_TASKS = 5
"""Maximum number of tasks named for an unknown task, of thousands."""
INSTALL = "pip install 'assay[harness]'"
MOST_TOKENS = 256
"""Default maximum tokens of an answer, as in the harness."""
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Argument names for the maximum tokens of an answer; the first one present is used."""
KNOWN = ("until", "do_sample", "num_beams", "length_penalty", "repetition_penalty", *SAMPLING, *LENGTHS)


def matching(manager: Any, task: str) -> list[str]:
    """Task names that match a name or pattern.

    Raises:
        RecipeError: No task matches.
    """
    names: list[str] = manager.match_tasks([task])
    if not names:
        similar = [name for name in manager.all_tasks if task[:3].casefold() in name.casefold()]
        near = get_close_matches(task, similar, n=NEAREST_TASKS)
        raise RecipeError(f"Unknown task {task!r} of lm-evaluation-harness.", hint=did_you_mean(task, near))
    return names


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


def pairs_likely(model: LikelihoodModel, pairs: Sequence[tuple[str, str]]) -> list[Likelihood | NotCompleted]:
    """Log-likelihood of each text given its context; each context is processed once."""
    texts: dict[str, dict[str, None]] = {}
    for context, text in pairs:
        texts.setdefault(context, {})[text] = None
    requests = [Continuations(context, tuple(endings)) for context, endings in texts.items()]
    likelihoods: dict[tuple[str, str], Likelihood | NotCompleted] = {}
    for request, answer in zip(requests, model.likelihoods(requests), strict=True):
        for nth, text in enumerate(request.texts):
            likelihoods[str(request.prompt), text] = answer if isinstance(answer, NotCompleted) else answer[nth]
    return [likelihoods[pair] for pair in pairs]


def texts_likely(model: LikelihoodModel, texts: Sequence[str]) -> list[Likelihood | NotCompleted]:
    """Log-likelihood of each whole text; 0 for an empty text."""
    requests = [Continuations("", (text,)) for text in dict.fromkeys(texts) if text]
    likelihoods: dict[str, Likelihood | NotCompleted] = {"": Likelihood(0.0, 0)}
    for request, answer in zip(requests, model.likelihoods(requests), strict=True):
        likelihoods[request.texts[0]] = answer if isinstance(answer, NotCompleted) else answer[0]
    return [likelihoods[text] for text in texts]


def decoding_of(arguments: Mapping[str, Any], seed: int = 0) -> Decoding:
    """Convert `generation_kwargs` of a task to a `Decoding`.

    As in the harness, sampling is used if `do_sample` is true or, if it is not set, the temperature is above 0; greedy
    decoding ignores sampling arguments.

    Raises:
        ModelError: An argument is not supported, or a value is out of range.
    """
    options = {name: value for name, value in arguments.items() if value is not None}
    for name in options:
        if name not in KNOWN:
            raise ModelError(
                f"The task uses the decoding argument {name!r}, which is not supported.", hint=did_you_mean(name, KNOWN)
            )
    until = options.get("until", ())
    stop = (until,) if isinstance(until, str) else tuple(until)
    sampled = bool(options.get("do_sample", float(options.get("temperature", 0)) > 0))
    beams = int(options.get("num_beams", 1))
    lengths = [int(options[name]) for name in LENGTHS if name in options]
    applicable = {"repetition_penalty", *(SAMPLING if sampled else ()), *(("length_penalty",) if beams > 1 else ())}
    if sampled and beams > 1:
        raise ModelError("The task uses beam sampling, which is not supported.")
    try:
        return Decoding(
            "sample" if sampled else "beam" if beams > 1 else "greedy",
            beams=beams,
            stop=tuple(text for text in stop if text),
            max_tokens=(lengths or [MOST_TOKENS])[0],
            seed=seed if sampled else 0,
            **{name: value for name, value in options.items() if name in applicable},
        )
    except ValueError as error:
        raise ModelError(f"The decoding of the task is not supported: {error}") from error


def library(name: str) -> Any:
    """Import a module of lm-evaluation-harness.

    Raises:
        RecipeError: The library is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise RecipeError(f"lm-evaluation-harness cannot be imported: {error}.", hint=INSTALL) from error


Response = Likelihood | Completion | NotCompleted


def harness_answers(
    documents: Sequence[tuple[str, str, Sequence[Any]]], reference: str, models: Models
) -> list[StoredAnswer]:
    """Answer documents, given as (id, digest of prompts, requests), with each request type in one batch.

    Raises:
        ModelError: The model cannot be loaded, or does not support the likelihoods or decoding of the task.
    """
    by_kind: dict[str, list[tuple[str, int, Any]]] = {}
    for document_id, _, requests in documents:
        for nth, request in enumerate(requests):
            by_kind.setdefault(request.request_type, []).append((document_id, nth, request))
    by_request: dict[tuple[str, int], list[Response]] = {}
    for kind, places in by_kind.items():
        outputs = _request_answers(kind, places, reference, models)
        by_request |= {
            (document_id, nth): answers for (document_id, nth, _), answers in zip(places, outputs, strict=True)
        }
    return [
        _row(document_id, prompt, [answer for nth in range(len(requests)) for answer in by_request[document_id, nth]])
        for document_id, prompt, requests in documents
    ]


def responses(row: StoredAnswer, requests: Sequence[Any]) -> list[list[Any]]:
    """`resps` of the harness: a list per request, one entry per repeat."""
    texts, likely = iter(row.texts), iter(row.likelihoods)
    results: list[list[Any]] = []
    for request in requests:
        if request.request_type == "generate_until":
            results.append([next(texts) for _ in range(request.repeats)])
        else:
            likelihood = next(likely)
            rolling = request.request_type == "loglikelihood_rolling"
            response = likelihood.log_prob if rolling else (likelihood.log_prob, bool(likelihood.greedy))
            results.append([response] * request.repeats)
    return results


def _request_answers(
    kind: str, places: Sequence[tuple[str, int, Any]], reference: str, models: Models
) -> list[list[Response]]:
    if kind == "generate_until":
        return _texts(places, reference, models)
    model = models.likelihood_model(reference)
    if kind == "loglikelihood_rolling":
        likelihoods = texts_likely(model, [str(request.args[0]) for _, _, request in places])
    else:
        pairs = [(str(context), str(text)) for context, text in (request.args for _, _, request in places)]
        likelihoods = pairs_likely(model, pairs)
    return [[likelihood] for likelihood in likelihoods]


def _texts(places: Sequence[tuple[str, int, Any]], reference: str, models: Models) -> list[list[Response]]:
    text_requests = []
    for document_id, nth, request in places:
        context, arguments = request.args
        for repeat in range(request.repeats):
            # A separate stream per sample, independent of the batch.
            seed = request_seed(document_id, nth, repeat)
            text_requests.append(TextRequest(str(context), decoding_of(arguments, seed)))
    completions = iter(models.text_model(reference).complete(text_requests))
    return [[next(completions) for _ in range(request.repeats)] for _, _, request in places]


def _row(document_id: str, prompt: str, answers: Sequence[Response]) -> StoredAnswer:
    calls = [answer for answer in answers if not isinstance(answer, Likelihood)]
    likelihoods = [answer for answer in answers if isinstance(answer, Likelihood)]
    return answer_row(document_id, prompt, calls, likelihoods=likelihoods)
