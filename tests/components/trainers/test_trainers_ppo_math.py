"""The formulas of PPO: against numbers worked out by hand, against slow loops, and what must hold of any answers."""

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
    """Random answers: 1 to 4 of them, up to 7 tokens, each at least one long; what lies behind an end is no zero."""

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
def test_gae_is_the_sum_of_discounted_residuals(some: Answers, gamma: float, lam: float) -> None:
    rewards, values = some.draw(0), some.draw(1)
    found = gae(rewards, values, some.mask, gamma, lam)
    for row, length in enumerate(some.lengths):
        v = [float(values[row, t]) for t in range(length)] + [0.0]
        deltas = [float(rewards[row, t]) + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            slow = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, length))
            assert float(found[row, t]) == pytest.approx(slow, abs=1e-9)
        assert not found[row, length:].any()


@given(answers, st.floats(0, 1))
def test_with_lambda_1_an_advantage_is_the_return_minus_the_value(some: Answers, gamma: float) -> None:
    rewards, values = some.draw(0), some.draw(1)
    found = gae(rewards, values, some.mask, gamma, 1.0)
    for row, length in enumerate(some.lengths):
        for t in range(length):
            gained = sum(gamma ** (k - t) * float(rewards[row, k]) for k in range(t, length))
            assert float(found[row, t]) == pytest.approx(gained - float(values[row, t]), abs=1e-9)


@given(answers)
def test_whitened_advantages_have_mean_0_and_variance_1(some: Answers) -> None:
    found = whitened(some.draw(0) * 3 + 5, some.mask)
    kept = found[some.mask.bool()]
    assert not found[~some.mask.bool()].any()
    assert float(kept.mean()) == pytest.approx(0, abs=1e-7)
    if len(kept) > 1:
        assert float(kept.var(correction=0)) == pytest.approx(1, rel=1e-4)


def test_equal_advantages_are_whitened_to_nothing() -> None:
    assert whitened(tensor([3.0, 3.0, 8.0]), tensor([1.0, 1.0, 0.0])).tolist() == [[0, 0, 0]]


def test_the_mean_is_over_tokens_and_not_over_answers() -> None:
    assert float(masked_mean(tensor([1.0, 2.0, 3.0], [10.0, 99.0, 99.0]), tensor([1, 1, 1], [1, 0, 0]))) == 4.0
    assert float(masked_mean(tensor([5.0]), tensor([0.0]))) == 0.0


def test_the_score_is_paid_at_the_last_token_and_the_penalty_at_each() -> None:
    mask = tensor([1, 1, 1], [1, 0, 0])
    found = token_rewards(torch.tensor([2.0, -1.0]).double(), tensor([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]), mask)
    assert found[0].tolist() == pytest.approx([-0.1, -0.2, 1.7])
    assert found[1].tolist() == pytest.approx([-1.4, 0.0, 0.0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "flat"),
    [
        (1.0, 1.0, -1.0, False),
        (1.1, 1.0, -1.1, False),
        (1.5, 1.0, -1.2, True),  # good, and already likelier than the clip allows
        (0.5, 1.0, -0.5, False),  # good, and less likely than it was: to be mended
        (0.5, -1.0, 0.8, True),  # bad, and already less likely
        (1.5, -1.0, 1.5, False),  # bad, and likelier than it was
    ],
)
def test_the_clipped_objective_and_where_it_is_flat(ratio: float, advantage: float, loss: float, flat: bool) -> None:
    old = tensor([-2.0])
    now = (old + math.log(ratio)).requires_grad_()
    found, clipped = clipped_policy_loss(now, old, tensor([advantage]), tensor([1.0]), 0.2)
    found.backward()  # type: ignore[no-untyped-call]
    assert found.item() == pytest.approx(loss)
    assert float(clipped) == float(flat)
    assert now.grad is not None
    assert float(now.grad) == pytest.approx(0.0 if flat else -advantage * ratio)


@given(answers, st.floats(0.01, 1))
def test_the_losses_are_those_of_slow_loops(some: Answers, clip: float) -> None:
    now, old, advantages, returns = (some.draw(nth) for nth in range(4))
    policy, value, clipped, count = 0.0, 0.0, 0, sum(some.lengths)
    for row, length in enumerate(some.lengths):
        for t in range(length):
            ratio = math.exp(float(now[row, t] - old[row, t]))
            a, target, before, after = (float(one[row, t]) for one in (advantages, returns, old, now))
            kept = min(max(ratio, 1 - clip), 1 + clip)
            policy -= min(ratio * a, kept * a)
            clipped += kept * a < ratio * a
            near = before + min(max(after - before, -clip), clip)
            value += 0.5 * max((after - target) ** 2, (near - target) ** 2)
    found, share = clipped_policy_loss(now, old, advantages, some.mask, clip)
    assert float(found) == pytest.approx(policy / count)
    assert float(share) == pytest.approx(clipped / count)
    assert float(clipped_value_loss(now, old, returns, some.mask, clip)) == pytest.approx(value / count)


def test_what_lies_behind_an_end_changes_no_loss_and_gets_no_gradient() -> None:
    mask, old, goal = tensor([1, 1, 0]), tensor([-1.0, -2.0, -3.0]), tensor([0.3, -0.4, 0.5])
    now = tensor([-1.1, -1.9, 5.0]).requires_grad_()
    policy, _ = clipped_policy_loss(now, old, goal, mask, 0.2)
    (policy + clipped_value_loss(now, old, goal, mask, 9.0)).backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    assert now.grad[0, 2] == 0
    assert now.grad[0, :2].all()


def test_the_value_loss_by_hand() -> None:
    one = tensor([1.0])
    # 0.9 from 0.0 is held at 0.2, so the error is that of 0.2; 0.1 is free.
    assert float(clipped_value_loss(tensor([0.9]), tensor([0.0]), tensor([1.0]), one, 0.2)) == pytest.approx(0.32)
    assert float(clipped_value_loss(tensor([0.1]), tensor([0.0]), tensor([1.0]), one, 0.2)) == pytest.approx(0.405)


def test_the_estimators_by_hand() -> None:
    p, q = tensor([math.log(0.5)]), tensor([math.log(0.25)])
    assert float(k1(p, q)) == pytest.approx(math.log(2))
    assert float(k3(p, q)) == pytest.approx(0.5 - 1 + math.log(2))
    assert float(k3(p, p)) == 0.0


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6), st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_both_estimators_expect_the_divergence(mine: Row, theirs: Row) -> None:
    p, q = (tensor(row).log_softmax(-1) for row in (mine, theirs[: len(mine)]))
    divergence = float(torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True))
    assert float((p.exp() * k1(p, q)).sum()) == pytest.approx(divergence, abs=1e-9)
    assert float((p.exp() * k3(p, q)).sum()) == pytest.approx(divergence, abs=1e-9)
    assert (k3(p, q) >= 0).all()


def test_entropy_of_even_and_of_sure_choices() -> None:
    assert entropy(torch.zeros(2, 8)).tolist() == pytest.approx([math.log(8)] * 2)
    assert float(entropy(torch.tensor([0.0, 50.0]))) == pytest.approx(0, abs=1e-9)


def test_the_weight_of_the_divergence_follows_its_target() -> None:
    assert adapt_kl(0.05, 6.0, 6.0, 0.1) == 0.05
    assert adapt_kl(0.05, 6.6, 6.0, 0.1) == pytest.approx(0.05 * 1.01)
    assert adapt_kl(0.05, 600.0, 6.0, 0.1) == pytest.approx(0.05 * 1.02)  # the error is held at a fifth
    assert adapt_kl(0.05, 0.0, 6.0, 0.1) == pytest.approx(0.05 * 0.98)
