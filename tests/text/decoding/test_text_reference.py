"""Greedy and sampled decoding, and how answers end; against `generate` of transformers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from tiny_llama import PROMPT, VOCABULARY, generate_ids, llama, recompute_log_prob, stepper
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from assay.core.decoding import Decoding
from assay.core.errors import ContractError
from assay.text.decoding.beam_search import beam_search
from assay.text.decoding.logits import FloatArray, Logits, apply_repetition_penalty, distribution, log_softmax
from assay.text.decoding.reference import CANDIDATES_PER_STEP, answer_rng, decode, greedy, sample


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("penalty", [1.0, 1.4, 0.8])
@pytest.mark.parametrize("eos_after", [None, 0, 3])
def test_greedy_is_transformers(seed: int, penalty: float, eos_after: int | None) -> None:
    decoding = Decoding(max_tokens=12, repetition_penalty=penalty)
    free = greedy(stepper(seed), PROMPT, decoding).answers[0].ids
    eos = () if eos_after is None else (free[eos_after],)
    trace = greedy(stepper(seed), PROMPT, decoding, eos=eos)
    answer = trace.answers[0]
    assert [answer.ids] == generate_ids(seed, eos, max_new_tokens=12, do_sample=False, repetition_penalty=penalty)
    assert answer.end == ("length" if eos_after is None else "stop")
    assert answer.log_prob == pytest.approx(recompute_log_prob(seed, answer), abs=1e-4)
    assert trace.calls == trace.rows == len(answer.ids) == len(answer.steps)


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding("sample", answers=1024),
        Decoding("sample", answers=1024, temperature=0.6, seed=1),
        Decoding("sample", answers=1024, temperature=1.5, top_k=5, seed=2),
        Decoding("sample", answers=1024, top_p=0.8, repetition_penalty=1.5, seed=3),
        Decoding("sample", answers=1024, min_p=0.2, seed=4),
    ],
)
def test_sample_follows_its_distribution(decoding: Decoding) -> None:
    logits = answer_rng(5, 5).normal(0, 1.5, 12)
    expected = distribution(apply_repetition_penalty(logits, PROMPT, decoding.repetition_penalty), decoding)
    counts = np.zeros(len(logits))
    for seed in range(4):
        draw = Decoding(**{**vars(decoding), "seed": 10 * decoding.seed + seed, "max_tokens": 1})
        trace = sample(lambda sequences: np.stack([logits] * len(sequences)), PROMPT, draw)
        np.add.at(counts, [answer.ids[0] for answer in trace.answers], 1)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    statistic = ((counts - counts.sum() * expected)[possible] ** 2 / (counts.sum() * expected[possible])).sum()
    assert statistic < chi2.ppf(0.999, possible.sum() - 1)
    assert distribution(logits, Decoding("sample")) == pytest.approx(np.exp(log_softmax(logits)))


def test_an_answer_draws_from_its_own_stream() -> None:
    def answers(n: int, seed: int) -> list[tuple[int, ...]]:
        return [
            answer.ids
            for answer in sample(stepper(0), PROMPT, Decoding("sample", answers=n, seed=seed, max_tokens=6)).answers
        ]

    assert answers(5, 7)[:2] == answers(2, 7)
    assert len(set(answers(5, 7))) > 1
    assert not set(answers(5, 7)) & set(answers(5, 8))


def test_a_step_shows_the_best_tokens_and_the_one_chosen() -> None:
    decoding = Decoding("sample", temperature=3.0, top_k=20, answers=4, max_tokens=8)
    for answer in sample(stepper(0), PROMPT, decoding).answers:
        for step, token in zip(answer.steps, answer.ids, strict=True):
            assert step.chosen == token
            assert step.open == 20
            assert len(step.candidates) == CANDIDATES_PER_STEP
            by_token = {candidate.token: candidate for candidate in step.candidates}
            assert np.log(by_token[token].probability) == pytest.approx(step.log_prob)
            assert by_token[token].chance > 0
            probabilities = [candidate.probability for candidate in step.candidates]
            assert probabilities == sorted(probabilities, reverse=True)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def spelling_model(words: str) -> Callable[[list[list[int]]], Logits]:
    """A model that spells `words` and cares for nothing else."""

    def step(sequences: list[list[int]]) -> Logits:
        rows = np.full((len(sequences), 27), -5.0)
        for row, sequence in zip(rows, sequences, strict=True):
            row[LETTERS.index(words[len(sequence)]) if len(sequence) < len(words) else 26] = 5.0
        return rows

    return step


def letters(ids: Any) -> str:
    return "".join(LETTERS[token] for token in ids)


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(stop=("cd", "bcd"), max_tokens=9),
        Decoding("beam", beams=3, stop=("cd", "bcd"), max_tokens=9),
        Decoding("sample", temperature=0.05, stop=("cd", "bcd"), max_tokens=9),
    ],
)
def test_an_answer_ends_before_the_first_stop_string(decoding: Decoding) -> None:
    answer = decode(spelling_model("abcdefghi"), [], decoding, eos=(26,), detokenize=letters).answers[0]
    assert (answer.text, answer.end, letters(answer.ids)) == ("a", "stop", "abcd")
    # Across the border with the prompt there is none.
    answer = decode(spelling_model("abcdefghi"), [0, 1, 2], decoding, eos=(26,), detokenize=letters).answers[0]
    assert (answer.text, answer.end) == ("defghi", "stop")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        decode(spelling_model("abc"), [], decoding, eos=(26,))
    assert "Decoding.stop" in str(caught.value)


def test_text_ends_before_the_end_token() -> None:
    answer = greedy(spelling_model("ab"), [], Decoding(max_tokens=3), eos=(26,), detokenize=letters).answers[0]
    assert (answer.ids, answer.text, answer.end) == ((0, 1, 26), "ab", "stop")
    answer = greedy(spelling_model("ab"), [], Decoding(max_tokens=2), eos=(26,), detokenize=letters).answers[0]
    assert (answer.text, answer.end) == ("ab", "length")
    assert greedy(spelling_model("ab"), [], Decoding(max_tokens=2)).answers[0].text is None


@pytest.mark.parametrize("decoding", [Decoding(), Decoding("beam", beams=2), Decoding("sample")])
@pytest.mark.parametrize("broken", [np.zeros(3), np.full((1, 3), np.nan), np.full((1, 3), -np.inf), np.zeros((2, 3))])
def test_a_stepper_that_breaks_its_promise_is_named(decoding: Decoding, broken: FloatArray) -> None:
    with pytest.raises(ContractError):
        decode(lambda sequences: broken, PROMPT, decoding)


def test_a_way_of_decoding_takes_its_own_strategy_only() -> None:
    for way, wrong in ((greedy, Decoding("sample")), (sample, Decoding()), (beam_search, Decoding())):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            way(stepper(0), PROMPT, wrong)
        assert repr(wrong.strategy) in str(caught.value)


WORDS = (
    *("a", "b", "c", "d", "e", "f", "ab", "ba", "ca", "bc", "aa"),
    *("ac", "ad", "bb", "bd", "cb", "cc", "cd", "da", "db", "dc", "dd"),
    *("".join(word) for word in product("abc", "abc", "abcd")),
)[:VOCABULARY]
"""Texts of the tiny model's tokens, so that stop strings begin and end inside of them."""


def words(ids: Any) -> str:
    return "".join(WORDS[token] for token in ids)


def tokenizer() -> PreTrainedTokenizerFast:
    whole = Tokenizer(models.WordLevel({word: nth for nth, word in enumerate(WORDS)}, unk_token="a"))
    whole.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    whole.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=whole)


STOPS = [("cdc", "ada"), ("aab", "cacad", "dbdc"), ("bbcb", "abaca"), ("ddcc", "dda", "dbbc"), ("abc",), ("bab", "dd")]


@pytest.mark.parametrize("beams", [1, 2, 4])
def test_stop_strings_end_where_they_do_in_transformers(beams: int) -> None:
    # "ef" takes part in no stop string, so there is none across the border.
    prompt, ends = [WORDS.index("e"), WORDS.index("f")], set()
    for seed, stop in product(range(3), STOPS):
        decoding = Decoding("beam" if beams > 1 else "greedy", beams=beams, answers=beams, stop=stop, max_tokens=10)
        answers = decode(stepper(seed), prompt, decoding, detokenize=words).answers
        theirs = llama(seed).generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones((1, 2), dtype=torch.long),
            pad_token_id=VOCABULARY,
            max_new_tokens=10,
            do_sample=False,
            num_beams=beams,
            num_return_sequences=beams,
            stop_strings=list(stop),
            tokenizer=tokenizer(),
        )
        # Without an end token shorter beams are filled up with the padding token, or with -1.
        expected = [tuple(token for token in row[2:].tolist() if 0 <= token < VOCABULARY) for row in theirs]
        assert [answer.ids for answer in answers] == expected, (seed, stop)
        ends |= {answer.end for answer in answers}
    assert ends == {"stop", "length"}
