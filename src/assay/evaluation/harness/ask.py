"""Send requests of lm-evaluation-harness to a model, and convert stored answers to its response format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.core.completions import Completion, Likelihood, NotCompleted, TextRequest
from assay.core.lab import Models, request_seed
from assay.evaluation.harness.library import decoding_of, pairs_likely, texts_likely
from assay.store.answers import StoredAnswer, answer_row

Given = Likelihood | Completion | NotCompleted


def harness_answers(
    asked: Sequence[tuple[str, str, Sequence[Any]]], reference: str, models: Models
) -> list[StoredAnswer]:
    """Answer documents, given as (id, digest of prompts, requests), with each request type in one batch.

    Raises:
        ModelError: The model cannot be loaded, or does not support the likelihoods or decoding of the task.
    """
    by_kind: dict[str, list[tuple[str, int, Any]]] = {}
    for own, _, requests in asked:
        for nth, request in enumerate(requests):
            by_kind.setdefault(request.request_type, []).append((own, nth, request))
    found: dict[tuple[str, int], list[Given]] = {}
    for kind, places in by_kind.items():
        given = _given(kind, places, reference, models)
        found |= {(own, nth): one for (own, nth, _), one in zip(places, given, strict=True)}
    return [
        _row(own, prompt, [one for nth in range(len(requests)) for one in found[own, nth]])
        for own, prompt, requests in asked
    ]


def responses(row: StoredAnswer, requests: Sequence[Any]) -> list[list[Any]]:
    """`resps` of the harness: a list per request, one entry per repeat."""
    texts, likely = iter(row.texts), iter(row.likelihoods)
    found: list[list[Any]] = []
    for request in requests:
        if request.request_type == "generate_until":
            found.append([next(texts) for _ in range(request.repeats)])
        else:
            one = next(likely)
            rolling = request.request_type == "loglikelihood_rolling"
            found.append([one.log_prob if rolling else (one.log_prob, bool(one.greedy))] * request.repeats)
    return found


def _given(kind: str, places: Sequence[tuple[str, int, Any]], reference: str, models: Models) -> list[list[Given]]:
    if kind == "generate_until":
        return _texts(places, reference, models)
    model = models.likelihood_model(reference)
    if kind == "loglikelihood_rolling":
        return [[one] for one in texts_likely(model, [str(request.args[0]) for _, _, request in places])]
    return [[one] for one in pairs_likely(model, [(str(a), str(b)) for a, b in (one.args for _, _, one in places)])]


def _texts(places: Sequence[tuple[str, int, Any]], reference: str, models: Models) -> list[list[Given]]:
    asked = []
    for own, nth, request in places:
        context, arguments = request.args
        for repeat in range(request.repeats):
            # A separate stream per sample, independent of the batch.
            seed = request_seed(own, nth, repeat)
            asked.append(TextRequest(str(context), decoding_of(arguments, seed)))
    given = iter(models.text_model(reference).complete(asked))
    return [[next(given) for _ in range(request.repeats)] for _, _, request in places]


def _row(own: str, prompt: str, given: Sequence[Given]) -> StoredAnswer:
    calls = [one for one in given if not isinstance(one, Likelihood)]
    return answer_row(own, prompt, calls, likelihoods=[one for one in given if isinstance(one, Likelihood)])
