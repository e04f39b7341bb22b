"""Reference decoders (greedy, sampling, beam search) with a trace of every step.

Slow and simple. Backends must generate the same tokens from the same logits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import numpy as np

from assay.core.decoding import Decoding
from assay.text.decoding.beam_search import beam_search
from assay.text.decoding.generation import (
    Candidate,
    CountingStepper,
    Decoded,
    Detokenize,
    Step,
    Stepper,
    StoppingCriteria,
    Trace,
)
from assay.text.decoding.logits import FloatArray, apply_repetition_penalty, distribution, log_softmax

CANDIDATES_PER_STEP = 8
"""Candidates in the trace of a step."""
_Choose: TypeAlias = Callable[[FloatArray], tuple[int, FloatArray]]
"""Maps logits after the repetition penalty to a token and the sampling probabilities."""


def decode(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """Decode with `greedy`, `sample` or `beam_search`, by `decoding.strategy`."""
    decoder = {"greedy": greedy, "sample": sample, "beam": beam_search}[decoding.strategy]
    return decoder(step, prompt, decoding, eos=eos, detokenize=detokenize)


def greedy(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """Greedy decoding; of equally probable tokens the one with the lowest id.

    `eos`: ids of end tokens. The repetition penalty applies to logits.

    Raises:
        ValueError: The decoding is not "greedy", or has stop strings but no `detokenize`.
        ContractError: The stepper returned logits of the wrong shape or not finite.

    Source: `_sample` of transformers 5.23 with `do_sample=False`. Difference: stop strings are matched in the answer
    only, not across the prompt boundary.
    """
    _check(decoding, "greedy")
    model, stopping = CountingStepper(step), StoppingCriteria(decoding, frozenset(eos), detokenize)
    answer = _generate(model, prompt, stopping, _argmax)
    return Trace(decoding, (answer,), model.calls, model.rows)


def sample(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """Sampling from `distribution`; each answer has an independent random generator.

    `eos`: ids of end tokens. The repetition penalty applies to logits before temperature and truncation.

    Raises:
        ValueError: The decoding is not "sample", or has stop strings but no `detokenize`.
        ContractError: The stepper returned logits of the wrong shape or not finite.

    Source: `_sample` of transformers 5.23 with `do_sample=True`. Differences: random numbers are numpy's, so the same
    seed gives other tokens; stop strings are matched in the answer only.
    """
    _check(decoding, "sample")
    model, stopping = CountingStepper(step), StoppingCriteria(decoding, frozenset(eos), detokenize)
    answers = (_generate(model, prompt, stopping, _sampler(decoding, nth)) for nth in range(decoding.answers))
    return Trace(decoding, tuple(answers), model.calls, model.rows)


def answer_rng(seed: int, nth: int) -> np.random.Generator:
    """Random generator of the nth answer, seeded by a hash of seed and n, so that streams are independent."""
    digest = hashlib.sha256(f"{seed}:{nth}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _check(decoding: Decoding, strategy: str) -> None:
    if decoding.strategy != strategy:
        raise ValueError(f"Decoding.strategy must be {strategy!r}, was {decoding.strategy!r}.")


def _argmax(logits: FloatArray) -> tuple[int, FloatArray]:
    token = int(np.argmax(logits))
    chances = np.zeros_like(logits)
    chances[token] = 1.0
    return token, chances


def _sampler(decoding: Decoding, nth: int) -> _Choose:
    rng = answer_rng(decoding.seed, nth)

    def choose(logits: FloatArray) -> tuple[int, FloatArray]:
        chances = distribution(logits, decoding)
        cumulative = np.cumsum(chances)
        # Inverse transform sampling; side="right" never selects a token with probability 0.
        return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), chances

    return choose


def _generate(model: CountingStepper, prompt: Sequence[int], stopping: StoppingCriteria, choose: _Choose) -> Decoded:
    ids: list[int] = []
    steps: list[Step] = []
    end = None
    while end is None:
        logits = model([[*prompt, *ids]])[0]
        token, chances = choose(apply_repetition_penalty(logits, [*prompt, *ids], stopping.decoding.repetition_penalty))
        ids.append(token)
        steps.append(_step(log_softmax(logits), chances, token))
        end = stopping.reason(ids)
    return Decoded(tuple(ids), stopping.text(ids), end, sum(step.log_prob for step in steps), tuple(steps))


def _step(log_probs: FloatArray, chances: FloatArray, chosen: int) -> Step:
    best = [int(token) for token in np.argsort(-log_probs, kind="stable")[:CANDIDATES_PER_STEP]]
    listed = best if chosen in best else [*best[:-1], chosen]
    candidates = tuple(Candidate(token, float(np.exp(log_probs[token])), float(chances[token])) for token in listed)
    return Step(candidates, chosen, float(log_probs[chosen]), int(np.count_nonzero(chances)))
