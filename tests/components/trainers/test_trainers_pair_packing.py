"""Packed pairs have the same hidden states as each row alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

import checkpoints
from assay.components.trainers.preference.rows import (
    hidden_states,
    pack_pairs,
    supports_pair_packing,
    use_per_pair_attention,
)
from components.trainers.test_trainers_sft import gpt_neo, lfm2, llama, mistral, with_large_weights

ROW = st.lists(st.integers(3, 200), min_size=1, max_size=9)
PAIRS = st.lists(st.tuples(ROW, st.lists(st.integers(3, 200), max_size=6), ROW), min_size=1, max_size=4)
"""Common prefix of both rows of a pair, rest of the first row, rest of the second row."""


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


@given(pairs=PAIRS)
@settings(deadline=None)
def test_every_token_of_the_batch_is_in_the_packed_sequence(
    pairs: list[tuple[list[int], list[int], list[int]]],
) -> None:
    rows = [start + first for start, first, _ in pairs] + [start + second for start, _, second in pairs]
    ids, mask = padded(rows)
    packed = pack_pairs(ids, mask)
    assert torch.equal(packed.ids[0][packed.places][mask.bool()], ids[mask.bool()])
    where = torch.arange(ids.shape[1]).expand_as(ids)
    assert torch.equal(packed.positions[0][packed.places][mask.bool()], where[mask.bool()])
    assert packed.ids.shape[1] <= int(mask.sum()) - sum(len(start) for start, _, _ in pairs)
    assert packed.pairs[-1][3] == packed.ids.shape[1]


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, torch.nn.Module]:
    folder = checkpoints.chat(tmp_path_factory.mktemp("start") / "chat", dtype=torch.float32)
    plain, ours = (with_large_weights(AutoModelForCausalLM.from_pretrained(folder).model) for _ in range(2))
    assert supports_pair_packing(ours)
    use_per_pair_attention(ours)
    return plain, ours


@given(pairs=PAIRS)
def test_hidden_states_equal_those_of_each_row_alone(
    nets: tuple[torch.nn.Module, torch.nn.Module], pairs: list[tuple[list[int], list[int], list[int]]]
) -> None:
    plain, ours = nets
    rows = [start + first for start, first, _ in pairs] + [start + second for start, _, second in pairs]
    ids, mask = padded(rows)
    packed = pack_pairs(ids, mask)
    with torch.inference_mode():
        states = hidden_states(ours, packed)
        for row, places in zip(rows, packed.places, strict=True):
            alone = plain(input_ids=torch.tensor([row])).last_hidden_state[0]
            assert torch.allclose(states[places[: len(row)]], alone, atol=1e-4)


@pytest.mark.parametrize(("build", "fits"), [(llama, True), (mistral, False), (gpt_neo, False), (lfm2, False)])
def test_unsupported_networks_are_not_packed(build: object, fits: bool, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(build(tmp_path / "start"))  # type: ignore[operator]
    assert supports_pair_packing(model) is fits
    model.config.logits_scaling = 2.0
    assert not supports_pair_packing(model)
