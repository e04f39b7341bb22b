"""Beam search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.decoding import Decoding
from assay.text.decoding.logits import log_softmax, penalized
from assay.text.decoding.stepping import Counted, Detokenize, Ending, Stepper
from assay.text.decoding.traces import Branch, Decoded, Fate, Trace


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
    """The answers of highest score that keeping `decoding.beams` hypotheses finds.

    Each step goes on from every live hypothesis with every token, and orders these branches by the sum of their
    log-probabilities. Of the `beams` best, those that end become answers, ordered by score / length ** length penalty
    with the end token counted; of those that do not end, the `beams` best live on. It is over when there are `beams`
    answers and the best live hypothesis, at its present length, would not better the worst of them; or when nothing
    can go on.

    `eos`: ids of end tokens, any of which ends an answer. Gives fewer than `decoding.answers` where fewer exist.

    Raises:
        ValueError: The decoding is not "beam", or has stop strings and no `detokenize`.
        ContractError: The stepper gave something other than finite logits of the right shape.

    Source: `_beam_search` of transformers 5.23 with `early_stopping=False`. There, too, the repetition penalty is put
    on log-probabilities, which are not normalized again, where greedy puts it on logits; a stop strategy that looks
    ahead ("never") may find better answers. Where we differ: log-probabilities are summed in float64; the first step
    asks about the prompt once and not `beams` times; stop strings are looked for in the answer alone, not across its
    border with the prompt; and where there are fewer branches than beams, none is filled in.
    """
    if decoding.strategy != "beam":
        raise ValueError(f"Beam search needs Decoding.strategy 'beam', was {decoding.strategy!r}.")
    model, ending = Counted(step), Ending(decoding, frozenset(eos), detokenize)
    live, finished, rounds = [_Hypothesis()], list[_Hypothesis](), list[tuple[Branch, ...]]()
    while live:
        branches = _continuations(model, prompt, live, decoding, width=max(2, 1 + len(ending.eos)))
        ended = [ending.of(branch.ids) is not None for branch in branches]
        done = [branch for branch, end in zip(branches[: decoding.beams], ended, strict=False) if end]
        live = [branch for branch, end in zip(branches, ended, strict=True) if not end][: decoding.beams]
        finished = sorted(finished + done, key=lambda one: -one.rank(decoding.length_penalty))[: decoding.beams]
        rounds.append(tuple(_branch(branch, live, done, decoding) for branch in branches))
        if _settled(live, finished, decoding):
            break
    answers = tuple(_decoded(one, ending) for one in finished[: decoding.answers])
    return Trace(decoding, answers, model.calls, model.rows, tuple(rounds))


def _continuations(
    model: Counted, prompt: Sequence[int], live: Sequence[_Hypothesis], decoding: Decoding, width: int
) -> list[_Hypothesis]:
    """The `width * beams` best of one token more, the best first: so many that `beams` of them do not end."""
    own = log_softmax(model([[*prompt, *one.ids] for one in live]))
    scores = np.stack(
        [
            one.score + penalized(row, (*prompt, *one.ids), decoding.repetition_penalty)
            for one, row in zip(live, own, strict=True)
        ]
    )
    best = np.argsort(-scores, axis=None, kind="stable")[: width * decoding.beams]
    found = []
    for place, at in enumerate(best):
        nth, token = divmod(int(at), own.shape[1])
        if np.isfinite(scores[nth, token]):
            one, log_prob = live[nth], live[nth].log_prob + float(own[nth, token])
            found.append(_Hypothesis((*one.ids, token), log_prob, float(scores[nth, token]), (*one.path, place)))
    return found


def _settled(live: Sequence[_Hypothesis], finished: Sequence[_Hypothesis], decoding: Decoding) -> bool:
    if not live or len(finished) < decoding.beams:
        return False
    penalty = decoding.length_penalty
    return live[0].rank(penalty) <= finished[-1].rank(penalty)


def _branch(one: _Hypothesis, live: Sequence[_Hypothesis], done: Sequence[_Hypothesis], decoding: Decoding) -> Branch:
    fate: Fate = "live" if one in live else "finished" if one in done else "dropped"
    rank = one.rank(decoding.length_penalty) if fate == "finished" else None
    return Branch(one.path[-2] if len(one.path) > 1 else -1, one.ids[-1], one.log_prob, one.score, fate, rank)


def _decoded(one: _Hypothesis, ending: Ending) -> Decoded:
    return Decoded(
        ids=one.ids,
        text=ending.text(one.ids),
        end=ending.of(one.ids) or "length",
        log_prob=one.log_prob,
        path=one.path,
        rank=one.rank(ending.decoding.length_penalty),
    )
