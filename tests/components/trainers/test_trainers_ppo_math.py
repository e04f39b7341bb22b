"""Formulas of PPO: against numbers computed by hand, slow loops, and properties of random answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.components.trainers.reinforcement.ppo_math import (
    adapt_kl,
    clipped_policy_loss,
    clipped_value_loss,
    entropy,
    gae,
    k1,
    k3,
    masked_mean,
    token_rewards,
    whitened,
)

Row = list[float]


def tensor(*rows: Row) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class Answers:
    """Shapes and values of 1 to 4 random answers of 1 to 7 tokens; values at padding are not 0."""

    lengths: list[int]
    seed: int

    @property
    def mask(self) -> torch.Tensor:
        return (torch.arange(max(self.lengths))[None] < torch.tensor(self.lengths)[:, None]).double()

    def draw(self, nth: int) -> torch.Tensor:
        shape = (len(self.lengths), max(self.lengths))
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed + nth), dtype=torch.float64)


answers = st.builds(Answers, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 10**6))


def test_gae_by_hand() -> None:
    rewards, values, mask = tensor([0.0, 1.0, 9.0]), tensor([0.5, 0.2, 7.0]), tensor([1.0, 1.0, 0.0])
    # delta = [0 + 0.9 * 0.2 - 0.5, 1 - 0.2] = [-0.32, 0.8]; advantages = [-0.32 + 0.9 * 0.5 * 0.8, 0.8].
    assert gae(rewards, values, mask, 0.9, 0.5)[0].tolist() == pytest.approx([0.04, 0.8, 0.0])
    assert gae(rewards, values, mask, 0.9, 0.0)[0].tolist() == pytest.approx([-0.32, 0.8, 0.0])
    assert gae(rewards, values, mask, 1.0, 1.0)[0].tolist() == pytest.approx([0.5, 0.8, 0.0])


@given(answers, st.floats(0, 1), st.floats(0, 1))
def test_gae_is_the_sum_of_discounted_residuals(answers_: Answers, gamma: float, lam: float) -> None:
    rewards, values = answers_.draw(0), answers_.draw(1)
    advantages = gae(rewards, values, answers_.mask, gamma, lam)
    for row, length in enumerate(answers_.lengths):
        v = [float(values[row, t]) for t in range(length)] + [0.0]
        deltas = [float(rewards[row, t]) + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            slow = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, length))
            assert float(advantages[row, t]) == pytest.approx(slow, abs=1e-9)
        assert not advantages[row, length:].any()


@given(answers, st.floats(0, 1))
def test_with_lambda_1_an_advantage_is_the_return_minus_the_value(answers_: Answers, gamma: float) -> None:
    rewards, values = answers_.draw(0), answers_.draw(1)
    advantages = gae(rewards, values, answers_.mask, gamma, 1.0)
    for row, length in enumerate(answers_.lengths):
        for t in range(length):
            total = sum(gamma ** (k - t) * float(rewards[row, k]) for k in range(t, length))
            assert float(advantages[row, t]) == pytest.approx(total - float(values[row, t]), abs=1e-9)


@given(answers)
def test_whitened_advantages_have_mean_0_and_variance_1(answers_: Answers) -> None:
    advantages = whitened(answers_.draw(0) * 3 + 5, answers_.mask)
    token_values = advantages[answers_.mask.bool()]
    assert not advantages[~answers_.mask.bool()].any()
    assert float(token_values.mean()) == pytest.approx(0, abs=1e-7)
    if len(token_values) > 1:
        assert float(token_values.var(correction=0)) == pytest.approx(1, rel=1e-4)


def test_equal_advantages_are_whitened_to_zero() -> None:
    assert whitened(tensor([3.0, 3.0, 8.0]), tensor([1.0, 1.0, 0.0])).tolist() == [[0, 0, 0]]


def test_masked_mean_is_over_tokens() -> None:
    assert float(masked_mean(tensor([1.0, 2.0, 3.0], [10.0, 99.0, 99.0]), tensor([1, 1, 1], [1, 0, 0]))) == 4.0
    assert float(masked_mean(tensor([5.0]), tensor([0.0]))) == 0.0


def test_score_is_at_the_last_token_and_penalty_at_each() -> None:
    mask = tensor([1, 1, 1], [1, 0, 0])
    rewards = token_rewards(torch.tensor([2.0, -1.0]).double(), tensor([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]), mask)
    assert rewards[0].tolist() == pytest.approx([-0.1, -0.2, 1.7])
    assert rewards[1].tolist() == pytest.approx([-1.4, 0.0, 0.0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "flat"),
    [
        (1.0, 1.0, -1.0, False),
        (1.1, 1.0, -1.1, False),
        (1.5, 1.0, -1.2, True),  # good, and already more probable than the clip allows
        (0.5, 1.0, -0.5, False),  # good, and less probable than before
        (0.5, -1.0, 0.8, True),  # bad, and already less probable
        (1.5, -1.0, 1.5, False),  # bad, and more probable than before
    ],
)
def test_clipped_policy_loss_and_its_gradient(ratio: float, advantage: float, loss: float, flat: bool) -> None:
    old = tensor([-2.0])
    new = (old + math.log(ratio)).requires_grad_()
    policy_loss, clipped = clipped_policy_loss(new, old, tensor([advantage]), tensor([1.0]), 0.2)
    policy_loss.backward()  # type: ignore[no-untyped-call]
    assert policy_loss.item() == pytest.approx(loss)
    assert float(clipped) == float(flat)
    assert new.grad is not None
    assert float(new.grad) == pytest.approx(0.0 if flat else -advantage * ratio)


@given(answers, st.floats(0.01, 1))
def test_losses_equal_slow_loops(answers_: Answers, clip: float) -> None:
    new, old, advantages, returns = (answers_.draw(nth) for nth in range(4))
    policy, value, clipped, count = 0.0, 0.0, 0, sum(answers_.lengths)
    for row, length in enumerate(answers_.lengths):
        for t in range(length):
            ratio = math.exp(float(new[row, t] - old[row, t]))
            a, target, before, after = (float(values[row, t]) for values in (advantages, returns, old, new))
            clipped_ratio = min(max(ratio, 1 - clip), 1 + clip)
            policy -= min(ratio * a, clipped_ratio * a)
            clipped += clipped_ratio * a < ratio * a
            near = before + min(max(after - before, -clip), clip)
            value += 0.5 * max((after - target) ** 2, (near - target) ** 2)
    policy_loss, clipped_fraction = clipped_policy_loss(new, old, advantages, answers_.mask, clip)
    assert float(policy_loss) == pytest.approx(policy / count)
    assert float(clipped_fraction) == pytest.approx(clipped / count)
    assert float(clipped_value_loss(new, old, returns, answers_.mask, clip)) == pytest.approx(value / count)


def test_padding_gets_no_gradient() -> None:
    mask, old, goal = tensor([1, 1, 0]), tensor([-1.0, -2.0, -3.0]), tensor([0.3, -0.4, 0.5])
    new = tensor([-1.1, -1.9, 5.0]).requires_grad_()
    policy, _ = clipped_policy_loss(new, old, goal, mask, 0.2)
    (policy + clipped_value_loss(new, old, goal, mask, 9.0)).backward()  # type: ignore[no-untyped-call]
    assert new.grad is not None
    assert new.grad[0, 2] == 0
    assert new.grad[0, :2].all()


def test_value_loss_by_hand() -> None:
    ones = tensor([1.0])
    # 0.9 from 0.0 is clipped to 0.2, so the error is that of 0.2; 0.1 is free.
    assert float(clipped_value_loss(tensor([0.9]), tensor([0.0]), tensor([1.0]), ones, 0.2)) == pytest.approx(0.32)
    assert float(clipped_value_loss(tensor([0.1]), tensor([0.0]), tensor([1.0]), ones, 0.2)) == pytest.approx(0.405)


def test_kl_estimators_by_hand() -> None:
    p, q = tensor([math.log(0.5)]), tensor([math.log(0.25)])
    assert float(k1(p, q)) == pytest.approx(math.log(2))
    assert float(k3(p, q)) == pytest.approx(0.5 - 1 + math.log(2))
    assert float(k3(p, p)) == 0.0


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6), st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_kl_estimators_are_unbiased(mine: Row, theirs: Row) -> None:
    p, q = (tensor(row).log_softmax(-1) for row in (mine, theirs[: len(mine)]))
    divergence = float(torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True))
    assert float((p.exp() * k1(p, q)).sum()) == pytest.approx(divergence, abs=1e-9)
    assert float((p.exp() * k3(p, q)).sum()) == pytest.approx(divergence, abs=1e-9)
    assert (k3(p, q) >= 0).all()


def test_entropy_of_uniform_and_one_hot_distributions() -> None:
    assert entropy(torch.zeros(2, 8)).tolist() == pytest.approx([math.log(8)] * 2)
    assert float(entropy(torch.tensor([0.0, 50.0]))) == pytest.approx(0, abs=1e-9)


def test_kl_coefficient_adapts_to_the_target() -> None:
    assert adapt_kl(0.05, 6.0, 6.0, 0.1) == 0.05
    assert adapt_kl(0.05, 6.6, 6.0, 0.1) == pytest.approx(0.05 * 1.01)
    assert adapt_kl(0.05, 600.0, 6.0, 0.1) == pytest.approx(0.05 * 1.02)  # the error is clipped to 0.2
    assert adapt_kl(0.05, 0.0, 6.0, 0.1) == pytest.approx(0.05 * 0.98)
