"""Beam search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.decoding import Decoding
from assay.text.decoding.generation import (
    Branch,
    BranchStatus,
    CountingStepper,
    Decoded,
    Detokenize,
    Stepper,
    StoppingCriteria,
    Trace,
)
from assay.text.decoding.logits import apply_repetition_penalty, log_softmax


@dataclass(frozen=True)
class _Hypothesis:
    ids: tuple[int, ...] = ()
    log_prob: float = 0.0
    score: float = 0.0
    path: tuple[int, ...] = ()

    def rank(self, length_penalty: float) -> float:
        return float(self.score / len(self.ids) ** length_penalty)


def beam_search(
    step: Stepper,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    eos: Collection[int] = (),
    detokenize: Detokenize | None = None,
) -> Trace:
    """Beam search with `decoding.beams` hypotheses.

    Each step extends every live hypothesis with every token and sorts these branches by the sum of log-probabilities.
    Of the `beams` best branches, finished ones become answers, ranked by score / length ** length penalty (end token
    included); the `beams` best unfinished ones stay live. Stops when there are `beams` answers and the best live
    hypothesis at its current length does not exceed the worst of them, or when no hypothesis is live.

    `eos`: ids of end tokens. Returns fewer than `decoding.answers` if fewer exist.

    Raises:
        ValueError: The decoding is not "beam", or has stop strings but no `detokenize`.
        ContractError: The stepper returned logits of the wrong shape or not finite.

    Source: `_beam_search` of transformers 5.23 with `early_stopping=False`. As there, the repetition penalty applies to
    log-probabilities without renormalization, whereas greedy applies it to logits; `early_stopping="never"` may find
    better answers. Differences: log-probabilities are summed in float64; the first step evaluates the prompt once, not
    `beams` times; stop strings are matched in the answer only, not across the prompt boundary; missing branches are not
    padded.
    """
    if decoding.strategy != "beam":
        raise ValueError(f"Beam search needs Decoding.strategy 'beam', was {decoding.strategy!r}.")
    model, stopping = CountingStepper(step), StoppingCriteria(decoding, frozenset(eos), detokenize)
    live, finished, rounds = [_Hypothesis()], list[_Hypothesis](), list[tuple[Branch, ...]]()
    while live:
        branches = _continuations(model, prompt, live, decoding, width=max(2, 1 + len(stopping.eos)))
        ended = [stopping.reason(branch.ids) is not None for branch in branches]
        new_answers = [branch for branch, end in zip(branches[: decoding.beams], ended, strict=False) if end]
        live = [branch for branch, end in zip(branches, ended, strict=True) if not end][: decoding.beams]
        finished = sorted(finished + new_answers, key=lambda hypothesis: -hypothesis.rank(decoding.length_penalty))
        finished = finished[: decoding.beams]
        rounds.append(tuple(_branch(branch, live, new_answers, decoding) for branch in branches))
        if _settled(live, finished, decoding):
            break
    answers = tuple(_decoded(hypothesis, stopping) for hypothesis in finished[: decoding.answers])
    return Trace(decoding, answers, model.calls, model.rows, tuple(rounds))


def _continuations(
    model: CountingStepper, prompt: Sequence[int], live: Sequence[_Hypothesis], decoding: Decoding, width: int
) -> list[_Hypothesis]:
    """The `width * beams` best one-token extensions, best first; at least `beams` of them are unfinished."""
    log_probs = log_softmax(model([[*prompt, *hypothesis.ids] for hypothesis in live]))
    scores = np.stack(
        [
            hypothesis.score + apply_repetition_penalty(row, (*prompt, *hypothesis.ids), decoding.repetition_penalty)
            for hypothesis, row in zip(live, log_probs, strict=True)
        ]
    )
    best = np.argsort(-scores, axis=None, kind="stable")[: width * decoding.beams]
    extended = []
    for place, index in enumerate(best):
        row, token = divmod(int(index), log_probs.shape[1])
        if np.isfinite(scores[row, token]):
            hypothesis, log_prob = live[row], live[row].log_prob + float(log_probs[row, token])
            extended.append(
                _Hypothesis((*hypothesis.ids, token), log_prob, float(scores[row, token]), (*hypothesis.path, place))
            )
    return extended


def _settled(live: Sequence[_Hypothesis], finished: Sequence[_Hypothesis], decoding: Decoding) -> bool:
    if not live or len(finished) < decoding.beams:
        return False
    penalty = decoding.length_penalty
    return live[0].rank(penalty) <= finished[-1].rank(penalty)


def _branch(
    hypothesis: _Hypothesis, live: Sequence[_Hypothesis], answers: Sequence[_Hypothesis], decoding: Decoding
) -> Branch:
    fate: BranchStatus = "live" if hypothesis in live else "finished" if hypothesis in answers else "dropped"
    rank = hypothesis.rank(decoding.length_penalty) if fate == "finished" else None
    return Branch(
        hypothesis.path[-2] if len(hypothesis.path) > 1 else -1,
        hypothesis.ids[-1],
        hypothesis.log_prob,
        hypothesis.score,
        fate,
        rank,
    )


def _decoded(hypothesis: _Hypothesis, stopping: StoppingCriteria) -> Decoded:
    return Decoded(
        ids=hypothesis.ids,
        text=stopping.text(hypothesis.ids),
        end=stopping.reason(hypothesis.ids) or "length",
        log_prob=hypothesis.log_prob,
        path=hypothesis.path,
        rank=hypothesis.rank(stopping.decoding.length_penalty),
    )
