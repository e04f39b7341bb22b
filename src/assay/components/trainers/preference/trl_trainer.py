"""What our subclasses of TRL's trainers on pairs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


class Watching:
    """Our schedule, nothing sent or written that nobody asked for, and numbers of ours among those of a step.

    It goes before a trainer of TRL among the bases of a class.
    """

    share: Callable[[int], float]
    """Of the peak rate in each step."""
    measure: Callable[[], Mapping[str, float]]
    """Looks at the held-out pairs."""
    measure_every = 0
    """Steps; 0 for never."""
    state: Any
    optimizer: Any

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Linear up, cosine down."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.share)
        return self.lr_scheduler

    def noted(self) -> Mapping[str, float]:
        """What is to be noted of the step that ended."""
        return {}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Notes what TRL does, and ours; after the last step others look at the held-out pairs."""
        step = self.state.global_step
        if "loss" in logs:
            logs |= self.noted()
            if self.measure_every and step % self.measure_every == 0 and step < self.state.max_steps:
                logs |= self.measure()
        super().log(logs, start_time)  # type: ignore[misc]

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: checkpoints are removed in the end."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """They are tokens."""
        return dataset

    def _send_telemetry(self) -> None:
        """None."""
