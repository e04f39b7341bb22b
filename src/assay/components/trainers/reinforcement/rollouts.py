"""Answers that a language model in memory samples to prompts: a batch at a time, from its whole distribution.

No generation settings of the checkpoint interfere, such as top-k or a repetition penalty: what is sampled is what the
log-probabilities of a policy gradient are of.
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
    """Prompts and answers as tokens: prompts are padded on the left, answers on the right."""

    ids: torch.Tensor
    """(rows, prompt + answer)."""
    seen: torch.Tensor
    """(rows, prompt + answer): 1 where a token is, 0 at padding."""
    mask: torch.Tensor
    """(rows, answer), float: 1 from the answer's first token to its last, which may be the one that ends it."""
    ended: torch.Tensor
    """(rows,), bool: whether an answer ended by itself."""

    @property
    def answers(self) -> torch.Tensor:
        """(rows, answer): ids of the answers."""
        return self.ids[:, -self.mask.shape[1] :]

    @property
    def positions(self) -> torch.Tensor:
        """(rows, prompt + answer): of each token in its own row, from 0."""
        return (self.seen.cumsum(1) - 1).clamp(min=0)

    def of(self, rows: torch.Tensor) -> Rollouts:
        """Some of the rows."""
        return Rollouts(self.ids[rows], self.seen[rows], self.mask[rows], self.ended[rows])

    def texts(self, tokenizer: Any) -> list[str]:
        """The answers, special tokens left out."""
        lengths = self.mask.sum(1).long().tolist()
        rows = [row[:length] for row, length in zip(self.answers.tolist(), lengths, strict=True)]
        return [str(text) for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]


@dataclass(frozen=True)
class Sampling:
    """How answers are sampled."""

    ends: Collection[int]
    """Tokens that end an answer."""
    max_tokens: int
    """Of an answer, with the one that ends it; at least 1."""
    temperature: float
    """Logits are divided by it; above 0."""


def ends_of(model: Any) -> tuple[int, ...]:
    """Tokens that end an answer of `model`.

    Raises:
        ModelError: Its generation settings name none.
    """
    ends = model.generation_config.eos_token_id
    if ends is None:
        raise ModelError(
            f"Model {model.config.name_or_path!r} names no token that ends an answer.",
            hint="Put eos_token_id into its generation_config.json.",
        )
    return tuple(ends) if isinstance(ends, (list, tuple)) else (int(ends),)


def last_only(model: Any, count: int) -> dict[str, int]:
    """The argument that lets `model` make the logits of the last `count` tokens alone, where it has one."""
    return {"logits_to_keep": count} if "logits_to_keep" in inspect.signature(type(model).forward).parameters else {}


def sample_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    how: Sampling,
    generator: torch.Generator,
    only: dict[str, int] | None = None,
) -> Rollouts:
    """One answer to each prompt.

    Args:
        model: A causal language model of transformers; it is read as it is, with gradients off.
        prompts: Tokens, at least one each.
        how: When answers end, and how they are drawn.
        generator: What is drawn from, on the model's device.
        only: What `last_only(model, 1)` gives; of the model that is wrapped, where it is one.

    Raises:
        ModelError: The model keeps no cache to go on from.
    """
    import torch

    device, width = generator.device, max(map(len, prompts))
    pad = next(iter(how.ends))  # hidden by `seen`, so any token will do
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in prompts], device=device)
    seen = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=device)
    closing = torch.tensor(sorted(how.ends), device=device)
    going = torch.ones(len(prompts), dtype=torch.bool, device=device)
    more: dict[str, Any] = dict(last_only(model, 1) if only is None else only)
    masks: list[torch.Tensor] = []
    cache, new = None, ids
    with torch.no_grad():
        while len(masks) < how.max_tokens and bool(going.any()):
            places = (seen.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
            read = model(
                input_ids=new, attention_mask=seen, position_ids=places, past_key_values=cache, use_cache=True, **more
            )
            cache = getattr(read, "past_key_values", None)
            if cache is None:
                raise ModelError(f"A {type(model).__name__} keeps no cache of keys and values to sample from.")
            shares = (read.logits[:, -1].float() / how.temperature).softmax(-1)
            drawn = torch.multinomial(shares, 1, generator=generator)
            new = torch.where(going[:, None], drawn, pad)
            ids, seen = torch.cat([ids, new], 1), torch.cat([seen, going[:, None].to(seen.dtype)], 1)
            masks.append(going)
            going = going & ~torch.isin(new[:, 0], closing)
    return Rollouts(ids, seen, torch.stack(masks, 1).float(), ~going)
