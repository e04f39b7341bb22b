"""TRL's RewardTrainer as `RewardModel` uses it. Importing this imports TRL, which takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardTrainer

from assay.components.trainers.preference.pair_packing import in_a_line, states
from assay.components.trainers.preference.trl_trainer import Watching


class Rewarder(Watching, RewardTrainer):  # type: ignore[misc]
    """RewardTrainer, whose network may read a batch in one line."""

    def read_in_a_line(self, *, half: bool) -> None:
        """From now on; the network must be one that attends pair by pair. `half`: matrices in bfloat16."""
        net = self.accelerator.unwrap_model(self.model)
        net = net.get_base_model() if hasattr(net, "get_base_model") else net
        net.forward = InALine(net, half=half)

    def margins(self, examples: Sequence[dict[str, Any]], batch: int) -> list[float]:
        """Reward of the chosen answer minus that of the rejected one, of pairs that nothing is learned from."""
        found: list[float] = []
        with torch.no_grad(), self.accelerator.autocast():
            for begin in range(0, len(examples), batch):
                inputs = self._prepare_inputs(self.data_collator(list(examples[begin : begin + batch])))
                chosen, rejected = self.model(**inputs, use_cache=False).logits.squeeze(-1).float().chunk(2)
                found += (chosen - rejected).tolist()
        return found


class InALine:
    """The forward pass of a network with a head, over a padded batch of which each thing is read once.

    As transformers', it rewards the state of the last token that is no padding.
    """

    def __init__(self, net: Any, *, half: bool) -> None:
        self.net = net
        self.half = half

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SequenceClassifierOutput:
        net = self.net
        line = in_a_line(input_ids, attention_mask)
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=self.half):
            found = states(net.base_model, line)
        real = (input_ids != net.config.pad_token_id) & attention_mask.bool()
        last = (real * torch.arange(real.shape[1])).argmax(1)
        with torch.autocast(input_ids.device.type, enabled=False):
            (head,) = [part for name, part in net.named_children() if name != net.base_model_prefix]
            return SequenceClassifierOutput(logits=head(found[line.places.gather(1, last[:, None])[:, 0]].float()))
