"""Asks a model the requests of lm-evaluation-harness, and gives the kept answers back in the form that it grades."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from assay.core.completions import Completion, Likelihood, NotCompleted, TextRequest
from assay.core.lab import Models
from assay.evaluation.harness.library import decoding_of, pairs_likely, texts_likely
from assay.store.answers import StoredAnswer

Given = Likelihood | Completion | NotCompleted


def answers_of(asked: Sequence[tuple[str, str, Sequence[Any]]], reference: str, models: Models) -> list[StoredAnswer]:
    """One row a document, of (its id, digest of its prompts, its requests), each kind of request asked together.

    Raises:
        ModelError: The model cannot be opened, says no likelihoods where those are wanted, or cannot decode so.
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
    """What the harness calls `resps`, a list for each request, as long as it repeats."""
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
            # Each sample has a stream of its own, whatever else is asked at the same time.
            seed = int(hashlib.sha256(f"{own}/{nth}/{repeat}".encode()).hexdigest()[:15], 16)
            asked.append(TextRequest(str(context), decoding_of(arguments, seed)))
    given = iter(models.text_model(reference).complete(asked))
    return [[next(given) for _ in range(request.repeats)] for _, _, request in places]


def _row(own: str, prompt: str, given: Sequence[Given]) -> StoredAnswer:
    lack = next((one for one in given if isinstance(one, NotCompleted)), None)
    paid = [one.dollars for one in given if isinstance(one, NotCompleted)]
    paid += [0.0 if one.cached else one.dollars for one in given if isinstance(one, Completion)]
    whole = [one.answers[0] for one in given if isinstance(one, Completion)]
    tokens = [one.tokens for one in whole]
    return StoredAnswer(
        own,
        prompt,
        texts=tuple(one.text for one in whole) if lack is None else (),
        ends=tuple(one.end for one in whole) if lack is None else (),
        likelihoods=tuple(one for one in given if isinstance(one, Likelihood)) if lack is None else (),
        lack=lack.lack if lack is not None else "",
        reason=lack.reason if lack is not None else "",
        tokens=None if None in tokens else sum(one for one in tokens if one is not None),
        dollars=None if None in paid else sum(one for one in paid if one is not None),
    )
