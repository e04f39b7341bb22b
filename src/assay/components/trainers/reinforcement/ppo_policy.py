"""Networks of PPO: a policy with LoRA, the reference (the same with LoRA off), and a value head on the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.components.trainers.language_model import cast_linear_layers, load_model, lora_config, skip_input_casts
from assay.components.trainers.reinforcement import ppo_math
from assay.components.trainers.reinforcement.rollouts import Rollouts, ends_of, last_only
from assay.core.errors import ModelError
from assay.models.references import Checkpoint

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PolicyOutput:
    """Outputs at the tokens of answers; each (rows, answer)."""

    log_probs: torch.Tensor
    """Log-probability of each token, in nats."""
    values: torch.Tensor
    """Value before each token."""
    entropy: torch.Tensor | None
    """Entropy of the distribution of each token, in nats; None if gradients are on."""

    @classmethod
    def joined(cls, parts: Sequence[PolicyOutput]) -> PolicyOutput:
        """Concatenate outputs that were computed without gradients."""
        import torch

        entropies = [part.entropy for part in parts if part.entropy is not None]
        return cls(
            torch.cat([part.log_probs for part in parts]),
            torch.cat([part.values for part in parts]),
            torch.cat(entropies),
        )


class Policy:
    """Policy, reference and value head. Values start at 0, the policy at the reference; dropout is off.

    Source: Huang et al. 2024 on dropout and on the value head. Their value network is separate; ours shares the body
    of the policy, which costs less.
    """

    def __init__(self, start: Checkpoint, *, rank: int, alpha: float, bf16: bool, temperature: float) -> None:
        """Load `start`; `bf16` multiplies matrices in bfloat16.

        Raises:
            ModelError: It cannot be loaded, or is recurrent and cannot read padded prompts.
        """
        import torch
        from peft import get_peft_model

        base = load_model(start)
        if base._is_stateful:
            raise ModelError(f"Model {start.reference!r} is a {type(base).__name__}, which cannot read padded prompts.")
        self.ends = ends_of(base)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._bf16, self._temperature = bf16, temperature
        self._limits_logits = bool(last_only(base, 1))
        if bf16:
            cast_linear_layers(base)
        self.model = get_peft_model(base.to(self.device), lora_config(rank, alpha)).eval()
        if bf16:
            skip_input_casts(self.model)
        head = base.get_output_embeddings()
        self.value = torch.nn.Linear(head.weight.shape[1], 1, device=self.device)
        torch.nn.init.zeros_(self.value.weight)
        torch.nn.init.zeros_(self.value.bias)
        self._states: torch.Tensor | None = None
        head.register_forward_pre_hook(self._keep_states)

    def _keep_states(self, _: Any, inputs: tuple[torch.Tensor]) -> None:
        """Keep the last hidden states, the inputs of the output layer, for the value head."""
        self._states = inputs[0]

    @property
    def adapter(self) -> list[torch.nn.Parameter]:
        """Trained parameters of the policy."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast context of the training precision."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)

    def last(self, count: int) -> dict[str, int]:
        """As `last_only`, for the wrapped model."""
        return {"logits_to_keep": count} if self._limits_logits else {}

    def forward(self, rollouts: Rollouts) -> PolicyOutput:
        """Outputs of the policy, with gradients if they are on."""
        import torch
        from torch.nn.functional import cross_entropy

        answers = rollouts.answers
        count = answers.shape[1] + 1  # a token is predicted at the position before it
        with self.precision():
            output = self.model(
                input_ids=rollouts.ids,
                attention_mask=rollouts.attention_mask,
                position_ids=rollouts.positions,
                use_cache=False,
                **self.last(count),
            )
        states, self._states = self._states, None
        assert states is not None, "the output layer ran"
        logits = output.logits[:, -count:-1].float() / self._temperature
        return PolicyOutput(
            -cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none").view(answers.shape),
            self.value(states[:, -count:-1].float()).squeeze(-1),
            None if torch.is_grad_enabled() else ppo_math.entropy(logits),
        )

    def reference(self, rollouts: Rollouts) -> torch.Tensor:
        """(rows, answer): log-probabilities of the reference."""
        with self.model.disable_adapter():
            return self.forward(rollouts).log_probs

    def state(self) -> dict[str, Any]:
        """Trained weights, for a checkpoint."""
        from peft import get_peft_model_state_dict

        return {"adapter": get_peft_model_state_dict(self.model), "value": self.value.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load trained weights of a checkpoint."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, state["adapter"])
        self.value.load_state_dict(state["value"])
