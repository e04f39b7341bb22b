"""Sample answers of a language model in memory, in batches, from its full distribution.

Generation settings of the checkpoint, such as top-k or a repetition penalty, are not applied: a policy gradient needs
samples from the distribution of the log-probabilities.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Rollouts:
    """Tokens of prompts, padded on the left, and answers, padded on the right."""

    ids: torch.Tensor
    """(rows, prompt + answer)."""
    attention_mask: torch.Tensor
    """(rows, prompt + answer): 1 at tokens, 0 at padding."""
    mask: torch.Tensor
    """(rows, answer), float: 1 from the answer's first token to its last, including an end token."""
    ended: torch.Tensor
    """(rows,), bool: whether an answer has an end token."""

    @property
    def answers(self) -> torch.Tensor:
        """(rows, answer): token ids of the answers."""
        return self.ids[:, -self.mask.shape[1] :]

    @property
    def positions(self) -> torch.Tensor:
        """(rows, prompt + answer): position of each token in its row, from 0."""
        return (self.attention_mask.cumsum(1) - 1).clamp(min=0)

    def of(self, rows: torch.Tensor) -> Rollouts:
        """The rows with these indices."""
        return Rollouts(self.ids[rows], self.attention_mask[rows], self.mask[rows], self.ended[rows])

    def texts(self, tokenizer: Any) -> list[str]:
        """The answers without special tokens."""
        lengths = self.mask.sum(1).long().tolist()
        rows = [row[:length] for row, length in zip(self.answers.tolist(), lengths, strict=True)]
        return [str(text) for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]


@dataclass(frozen=True)
class Sampling:
    """Sampling settings."""

    ends: Collection[int]
    """Token ids that end an answer."""
    max_tokens: int
    """Maximum number of tokens of an answer, including the end token; at least 1."""
    temperature: float
    """Above 0."""


def ends_of(model: Any) -> tuple[int, ...]:
    """Token ids that end an answer of `model`.

    Raises:
        ModelError: Its generation settings have none.
    """
    ends = model.generation_config.eos_token_id
    if ends is None:
        raise ModelError(
            f"Model {model.config.name_or_path!r} has no end-of-sequence token.",
            hint="Set eos_token_id in its generation_config.json.",
        )
    return tuple(ends) if isinstance(ends, (list, tuple)) else (int(ends),)


def last_only(model: Any, count: int) -> dict[str, int]:
    """Argument that restricts the logits to the last `count` tokens, if `model` has one."""
    return {"logits_to_keep": count} if "logits_to_keep" in inspect.signature(type(model).forward).parameters else {}


def sample_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    generator: torch.Generator,
    only: dict[str, int] | None = None,
) -> Rollouts:
    """Sample one answer to each prompt.

    Args:
        model: A causal language model of transformers; gradients are off.
        prompts: Token ids, at least one per prompt.
        sampling: Sampling settings.
        generator: Random generator on the model's device.
        only: Result of `last_only(model, 1)`, needed if `model` is wrapped.

    Raises:
        ModelError: The model returns no cache.
    """
    import torch

    device, width = generator.device, max(map(len, prompts))
    pad = next(iter(sampling.ends))  # masked, so any token will do
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in prompts], device=device)
    attention_mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=device)
    ends = torch.tensor(sorted(sampling.ends), device=device)
    active = torch.ones(len(prompts), dtype=torch.bool, device=device)
    more: dict[str, Any] = dict(last_only(model, 1) if only is None else only)
    masks: list[torch.Tensor] = []
    cache, new = None, ids
    with torch.no_grad():
        while len(masks) < sampling.max_tokens and bool(active.any()):
            positions = (attention_mask.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
            output = model(
                input_ids=new,
                attention_mask=attention_mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                **more,
            )
            cache = getattr(output, "past_key_values", None)
            if cache is None:
                raise ModelError(f"A {type(model).__name__} returns no key-value cache, which sampling needs.")
            probabilities = (output.logits[:, -1].float() / sampling.temperature).softmax(-1)
            tokens = torch.multinomial(probabilities, 1, generator=generator)
            new = torch.where(active[:, None], tokens, pad)
            ids = torch.cat([ids, new], 1)
            attention_mask = torch.cat([attention_mask, active[:, None].to(attention_mask.dtype)], 1)
            masks.append(active)
            active = active & ~torch.isin(new[:, 0], ends)
    return Rollouts(ids, attention_mask, torch.stack(masks, 1).float(), ~active)
