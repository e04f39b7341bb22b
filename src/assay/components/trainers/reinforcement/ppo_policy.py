"""The three networks of PPO in one: a policy with LoRA, the reference with LoRA off, a value head on the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.components.trainers.reinforcement import ppo_math
from assay.components.trainers.reinforcement.rollouts import Rollouts, ends_of, last_only
from assay.components.trainers.sft.model import adapter, cast_once, halve, loaded
from assay.core.errors import ModelError
from assay.models.references import Checkpoint

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Reading:
    """What a network says of answers; each (rows, answer)."""

    log_probs: torch.Tensor
    """Of each token, in nats."""
    values: torch.Tensor
    """Of what came before each token."""
    entropy: torch.Tensor | None
    """Of the distribution that each token was drawn from, in nats; None where a gradient is taken."""

    @classmethod
    def joined(cls, parts: Sequence[Reading]) -> Reading:
        """Of parts, read without a gradient, one whole."""
        import torch

        entropies = [one.entropy for one in parts if one.entropy is not None]
        return cls(
            torch.cat([one.log_probs for one in parts]), torch.cat([one.values for one in parts]), torch.cat(entropies)
        )


class Policy:
    """The values start at 0, the policy at the reference; dropout is off, so a row is read alike every time.

    Source: Huang et al. 2024 on dropout and on the value head; there the value network is one of its own, here it
    shares the policy's body, which costs less.
    """

    def __init__(self, start: Checkpoint, *, rank: int, alpha: float, half: bool, temperature: float) -> None:
        """Loads `start`; `half` multiplies matrices in bfloat16.

        Raises:
            ModelError: It cannot be loaded, or is of a kind that prompts cannot be padded for.
        """
        import torch
        from peft import get_peft_model

        base = loaded(start)
        if base._is_stateful:
            raise ModelError(f"Model {start.reference!r} is a {type(base).__name__}, which reads padding as words.")
        self.ends = ends_of(base)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._half, self._temperature = half, temperature
        self._keeps = bool(last_only(base, 1))
        if half:
            halve(base)
        self.model = get_peft_model(base.to(self.device), adapter(rank, alpha)).eval()
        if half:
            cast_once(self.model)
        head = base.get_output_embeddings()
        self.value = torch.nn.Linear(head.weight.shape[1], 1, device=self.device)
        torch.nn.init.zeros_(self.value.weight)
        torch.nn.init.zeros_(self.value.bias)
        self._states: torch.Tensor | None = None
        head.register_forward_pre_hook(self._see)

    def _see(self, _: Any, given: tuple[torch.Tensor]) -> None:
        """Keeps what logits are made of: values are made of it, too."""
        self._states = given[0]

    @property
    def adapter(self) -> list[torch.nn.Parameter]:
        """What of the policy is trained."""
        return [one for one in self.model.parameters() if one.requires_grad]

    def precision(self) -> AbstractContextManager[Any]:
        """Within it matrices are multiplied as the policy is trained."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._half)

    def last(self, count: int) -> dict[str, int]:
        """As `last_only`, of the wrapped model."""
        return {"logits_to_keep": count} if self._keeps else {}

    def read(self, rollouts: Rollouts) -> Reading:
        """By the policy; with a gradient where torch is asked for one."""
        import torch
        from torch.nn.functional import cross_entropy

        answers = rollouts.answers
        kept = answers.shape[1] + 1  # a token is drawn at the place before it, and nothing at the last
        with self.precision():
            read = self.model(
                input_ids=rollouts.ids,
                attention_mask=rollouts.seen,
                position_ids=rollouts.positions,
                use_cache=False,
                **self.last(kept),
            )
        states, self._states = self._states, None
        assert states is not None, "logits were made"
        logits = read.logits[:, -kept:-1].float() / self._temperature
        return Reading(
            -cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none").view(answers.shape),
            self.value(states[:, -kept:-1].float()).squeeze(-1),
            None if torch.is_grad_enabled() else ppo_math.entropy(logits),
        )

    def reference(self, rollouts: Rollouts) -> torch.Tensor:
        """(rows, answer): log-probabilities by the model it started from."""
        with self.model.disable_adapter():
            return self.read(rollouts).log_probs

    def state(self) -> dict[str, Any]:
        """What is trained, to be kept."""
        from peft import get_peft_model_state_dict

        return {"adapter": get_peft_model_state_dict(self.model), "value": self.value.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """As it was kept."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, state["adapter"])
        self.value.load_state_dict(state["value"])
