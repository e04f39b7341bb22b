"""Beam search against `generate` of transformers, and against trying everything."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_llama import beam_search_twice, recompute_log_prob

from assay.core.decoding import Decoding
from assay.text.decoding.beam_search import beam_search
from assay.text.decoding.logits import Logits, log_softmax
from assay.text.decoding.reference import answer_rng

ENDS: list[tuple[int, ...]] = [(), (4, 9, 21), tuple(range(10, 34))]
"""Never an end; one at times; soon."""


@pytest.mark.parametrize("beams", [2, 3, 4, 5])
@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_beam_search_is_transformers(beams: int, length_penalty: float, penalty: float) -> None:
    for seed, eos in product(range(3), [*ENDS, (5,)]):
        decoding = Decoding(
            "beam",
            beams=beams,
            answers=beams if seed else 1,
            length_penalty=length_penalty,
            repetition_penalty=penalty,
            max_tokens=9,
        )
        trace, theirs = beam_search_twice(seed, decoding, eos)
        assert [answer.ids for answer in trace.answers] == theirs, (seed, eos)
        assert trace.answers[0].log_prob == pytest.approx(recompute_log_prob(seed, trace.answers[0]), abs=1e-4)
        assert len(trace.rounds) == trace.calls


def test_the_beam_searches_above_end_in_every_way() -> None:
    ends = set()
    for seed, eos in product(range(3), ENDS):
        trace, _ = beam_search_twice(seed, Decoding("beam", beams=3, answers=3, max_tokens=9), eos)
        ends |= {(answer.end, trace.calls < 9) for answer in trace.answers}
    assert ends == {("length", False), ("stop", False), ("stop", True)}


def test_a_longer_answer_wins_only_by_the_length_penalty() -> None:
    lengths = [
        np.mean(
            [
                len(
                    beam_search_twice(seed, Decoding("beam", beams=4, length_penalty=alpha, max_tokens=9), ENDS[1])[0]
                    .answers[0]
                    .ids
                )
                for seed in range(3)
            ]
        )
        for alpha in (-2.0, 4.0)
    ]
    assert lengths[0] < lengths[1]


def test_a_beam_trace_leads_back_to_the_prompt() -> None:
    trace, _ = beam_search_twice(1, Decoding("beam", beams=4, answers=4, max_tokens=8), ENDS[1])
    for answer in trace.answers:
        branches = [trace.rounds[nth][place] for nth, place in enumerate(answer.path)]
        assert tuple(branch.token for branch in branches) == answer.ids
        assert [branch.parent for branch in branches] == [-1, *answer.path[:-1]]
        assert [branch.fate for branch in branches] == ["live"] * (len(branches) - 1) + ["finished"]
        assert branches[-1].log_prob == answer.log_prob
        assert branches[-1].rank == answer.rank == pytest.approx(answer.log_prob / len(answer.ids))
    live = [sum(branch.fate == "live" for branch in branches) for branches in trace.rounds]
    assert trace.rows == 1 + sum(live[: trace.calls - 1])


def random_model(vocabulary: int, seed: int) -> Callable[[list[list[int]]], Logits]:
    """Any next token depends on all before it."""

    def step(sequences: list[list[int]]) -> Logits:
        return np.stack([answer_rng(seed, hash(tuple(ids))).normal(0, 2, vocabulary) for ids in sequences])

    return step


def every_sequence(vocabulary: int, length: int, eos: int | None) -> list[tuple[int, ...]]:
    whole = product(range(vocabulary), repeat=length)
    return sorted({ids[: ids.index(eos) + 1] if eos is not None and eos in ids else ids for ids in whole})


@given(st.integers(2, 4), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_with_beams_enough_the_most_probable_sequence_is_found(
    vocabulary: int, length: int, ends: bool, seed: int
) -> None:
    eos = 0 if ends else None
    model = random_model(vocabulary, seed)
    sequences = every_sequence(vocabulary, length, eos)

    def log_prob(ids: tuple[int, ...]) -> float:
        return sum(float(log_softmax(model([[7, *ids[:at]]])[0])[token]) for at, token in enumerate(ids))

    beams = max(2, len(sequences))
    decoding = Decoding("beam", beams=beams, answers=beams, length_penalty=0.0, max_tokens=length)
    trace = beam_search(model, [7], decoding, eos=() if eos is None else (eos,))
    best = sorted(sequences, key=log_prob, reverse=True)
    assert [answer.ids for answer in trace.answers] == best
    assert [answer.log_prob for answer in trace.answers] == pytest.approx([log_prob(ids) for ids in best])
    assert sum(np.exp(answer.log_prob) for answer in trace.answers) == pytest.approx(1)
