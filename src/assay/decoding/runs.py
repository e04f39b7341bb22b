"""A prompt decoded in several ways by the reference algorithms, on a model's own probabilities, for the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.model_kinds import SteppedModel
from assay.decoding.page import Tried, Tries
from assay.text.decoding.generation import Trace
from assay.text.decoding.reference import decode


def tries(
    model: SteppedModel, prompt: str, ways: Sequence[tuple[str, Decoding]], name: str, *, chat: bool = False
) -> Tries:
    """Every way on one prompt, and what each token is called.

    `chat`: the prompt is a user's message, and goes through the model's chat template.
    """
    ids = model.ids_of((Message("user", prompt),) if chat else prompt)
    tried, seen = [], set(ids)
    for said, decoding in ways:
        started = time.perf_counter()
        trace = decode(model.next_logits, ids, decoding, eos=model.ends, detokenize=model.spell)
        tried.append(Tried(said, trace, time.perf_counter() - started))
        seen |= _tokens(trace)
    return Tries(prompt, tuple(tried), {token: model.spell([token]) for token in sorted(seen)}, name)


def as_data(found: Tries) -> list[dict[str, Any]]:
    """For programs: each way's answers, what they cost, and how probable they are."""
    return [
        {
            "strategy": tried.name,
            "answers": [
                {"text": answer.text, "end": answer.end, "tokens": len(answer.ids), "log_prob": answer.log_prob}
                for answer in tried.trace.answers
            ],
            "calls": tried.trace.calls,
            "rows": tried.trace.rows,
            "seconds": tried.seconds,
        }
        for tried in found.tried
    ]


def _tokens(trace: Trace) -> set[int]:
    """Every token that the page may name."""
    steps = [step for answer in trace.answers for step in answer.steps]
    found = {candidate.token for step in steps for candidate in step.candidates} | {step.chosen for step in steps}
    found |= {branch.token for row in trace.rounds for branch in row}
    return found | {token for answer in trace.answers for token in answer.ids}
