"""What the training scripts share: the photographs, half-precision training with full-precision weights, and a log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

TRAIN = slice(0, 50_000)
VALIDATION = slice(50_000, 60_000)
"""Of the 60,000 training photographs. The 10,000 test photographs are touched only to measure."""

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def photographs(split: str) -> tuple[Pixels, Labels]:
    """Pixels (n, 28, 28) and class indices (n,) of "train", "validation" or "test"."""
    from assay.components.sources.image.fashion_mnist import arrays

    images, labels = arrays("test" if split == "test" else "train")
    part = {"train": TRAIN, "validation": VALIDATION, "test": slice(None)}[split]
    return images[part], labels[part].astype(np.int64)


class Halved:
    """Trains a bfloat16 copy of a model while AdamW and an average keep the weights in 32 bit.

    On a CPU with matrix units this is twice as fast as 32 bit; plain autocast casts every weight at every call.
    """

    def __init__(self, model: torch.nn.Module, rate: float, *, decay: float = 0.01, average: float = 0.0) -> None:
        self.model = model
        self.master = [p.detach().clone().float() for p in model.parameters()]
        self.average = [p.clone() for p in self.master] if average else []
        self.average_decay = average
        model.to(torch.bfloat16)
        for module in model.modules():  # statistics of batch norm stay in 32 bit
            if isinstance(module, torch.nn.BatchNorm2d):
                module.float()
        self.optimizer = torch.optim.AdamW(self.master, lr=rate, weight_decay=decay, betas=(0.9, 0.99))
        self.steps = 0

    def step(self, rate: float, clip: float = 1.0) -> float:
        """One update at learning rate `rate`; returns the norm of the gradient before clipping."""
        for master, half in zip(self.master, self.model.parameters(), strict=True):
            master.grad = None if half.grad is None else half.grad.float()
            half.grad = None
        norm = float(torch.nn.utils.clip_grad_norm_([p for p in self.master if p.grad is not None], clip))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if math.isfinite(norm):
            self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            for master, half in zip(self.master, self.model.parameters(), strict=True):
                half.copy_(master)
            if self.average:
                keep = min(self.average_decay, (1 + self.steps) / (10 + self.steps))
                torch._foreach_lerp_(self.average, self.master, 1 - keep)
        return norm

    def finished(self) -> torch.nn.Module:
        """The model in 32 bit, with the averaged weights where they were kept."""
        self.model.float()
        with torch.no_grad():
            for value, parameter in zip(self.average or self.master, self.model.parameters(), strict=True):
                parameter.copy_(value)
        return self.model.eval()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        return {
            "master": self.master,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "buffers": buffers,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint."""
        with torch.no_grad():
            for ours, theirs in zip(self.master + self.average, state["master"] + state["average"], strict=True):
                ours.copy_(theirs)
            for half, master in zip(self.model.parameters(), self.master, strict=True):
                half.copy_(master)
            for name, buffer in self.model.named_buffers():
                buffer.copy_(state["buffers"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


def rate_at(step: int, steps: int, peak: float, warmup: int = 200, floor: float = 0.01) -> float:
    """Linear warm-up, then half a cosine down to `floor` of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    along = (step - warmup) / max(1, steps - warmup)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, along))))


def batches(
    count: int, size: int, steps: int, seed: int, first: int = 0
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(step, indices) for steps `first` .. `steps` - 1; the order depends on the seed and the epoch alone."""
    per_epoch = count // size
    order, epoch_of_order = np.empty(0, dtype=np.int64), -1
    for step in range(first, steps):
        epoch, nth = divmod(step, per_epoch)
        if epoch != epoch_of_order:
            order, epoch_of_order = np.random.default_rng([seed, epoch]).permutation(count), epoch
        yield step, order[nth * size : (nth + 1) * size]


class Log:
    """Appends one JSON object a line, and prints it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.time()
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **facts: Any) -> None:
        line = json.dumps({"seconds": round(time.time() - self.started, 1), **facts})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


def checkpoint(path: Path, training: Halved) -> None:
    """Writes the training state beside the log, whole or not at all."""
    torch.save(training.state(), path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def resumed(path: Path, training: Halved) -> int:
    """The step to go on from: 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    training.restore(torch.load(path, weights_only=True))
    return training.steps


def shift(images: torch.Tensor, pad: int, draw: Callable[[int, int], int]) -> torch.Tensor:
    """The batch moved by up to `pad` pixels each way (one draw for each image); black comes in."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, [pad] * 4, value=float(images.min()))
    moved = []
    for nth in range(count):
        top, left = draw(0, 2 * pad + 1), draw(0, 2 * pad + 1)
        moved.append(padded[nth, :, top : top + height, left : left + width])
    return torch.stack(moved)
