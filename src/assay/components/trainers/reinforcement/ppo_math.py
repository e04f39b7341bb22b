"""Formulas of PPO on tensors of shape (answers, tokens); a mask is 1 at tokens and 0 at padding.

Padding is on the right, so each row of a mask is ones followed by zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of all answers; 0 if there are none."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def whitened(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Standardized to mean 0 and variance 1 over the tokens of all answers; 0 at padding.

    Source: Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO", on whitening advantages.
    """
    mean = masked_mean(values, mask)
    spread = masked_mean((values - mean) ** 2, mask).sqrt()
    return (values - mean) / (spread + 1e-8) * mask


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy in nats of the distributions along the last axis."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def k1(log_probs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Estimate log p - log q of KL(p, q) at each sampled token: unbiased, and negative for some tokens.

    Source: Schulman 2020, "Approximating KL Divergence", joschu.net/blog/kl-approx.html.
    """
    return log_probs - reference


def k3(log_probs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Estimate q/p - 1 - log(q/p) of KL(p, q) at each sampled token: unbiased, and never negative.

    Its variance is lower than that of `k1` if p and q are close, and higher if they are not. Source: as `k1`.
    """
    ratio = reference - log_probs
    return ratio.expm1() - ratio


def adapt_kl(coefficient: float, kl: float, target: float, gain: float) -> float:
    """Next KL coefficient after a step with the divergence `kl`: higher if it is above `target`, else lower.

    Source: Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences", section 2.2, where `gain` is 0.1.
    """
    error = min(0.2, max(-0.2, kl / target - 1))
    return coefficient * (1 + gain * error)


def token_rewards(scores: torch.Tensor, penalties: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Reward of each token: minus its penalty, plus the score of the answer at its last token.

    Shapes: `scores` (answers,), `penalties` and the result (answers, tokens).

    Source: Ouyang et al. 2022, section 3.5, as Ziegler et al. 2019, eq. 2, and Stiennon et al. 2020, section 3.4.
    """
    rewards = -penalties * mask
    last = mask.sum(1).long() - 1
    rewards[range(len(scores)), last] += scores
    return rewards


def gae(rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float) -> torch.Tensor:
    """Generalized advantage estimates; the value after an answer's last token is 0.

    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using GAE", eq. 11 to 16: the sum over l of
    (gamma lam)^l delta[t+l], with delta[t] = r[t] + gamma V[t+1] - V[t], from the last token to the first.
    """
    import torch

    values = values * mask
    after = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    deltas = (rewards + gamma * after - values) * mask
    advantages = torch.zeros_like(deltas)
    running = torch.zeros_like(deltas[:, 0])
    for token in reversed(range(deltas.shape[1])):
        running = deltas[:, token] + gamma * lam * running
        advantages[:, token] = running
    return advantages


def clipped_policy_loss(
    log_probs: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor, clip: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and the fraction of tokens at which it is flat because the ratio is clipped.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", eq. 7, with the opposite sign.
    """
    ratio = (log_probs - old).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(unclipped.max(clipped), mask), masked_mean((clipped > unclipped).float(), mask)


def clipped_value_loss(
    values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor, clip: float
) -> torch.Tensor:
    """Half the squared error of the new values, or of those clipped to within `clip` of the old ones if that is larger.

    Source: Huang et al. 2024, as OpenAI's lm-human-preferences (train_policy.py) has it.
    """
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * masked_mean(((values - returns) ** 2).max((clipped - returns) ** 2), mask)
