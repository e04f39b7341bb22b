"""Answers sampled from a model in memory: the model's own distribution, whatever stands beside a prompt."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from transformers import AutoModelForCausalLM, AutoTokenizer, MambaConfig, MambaForCausalLM

import checkpoints
from assay.components.trainers.reinforcement.ppo_policy import Policy
from assay.components.trainers.reinforcement.rollouts import Rollouts, Sampling, ends_of, last_only, sample_answers
from assay.core.errors import ModelError
from assay.models.references import locate

PROMPTS = ([1, 50, 60], [1, 70, 71, 72, 73, 74, 75], [1], [1, 50, 60, 61])


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start") / "chat", dtype=torch.float32)


@pytest.fixture(scope="module")
def model(start: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(start)


def drawn(model: Any, prompts: Any = PROMPTS, *, seed: int = 3, temperature: float = 1.0, most: int = 9) -> Rollouts:
    how = Sampling(ends_of(model), most, temperature)
    return sample_answers(model, prompts, how, torch.Generator().manual_seed(seed))


def test_prompts_keep_their_tokens_and_answers_follow(model: Any) -> None:
    made = drawn(model)
    assert made.ids.shape == made.seen.shape == made.positions.shape == (4, 7 + made.mask.shape[1])
    for row, prompt in enumerate(PROMPTS):
        assert made.ids[row, 7 - len(prompt) : 7].tolist() == prompt
        assert made.seen[row, :7].tolist() == [0] * (7 - len(prompt)) + [1] * len(prompt)
        assert made.positions[row, 7 - len(prompt) : 7].tolist() == list(range(len(prompt)))
    assert torch.equal(made.seen[:, 7:].float(), made.mask)


def test_an_answer_goes_to_the_token_that_ends_it_and_no_further(model: Any) -> None:
    made = drawn(model, PROMPTS * 40, most=60)
    (end,) = ends_of(model)
    assert 0 < int(made.ended.sum()) < len(made.ended)
    for answer, mask, ended in zip(made.answers.tolist(), made.mask.tolist(), made.ended.tolist(), strict=True):
        length = int(sum(mask))
        assert mask == [1.0] * length + [0.0] * (len(mask) - length)
        assert (answer[length - 1] == end) == ended
        assert end not in answer[: length - 1]
        assert ended or length == 60


def test_when_all_have_ended_nothing_more_is_read(start: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(start)
    model.generation_config.eos_token_id = list(range(len(AutoTokenizer.from_pretrained(start))))
    made = drawn(model, most=50)
    assert made.mask.tolist() == [[1.0]] * 4
    assert made.ended.all()


def test_without_chance_it_says_what_transformers_says(model: Any) -> None:
    made = drawn(model, temperature=0.01)
    for row, prompt in enumerate(PROMPTS):
        length = int(made.mask[row].sum())
        greedy = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=9, attention_mask=None)
        assert made.answers[row, :length].tolist() == greedy[0, len(prompt) :].tolist()[:length]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_first_tokens_are_as_frequent_as_they_are_probable(model: Any, temperature: float) -> None:
    rows = 4000
    made = drawn(model, [PROMPTS[1]] * rows, temperature=temperature, most=1)
    with torch.no_grad():
        shares = (model(torch.tensor([PROMPTS[1]])).logits[0, -1] / temperature).softmax(-1)
    counts = Counter(made.answers[:, 0].tolist())
    common = [token for token, share in enumerate(shares.tolist()) if share * rows >= 5]
    seen = [counts[token] for token in common]
    expected = [float(shares[token]) * rows for token in common]
    others = (rows - sum(seen), rows - sum(expected))
    assert chisquare([*seen, others[0]], [*expected, others[1]]).pvalue > 1e-3


def test_the_checkpoints_own_generation_settings_do_not_interfere(start: Path) -> None:
    plain, fussy = (AutoModelForCausalLM.from_pretrained(start) for _ in range(2))
    fussy.generation_config.update(do_sample=True, top_k=1, repetition_penalty=9.0, temperature=0.1)
    assert torch.equal(drawn(plain).ids, drawn(fussy).ids)


def test_the_same_seed_draws_the_same(model: Any) -> None:
    assert torch.equal(drawn(model).ids, drawn(model).ids)
    assert not torch.equal(drawn(model, seed=4).ids[:, :9], drawn(model).ids[:, :9])


def test_texts_are_without_special_tokens(start: Path) -> None:
    words = AutoTokenizer.from_pretrained(start)
    said = words("hi 고")["input_ids"]
    pad = [5] * (len(said) - 1)
    made = Rollouts(
        torch.tensor([[1, *said, 2], [1, *said[:1], 2, *pad]]),
        torch.ones(2, len(said) + 2),
        torch.tensor([[1.0] * (len(said) + 1), [1.0, 1.0, *([0.0] * len(pad))]]),
        torch.tensor([True, True]),
    )
    assert made.texts(words) == ["hi 고", "h"]
    assert made.of(torch.tensor([1])).texts(words) == ["h"]


def test_a_model_without_an_end_or_that_reads_padding_is_refused(start: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(start)
    model.generation_config.eos_token_id = None
    with pytest.raises(ModelError, match="eos_token_id"):
        ends_of(model)
    state = MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1, state_size=4))
    state.save_pretrained(tmp_path / "mamba")
    with pytest.raises(ModelError, match="MambaForCausalLM"):
        policy(tmp_path / "mamba")


# What a policy says of answers.


def policy(start: Path, *, bf16: bool = False, temperature: float = 1.0) -> Policy:
    return Policy(locate(str(start)), rank=4, alpha=8.0, bf16=bf16, temperature=temperature)


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def either(request: pytest.FixtureRequest, start: Path) -> Policy:
    torch.manual_seed(0)
    return policy(start, bf16=request.param)


def sampled(one: Policy, rows: int = 2) -> Rollouts:
    with one.precision():
        return drawn(one.model, PROMPTS * rows)


def test_log_probs_are_those_of_each_row_alone(start: Path, model: Any) -> None:
    one = policy(start, temperature=0.7)
    made = sampled(one)
    with torch.no_grad():
        read = one.read(made)
    assert read.entropy is not None
    for row in range(len(made.ids)):
        ids = made.ids[row][made.seen[row].bool()]
        length = int(made.mask[row].sum())
        with torch.no_grad():
            whole = (model(ids[None]).logits[0] / 0.7).log_softmax(-1)
        logs = whole[len(ids) - length - 1 : -1]
        alone = logs.gather(1, ids[-length:, None])[:, 0]
        assert torch.allclose(read.log_probs[row, :length], alone, atol=1e-4)
        assert torch.allclose(read.entropy[row, :length], -(logs.exp() * logs).sum(-1), atol=1e-3)


def test_it_starts_at_the_reference_with_values_of_0(either: Policy) -> None:
    made = sampled(either)
    with torch.no_grad():
        read = either.read(made)
    assert torch.equal(read.log_probs, either.reference(made).detach())
    assert not read.values.any()


def test_what_is_read_again_with_a_gradient_is_the_same_to_the_last_bit(either: Policy) -> None:
    made = sampled(either)
    with torch.no_grad():
        for one in either.adapter:
            one.add_(torch.randn_like(one) * 0.05)
        before = either.read(made)
    after = either.read(made)
    assert after.log_probs.requires_grad
    assert after.entropy is None
    assert torch.equal((after.log_probs - before.log_probs).exp(), torch.ones_like(before.log_probs))
    assert not torch.equal(before.log_probs, either.reference(made).detach())


def test_the_gradient_reaches_the_adapter_and_the_value_head_alone(either: Policy) -> None:
    made = sampled(either)
    torch.nn.init.ones_(either.value.weight)
    read = either.read(made)
    ((read.log_probs + read.values) * made.mask).sum().backward()  # type: ignore[no-untyped-call]
    trained = [*either.adapter, *either.value.parameters()]
    assert all(one.grad is not None for one in trained)
    mine = {id(one) for one in trained}
    assert all(id(one) in mine or one.grad is None for one in either.model.parameters())
    assert all(one.dtype == torch.float32 for one in trained)


def test_a_model_that_makes_all_logits_is_read_alike(start: Path) -> None:
    one = policy(start)
    assert last_only(one.model.get_base_model(), 3) == {"logits_to_keep": 3}
    made = sampled(one)
    with torch.no_grad():
        short = one.read(made)
        one._keeps = False
        whole = one.read(made)
    assert torch.allclose(short.log_probs, whole.log_probs, atol=1e-5)
    assert short.values.shape == whole.values.shape


def test_what_was_learnt_comes_back(start: Path) -> None:
    torch.manual_seed(1)
    one = policy(start)
    with torch.no_grad():
        for part in [*one.adapter, *one.value.parameters()]:
            part.add_(torch.randn_like(part))
    made = sampled(one)
    other = policy(start)
    other.restore(one.state())
    with torch.no_grad():
        mine, theirs = one.read(made), other.read(made)
    assert torch.equal(mine.log_probs, theirs.log_probs)
    assert torch.equal(mine.values, theirs.values)
    assert mine.values.any()
