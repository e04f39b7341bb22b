"""TRL's DPOTrainer as `DPO` uses it. Importing this imports TRL, which takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from trl import DPOTrainer

from assay.components.trainers.preference.pair_packing import in_a_line, states
from assay.components.trainers.preference.trl_trainer import Watching

ROWS = 8
"""Chosen answers of a step, at most, whose divergence is looked at where TRL's own forward pass is used."""


class Preferrer(Watching, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer that notes the divergence from the reference, and whose networks may read a batch in one line."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._kl = 0.0
        self._line: InALine | None = None
        self._references: list[tuple[torch.Tensor, torch.Tensor]] = []

    def read_in_a_line(self, *, half: bool) -> None:
        """From now on; the networks must be such that attend pair by pair. `half`: matrices in bfloat16."""
        net = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        self._line = InALine(net, half=half)
        net.forward = self._line
        if self.ref_model is not None:
            self.ref_model.forward = InALine(self.ref_model, half=half, kept=self._line.kept)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's."""
        if self._line is None:
            self._kl = self._divergence(inputs)
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self._line.kept.clear()
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        policy, reference = self._line.kept
        self._kl = divergence(policy, reference) / (len(inputs["input_ids"]) // 2)
        return loss

    def noted(self) -> Mapping[str, float]:
        """The divergence of the step's chosen answers."""
        return {"kl": self._kl}

    def margins(self, examples: Sequence[dict[str, Any]], batch: int) -> list[float]:
        """Implicit reward of the chosen answer minus that of the rejected one, of the same pairs at every call."""
        found: list[float] = []
        for nth, begin in enumerate(range(0, len(examples), batch)):
            inputs = self._prepare_inputs(self.data_collator(list(examples[begin : begin + batch])))
            if nth == len(self._references):
                self._references.append(self.compute_ref_log_probs(self.ref_model or self.model, inputs))
            labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
            kept = {name: inputs[name] for name in ("input_ids", "attention_mask")}
            with torch.no_grad(), self.accelerator.autocast():
                told = self.model(**kept, use_cache=False, labels=labels, fused_lm_head=True)
            chosen, rejected = told.log_probs.sum(1).chunk(2)
            before = self._references[nth]
            found += (self.beta * ((chosen - before[0]) - (rejected - before[1]))).tolist()
            if self._line is not None:
                self._line.kept.clear()
        return found

    def _divergence(self, inputs: Mapping[str, torch.Tensor]) -> float:
        """The same where logits are at hand for nobody: of the first `ROWS` chosen answers, one by one."""
        total, rows = 0.0, min(ROWS, len(inputs["input_ids"]) // 2)
        peft = hasattr(self.model, "disable_adapter")
        for ids, mask, answer in zip(
            *(inputs[name][:rows] for name in ("input_ids", "attention_mask", "completion_mask")), strict=True
        ):
            row, start = ids[: int(mask.sum())][None], int(answer.argmax())
            with torch.no_grad(), self.accelerator.autocast():
                policy = self._log_softmax(self.model, row, start)
                if peft:
                    with self.model.disable_adapter():
                        reference = self._log_softmax(self.model, row, start)
                else:
                    reference = self._log_softmax(self.ref_model, row, start)
            total += divergence(policy, reference)
        return total / rows

    def _log_softmax(self, model: Any, row: torch.Tensor, start: int) -> torch.Tensor:
        values: torch.Tensor = model(input_ids=row, use_cache=False).logits[0, start - 1 : -1].float().log_softmax(-1)
        return values


def divergence(policy: torch.Tensor, reference: torch.Tensor) -> float:
    """Kullback-Leibler, in nats, summed over places; both are logarithms of probabilities, (places, words)."""
    return float((policy.exp() * (policy - reference)).sum())


class InALine:
    """The forward pass by which TRL has log-probabilities, over a padded batch of which each thing is read once.

    Logits are made where an answer's tokens are foretold, and of the chosen answers kept until they are cleared.
    """

    def __init__(self, net: Any, *, half: bool, kept: list[torch.Tensor] | None = None) -> None:
        self.net = net
        self.half = half
        self.kept: list[torch.Tensor] = [] if kept is None else kept

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **_: Any
    ) -> SimpleNamespace:
        line = in_a_line(input_ids, attention_mask)
        wanted = labels[:, 1:] != -100
        targets = labels[:, 1:][wanted]
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=self.half):
            found = states(self.net.base_model, line)[line.places[:, :-1][wanted]]
            logits = self.net.get_output_embeddings()(found).float()
        values = -torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            logs = logits.detach().log_softmax(-1)
            self.kept.append(logs[: int(wanted[: len(wanted) // 2].sum())])
            noted = {
                "entropy": -(logs.exp() * logs).sum(-1),
                "mean_logits": logits.mean(-1),
                "is_top1": logits.argmax(-1) == targets,
            }

        def padded(some: torch.Tensor) -> torch.Tensor:
            return some.new_zeros(wanted.shape).masked_scatter(wanted, some)

        return SimpleNamespace(log_probs=padded(values), **{name: padded(some) for name, some in noted.items()})
