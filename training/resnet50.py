"""Trains `embedded:fashion-resnet50`, the expert: bottleneck blocks 3-4-6-3 a quarter as wide as the published ones.

    python training/resnet50.py --out build/resnet50

The photographs are enlarged to 64 x 64 with the image processor that is saved beside the weights, so that what was
trained is what runs. Last weights of a fixed schedule; the validation accuracy is logged, never chosen by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetForImageClassification

from captions import LABELS
from common import Halved, Log, batches, checkpoint, photographs, rate_at, resumed, shift

MEAN, DEVIATION = 0.286, 0.353
SIDE = 64


def processor() -> ConvNextImageProcessorPil:
    """28 x 28 to 64 x 64, normalised."""
    return ConvNextImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_pct=1.0, image_mean=[MEAN] * 3, image_std=[DEVIATION] * 3
    )


def build() -> ResNetForImageClassification:
    """The untrained classifier."""
    return ResNetForImageClassification(
        ResNetConfig(
            layer_type="bottleneck",
            embedding_size=32,
            hidden_sizes=[64, 128, 256, 512],
            depths=[3, 4, 6, 3],
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
        )
    )


def prepared(images: np.ndarray, chunk: int = 1000) -> torch.Tensor:
    """(n, 28, 28) bytes to (n, 1, 64, 64) as the processor makes them; grey, so one channel of three is kept."""
    prepare = processor()
    parts = []
    for start in range(0, len(images), chunk):
        images = [Image.fromarray(image).convert("RGB") for image in images[start : start + chunk]]
        parts.append(prepare(images=images, return_tensors="pt")["pixel_values"][:, :1].bfloat16())
    return torch.cat(parts)


@torch.inference_mode()
def accuracy(model: ResNetForImageClassification, images: torch.Tensor, labels: np.ndarray) -> float:
    """Share of images whose largest logit is their own class's."""
    dtype = next(p.dtype for name, p in model.named_parameters() if "classifier" in name)
    right = 0
    for part, answer in zip(images.split(500), torch.from_numpy(labels).split(500), strict=True):
        right += int((model(part.expand(-1, 3, -1, -1).to(dtype)).logits.argmax(1) == answer).sum())
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    log = Log(options.out / "log.jsonl")
    images, classes = photographs("train")
    pixels, answers = prepared(images), torch.from_numpy(classes)
    held, labels = photographs("validation")
    held_pixels = prepared(held)
    model = build().to(memory_format=torch.channels_last)
    log(parameters=sum(p.numel() for p in model.parameters()))
    training = Halved(model, 2e-3, decay=0.05)
    steps = options.epochs * (len(pixels) // options.batch)
    for step, chosen in batches(
        len(pixels), options.batch, steps, seed=5, first=resumed(options.out / "state.pt", training)
    ):
        rng = np.random.default_rng([6, step])
        index = torch.from_numpy(chosen)
        batch = shift(pixels[index], 4, lambda low, high, rng=rng: int(rng.integers(low, high)))
        flipped = torch.from_numpy(rng.random(len(chosen)) < 0.5)
        batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch).expand(-1, 3, -1, -1)
        logits = model(batch.contiguous(memory_format=torch.channels_last)).logits.float()
        loss = functional.cross_entropy(logits, answers[index], label_smoothing=0.05)
        loss.backward()
        training.step(rate_at(step, steps, 3e-3, warmup=300))
        if step % 100 == 0:
            log(step=step, of=steps, loss=loss.item())
        if step % 1000 == 999:
            log(step=step, validation=accuracy(model.eval(), held_pixels[:2000], labels[:2000]))
            model.train()
            checkpoint(options.out / "state.pt", training)
    training.finished()
    log(validation=accuracy(model, held_pixels, labels))
    test, truth = photographs("test")
    log(test=accuracy(model, prepared(test), truth))
    model.to(memory_format=torch.contiguous_format).save_pretrained(options.out / "model")
    processor().save_pretrained(options.out / "model")


if __name__ == "__main__":
    main()
