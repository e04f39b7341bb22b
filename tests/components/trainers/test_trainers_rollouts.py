"""Answers sampled from a model, and log-probabilities and values of the policy."""

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


def sample_rollouts(
    model: Any, prompts: Any = PROMPTS, *, seed: int = 3, temperature: float = 1.0, max_tokens: int = 9
) -> Rollouts:
    sampling = Sampling(ends_of(model), max_tokens, temperature)
    return sample_answers(model, prompts, sampling, torch.Generator().manual_seed(seed))


def test_prompts_keep_their_tokens_and_answers_follow(model: Any) -> None:
    rollouts = sample_rollouts(model)
    assert (
        rollouts.ids.shape
        == rollouts.attention_mask.shape
        == rollouts.positions.shape
        == (4, 7 + rollouts.mask.shape[1])
    )
    for row, prompt in enumerate(PROMPTS):
        assert rollouts.ids[row, 7 - len(prompt) : 7].tolist() == prompt
        assert rollouts.attention_mask[row, :7].tolist() == [0] * (7 - len(prompt)) + [1] * len(prompt)
        assert rollouts.positions[row, 7 - len(prompt) : 7].tolist() == list(range(len(prompt)))
    assert torch.equal(rollouts.attention_mask[:, 7:].float(), rollouts.mask)


def test_answers_stop_at_the_end_token(model: Any) -> None:
    rollouts = sample_rollouts(model, PROMPTS * 40, max_tokens=60)
    (end,) = ends_of(model)
    assert 0 < int(rollouts.ended.sum()) < len(rollouts.ended)
    for answer, mask, ended in zip(
        rollouts.answers.tolist(), rollouts.mask.tolist(), rollouts.ended.tolist(), strict=True
    ):
        length = int(sum(mask))
        assert mask == [1.0] * length + [0.0] * (len(mask) - length)
        assert (answer[length - 1] == end) == ended
        assert end not in answer[: length - 1]
        assert ended or length == 60


def test_sampling_stops_when_all_answers_have_ended(start: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(start)
    model.generation_config.eos_token_id = list(range(len(AutoTokenizer.from_pretrained(start))))
    rollouts = sample_rollouts(model, max_tokens=50)
    assert rollouts.mask.tolist() == [[1.0]] * 4
    assert rollouts.ended.all()


def test_low_temperature_equals_greedy_decoding_of_transformers(model: Any) -> None:
    rollouts = sample_rollouts(model, temperature=0.01)
    for row, prompt in enumerate(PROMPTS):
        length = int(rollouts.mask[row].sum())
        greedy = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=9, attention_mask=None)
        assert rollouts.answers[row, :length].tolist() == greedy[0, len(prompt) :].tolist()[:length]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_token_frequencies_match_probabilities(model: Any, temperature: float) -> None:
    rows = 4000
    rollouts = sample_rollouts(model, [PROMPTS[1]] * rows, temperature=temperature, max_tokens=1)
    with torch.no_grad():
        probabilities = (model(torch.tensor([PROMPTS[1]])).logits[0, -1] / temperature).softmax(-1)
    counts = Counter(rollouts.answers[:, 0].tolist())
    common = [token for token, probability in enumerate(probabilities.tolist()) if probability * rows >= 5]
    observed = [counts[token] for token in common]
    expected = [float(probabilities[token]) * rows for token in common]
    others = (rows - sum(observed), rows - sum(expected))
    assert chisquare([*observed, others[0]], [*expected, others[1]]).pvalue > 1e-3


def test_generation_settings_of_the_checkpoint_are_ignored(start: Path) -> None:
    plain, fussy = (AutoModelForCausalLM.from_pretrained(start) for _ in range(2))
    fussy.generation_config.update(do_sample=True, top_k=1, repetition_penalty=9.0, temperature=0.1)
    assert torch.equal(sample_rollouts(plain).ids, sample_rollouts(fussy).ids)


def test_sampling_is_deterministic_by_seed(model: Any) -> None:
    assert torch.equal(sample_rollouts(model).ids, sample_rollouts(model).ids)
    assert not torch.equal(sample_rollouts(model, seed=4).ids[:, :9], sample_rollouts(model).ids[:, :9])


def test_texts_are_without_special_tokens(start: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(start)
    ids = tokenizer("hi 고")["input_ids"]
    pad = [5] * (len(ids) - 1)
    rollouts = Rollouts(
        torch.tensor([[1, *ids, 2], [1, *ids[:1], 2, *pad]]),
        torch.ones(2, len(ids) + 2),
        torch.tensor([[1.0] * (len(ids) + 1), [1.0, 1.0, *([0.0] * len(pad))]]),
        torch.tensor([True, True]),
    )
    assert rollouts.texts(tokenizer) == ["hi 고", "h"]
    assert rollouts.of(torch.tensor([1])).texts(tokenizer) == ["h"]


def test_model_without_end_token_or_with_recurrent_state_is_rejected(start: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(start)
    model.generation_config.eos_token_id = None
    with pytest.raises(ModelError, match="eos_token_id"):
        ends_of(model)
    state = MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1, state_size=4))
    state.save_pretrained(tmp_path / "mamba")
    with pytest.raises(ModelError, match="MambaForCausalLM"):
        load_policy(tmp_path / "mamba")


def load_policy(start: Path, *, bf16: bool = False, temperature: float = 1.0) -> Policy:
    return Policy(locate(str(start)), rank=4, alpha=8.0, bf16=bf16, temperature=temperature)


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def policy(request: pytest.FixtureRequest, start: Path) -> Policy:
    torch.manual_seed(0)
    return load_policy(start, bf16=request.param)


def sample_from(policy: Policy, rows: int = 2) -> Rollouts:
    with policy.precision():
        return sample_rollouts(policy.model, PROMPTS * rows)


def test_log_probs_are_those_of_each_row_alone(start: Path, model: Any) -> None:
    policy = load_policy(start, temperature=0.7)
    rollouts = sample_from(policy)
    with torch.no_grad():
        output = policy.forward(rollouts)
    assert output.entropy is not None
    for row in range(len(rollouts.ids)):
        ids = rollouts.ids[row][rollouts.attention_mask[row].bool()]
        length = int(rollouts.mask[row].sum())
        with torch.no_grad():
            whole = (model(ids[None]).logits[0] / 0.7).log_softmax(-1)
        logs = whole[len(ids) - length - 1 : -1]
        alone = logs.gather(1, ids[-length:, None])[:, 0]
        assert torch.allclose(output.log_probs[row, :length], alone, atol=1e-4)
        assert torch.allclose(output.entropy[row, :length], -(logs.exp() * logs).sum(-1), atol=1e-3)


def test_initial_policy_equals_reference_with_zero_values(policy: Policy) -> None:
    rollouts = sample_from(policy)
    with torch.no_grad():
        output = policy.forward(rollouts)
    assert torch.equal(output.log_probs, policy.reference(rollouts).detach())
    assert not output.values.any()


def test_forward_with_gradient_is_bit_identical(policy: Policy) -> None:
    rollouts = sample_from(policy)
    with torch.no_grad():
        for parameter in policy.adapter:
            parameter.add_(torch.randn_like(parameter) * 0.05)
        before = policy.forward(rollouts)
    after = policy.forward(rollouts)
    assert after.log_probs.requires_grad
    assert after.entropy is None
    assert torch.equal((after.log_probs - before.log_probs).exp(), torch.ones_like(before.log_probs))
    assert not torch.equal(before.log_probs, policy.reference(rollouts).detach())


def test_gradient_reaches_only_adapter_and_value_head(policy: Policy) -> None:
    rollouts = sample_from(policy)
    torch.nn.init.ones_(policy.value.weight)
    output = policy.forward(rollouts)
    ((output.log_probs + output.values) * rollouts.mask).sum().backward()  # type: ignore[no-untyped-call]
    trained = [*policy.adapter, *policy.value.parameters()]
    assert all(parameter.grad is not None for parameter in trained)
    ids = {id(parameter) for parameter in trained}
    assert all(id(parameter) in ids or parameter.grad is None for parameter in policy.model.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in trained)


def test_model_without_logits_to_keep_gives_the_same_output(start: Path) -> None:
    policy = load_policy(start)
    assert last_only(policy.model.get_base_model(), 3) == {"logits_to_keep": 3}
    rollouts = sample_from(policy)
    with torch.no_grad():
        short = policy.forward(rollouts)
        policy._limits_logits = False
        whole = policy.forward(rollouts)
    assert torch.allclose(short.log_probs, whole.log_probs, atol=1e-5)
    assert short.values.shape == whole.values.shape


def test_policy_state_round_trip(start: Path) -> None:
    torch.manual_seed(1)
    policy = load_policy(start)
    with torch.no_grad():
        for parameter in [*policy.adapter, *policy.value.parameters()]:
            parameter.add_(torch.randn_like(parameter))
    rollouts = sample_from(policy)
    other = load_policy(start)
    other.restore(policy.state())
    with torch.no_grad():
        expected, restored = policy.forward(rollouts), other.forward(rollouts)
    assert torch.equal(restored.log_probs, expected.log_probs)
    assert torch.equal(restored.values, expected.values)
    assert expected.values.any()
