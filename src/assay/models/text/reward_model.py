"""Reward models: language models with a scalar head, trained by assay's RewardModel or by others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import ModelRequest, fetch, finite, load_whole, refuse_kind
from assay.models.references import kind_of
from assay.models.text.chat import answered
from assay.models.text.limits import too_long

if TYPE_CHECKING:
    from assay.core.completions import Message, NotCompleted

KIND = "ForSequenceClassification"
BIAS = "reward_bias"
"""What `config.json` may hold, and is taken off every reward: the head of most models has no bias of its own."""


class HfRewardModel:
    """Reads one conversation at a time, so that a reward hangs on nothing else; the last token's state is rewarded.

    Where the configuration holds a `reward_bias`, which assay's trainer writes, it is taken off.

    Source: Ouyang et al. 2022, "Training language models to follow instructions", section 3.5, and TRL's RewardTrainer.
    """

    def __init__(self, model: Any, tokenizer: Any, reference: str) -> None:
        """Wraps a loaded model and its tokenizer."""
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        if model.config.pad_token_id is None:  # rows are not padded, and transformers wants one all the same
            model.config.pad_token_id = tokenizer.pad_token_id

    def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
        """One reward each, in order; a reason where a conversation is longer than the context.

        Raises:
            ModelError: The chat template refuses a conversation, or a reward is not finite.
        """
        return [self._one(turns) for turns in conversations]

    def reward(self, ids: Sequence[int]) -> float:
        """Of a conversation as tokens, which fits the context.

        Raises:
            ModelError: It is not finite.
        """
        import torch

        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([list(ids)], device=self.model.device)).logits
        found = float(finite(logits.float().cpu().numpy(), self.reference)[0, 0])
        return found - float(getattr(self.model.config, BIAS, 0.0))

    def _one(self, turns: tuple[Message, ...]) -> float | NotCompleted:
        assert turns, "a conversation has turns"
        assert turns[-1].role == "assistant", "what is rewarded is an answer"
        ids, _ = answered(self.tokenizer, turns[:-1], turns[-1].text, self.reference)
        if (long := too_long(len(ids), 0, getattr(self.model.config, "max_position_embeddings", None))) is not None:
            return long
        return self.reward(ids)


def open_reward_model(request: ModelRequest) -> HfRewardModel:
    """Loads one.

    Raises:
        ModelError: It is no model with a head of one number, or cannot be loaded.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checkpoint, placement = request.checkpoint, request.placement
    if checkpoint.folder is not None and not kind_of(checkpoint.folder).endswith(KIND):
        raise refuse_kind(checkpoint, "a reward model, which is one for sequence classification,")
    model = fetch(
        checkpoint,
        lambda local: load_whole(AutoModelForSequenceClassification, checkpoint, placement, local=local),
    )
    if model.config.num_labels != 1:
        raise ModelError(
            f"Model {checkpoint.reference!r} has {model.config.num_labels} outputs; a reward model has one number."
        )
    tokenizer = fetch(
        checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
    )
    return HfRewardModel(model, tokenizer, checkpoint.reference)
