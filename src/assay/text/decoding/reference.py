"""Reference decoding: greedy, sampled and beam search, with a trace of every step.

Slow and plain on purpose. What a backend generates must be what these do with the same logits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import numpy as np

from assay.core.decoding import Decoding
from assay.text.decoding.beam_search import beam_search
from assay.text.decoding.logits import Floats, cut, distribution, log_softmax, penalized
from assay.text.decoding.stepping import Counted, Detokenize, Ending, Stepper
from assay.text.decoding.traces import Branch, Candidate, Decoded, Step, Trace

__all__ = [
    "Branch",
    "Candidate",
    "Decoded",
    "Detokenize",
    "Step",
    "Stepper",
    "Trace",
    "beam_search",
    "cut",
    "decode",
    "distribution",
    "greedy",
    "log_softmax",
    "penalized",
    "sample",
    "stream",
]

SHOWN = 8
"""Candidates that a step's trace holds."""
_Choose: TypeAlias = Callable[[Floats], tuple[int, Floats]]
"""From logits, penalized, to a token and every token's chance."""


def decode(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """As `decoding.strategy` says: `greedy`, `sample` or `beam_search`."""
    way = {"greedy": greedy, "sample": sample, "beam": beam_search}[decoding.strategy]
    return way(step, prompt, decoding, eos=eos, detokenize=detokenize)


def greedy(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """The most probable token each time; of several, the one with the lowest id.

    `eos`: ids of end tokens, any of which ends the answer. The repetition penalty is put on logits.

    Raises:
        ValueError: The decoding is not "greedy", or has stop strings and no `detokenize`.
        ContractError: The stepper gave something other than finite logits of the right shape.

    Source: `_sample` of transformers 5.23 with `do_sample=False`. Where we differ: stop strings are looked for in the
    answer alone, not across its border with the prompt.
    """
    _check(decoding, "greedy")
    model, ending = Counted(step), Ending(decoding, frozenset(eos), detokenize)
    answer = _chain(model, prompt, ending, _most_probable)
    return Trace(decoding, (answer,), model.calls, model.rows)


def sample(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """Tokens drawn from `distribution`; each answer from a stream of its own, whatever the others draw.

    `eos`: ids of end tokens, any of which ends the answer. The repetition penalty is put on logits, before temperature
    and cuts.

    Raises:
        ValueError: The decoding is not "sample", or has stop strings and no `detokenize`.
        ContractError: The stepper gave something other than finite logits of the right shape.

    Source: `_sample` of transformers 5.23 with `do_sample=True`. Where we differ: random numbers are numpy's, so the
    same seed gives other tokens there; and stop strings are looked for in the answer alone.
    """
    _check(decoding, "sample")
    model, ending = Counted(step), Ending(decoding, frozenset(eos), detokenize)
    answers = (_chain(model, prompt, ending, _drawn(decoding, nth)) for nth in range(decoding.answers))
    return Trace(decoding, tuple(answers), model.calls, model.rows)


def stream(seed: int, nth: int) -> np.random.Generator:
    """Random numbers of the nth answer, from a hash of both: neighboring seeds and answers share nothing."""
    digest = hashlib.sha256(f"{seed}:{nth}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _check(decoding: Decoding, strategy: str) -> None:
    if decoding.strategy != strategy:
        raise ValueError(f"This needs Decoding.strategy {strategy!r}, was {decoding.strategy!r}.")


def _most_probable(logits: Floats) -> tuple[int, Floats]:
    token = int(np.argmax(logits))
    chances = np.zeros_like(logits)
    chances[token] = 1.0
    return token, chances


def _drawn(decoding: Decoding, nth: int) -> _Choose:
    rng = stream(decoding.seed, nth)

    def choose(logits: Floats) -> tuple[int, Floats]:
        chances = distribution(logits, decoding)
        below = np.cumsum(chances)
        # Inverse transform: the first token with more than u of the whole below its upper end, so never one cut.
        return int(np.searchsorted(below, rng.random() * below[-1], side="right")), chances

    return choose


def _chain(model: Counted, prompt: Sequence[int], ending: Ending, choose: _Choose) -> Decoded:
    ids: list[int] = []
    steps: list[Step] = []
    end = None
    while end is None:
        logits = model([[*prompt, *ids]])[0]
        token, chances = choose(penalized(logits, [*prompt, *ids], ending.decoding.repetition_penalty))
        ids.append(token)
        steps.append(_step(log_softmax(logits), chances, token))
        end = ending.of(ids)
    return Decoded(tuple(ids), ending.text(ids), end, sum(one.log_prob for one in steps), tuple(steps))


def _step(own: Floats, chances: Floats, chosen: int) -> Step:
    best = [int(token) for token in np.argsort(-own, kind="stable")[:SHOWN]]
    shown = best if chosen in best else [*best[:-1], chosen]
    candidates = tuple(Candidate(token, float(np.exp(own[token])), float(chances[token])) for token in shown)
    return Step(candidates, chosen, float(own[chosen]), int(np.count_nonzero(chances)))
