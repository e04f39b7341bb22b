"""A random Llama so small that transformers can be asked hundreds of times."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from assay.core.decoding import Decoding
from assay.text.decoding.beam_search import beam_search
from assay.text.decoding.generation import Decoded, Trace
from assay.text.decoding.logits import Logits, log_softmax

VOCABULARY = 50
PROMPT = [3, 17, 8]


@cache
def llama(seed: int) -> LlamaForCausalLM:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
    ).eval()
    # Fresh weights give nearly equal probabilities; these are about as uneven as a real model's.
    with torch.no_grad():
        model.lm_head.weight.mul_(25)
    return model


def stepper(seed: int) -> Callable[[list[list[int]]], Logits]:
    def step(sequences: list[list[int]]) -> Logits:
        with torch.no_grad():
            return np.asarray(llama(seed)(torch.tensor(sequences)).logits[:, -1])

    return step


def generate_ids(seed: int, eos: tuple[int, ...], **options: Any) -> list[tuple[int, ...]]:
    """Token ids that transformers generates, without what it fills shorter answers up with."""
    ids = torch.tensor([PROMPT])
    out = llama(seed).generate(
        ids, attention_mask=torch.ones_like(ids), eos_token_id=list(eos) or None, pad_token_id=0, **options
    )
    return [_to_the_end([int(token) for token in row[len(PROMPT) :]], eos) for row in out]


def _to_the_end(ids: list[int], eos: tuple[int, ...]) -> tuple[int, ...]:
    ends = [at for at, token in enumerate(ids) if token in eos]
    return tuple(ids[: ends[0] + 1] if ends else ids)


def recompute_log_prob(seed: int, answer: Decoded) -> float:
    """The log-probability of an answer from one pass over all of it."""
    ids = [*PROMPT, *answer.ids]
    with torch.no_grad():
        rows = log_softmax(np.asarray(llama(seed)(torch.tensor([ids])).logits[0]))
    return float(sum(rows[at - 1, ids[at]] for at in range(len(PROMPT), len(ids))))


def beam_search_twice(seed: int, decoding: Decoding, eos: tuple[int, ...]) -> tuple[Trace, list[tuple[int, ...]]]:
    theirs = generate_ids(
        seed,
        eos,
        max_new_tokens=decoding.max_tokens,
        do_sample=False,
        num_beams=decoding.beams,
        num_return_sequences=decoding.answers,
        length_penalty=decoding.length_penalty,
        repetition_penalty=decoding.repetition_penalty,
    )
    return beam_search(stepper(seed), PROMPT, decoding, eos=eos), theirs
