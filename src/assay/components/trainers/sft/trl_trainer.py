"""TRL's SFTTrainer as `SFT` uses it. Importing this imports TRL, which takes seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from assay.core.errors import RecipeError


class Tuner(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with our schedule, and nothing sent or written that nobody asked for."""

    share: Callable[[int], float]
    """Of the peak rate in each step."""
    answers_only = False
    """Whether logits are made for answers alone. TRL's kernel does so where it has Triton, on a CPU it does not."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Linear up, cosine down."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.share)
        return self.lr_scheduler

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over answer tokens of all processes, as TRL's."""
        if not self.answers_only:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")[0, 1:]
        places = (labels != -100).nonzero().flatten()
        logits = model(**inputs, use_cache=False, logits_to_keep=places).logits[0].float()
        total = torch.nn.functional.cross_entropy(logits, labels[places], reduction="sum")
        # Gradients are averaged over processes, each of which knows the number of tokens of all.
        return total * self.accelerator.num_processes / num_items_in_batch

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: checkpoints are removed in the end."""

    def _send_telemetry(self) -> None:
        """None."""


class Collator:
    """Bins of rows to a batch: all rows in one line without padding, or each row on a line of its own."""

    def __init__(self, flat: bool) -> None:
        self.flat = flat
        self._padded = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=flat)  # the mask covers padding

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors, as TRL's own collator makes them."""
        batch: dict[str, Any] = self._padded(list(examples if self.flat else map(dict, _rows(examples))))
        return batch


def _rows(examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for example in examples:
        start = 0
        for length in example["seq_lengths"]:
            found.append({name: example[name][start : start + length] for name in ("input_ids", "labels")})
            start += length
    return found


class Following(TrainerCallback):  # type: ignore[misc]
    """Tells of each step, refuses a loss that is no number, and saves nothing after the last step."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.tell = tell

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tells."""
        if state.global_step >= state.max_steps:
            control.should_save = False
        self.tell(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Looks at the loss."""
        if logs and not math.isfinite(value := logs.get("loss", 0.0)):
            raise RecipeError(f"The loss was {value} at step {state.global_step}.", hint="A lower rate may help.")
