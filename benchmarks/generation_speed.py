"""Images per second: assay's adapter against a plain diffusers loop over the same pipeline at the same batch.

    python benchmarks/generation_speed.py [--model embedded:fashion-diffusion]

Both generate the same requests with the same seeds as uint8 arrays, alternately in one process; the order changes every
round. The ratio is the median over the rounds of the loop's seconds divided by assay's: above 1, assay is
faster. The images of both are compared too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import diffusers
import numpy as np
import torch

from assay.core.model_kinds import ImageRequest, NotGenerated
from assay.models import Device, OpenModels
from assay.models.image.diffusion import TILE, Diffusion

WORDS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
Generate = Callable[[Sequence[ImageRequest]], Sequence[Any]]


def plain_loop(model: Diffusion, batch: int) -> Generate:
    """What the diffusers manual shows: prompts and generators in batches, arrays out."""

    def generate(requests: Sequence[ImageRequest]) -> Sequence[Any]:
        found: list[Any] = []
        for start in range(0, len(requests), batch):
            part = requests[start : start + batch]
            images = model.pipeline(
                [request.prompt for request in part],
                num_inference_steps=part[0].steps,
                guidance_scale=part[0].guidance,
                generator=[torch.Generator("cpu").manual_seed(request.seed) for request in part],
                output_type="np",
            ).images
            crop = model.crop
            images = images[:, crop : images.shape[1] - crop, crop : images.shape[2] - crop]
            found.extend((images * 255).round().astype(np.uint8).squeeze(-1 if images.shape[-1] == 1 else ()))
        return found

    return generate


def seconds(generate: Generate, requests: Sequence[ImageRequest]) -> float:
    started = time.perf_counter()
    generate(requests)
    return time.perf_counter() - started


def compare(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """Difference of the images; an image that assay rejects, such as a black one, is not compared."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if not isinstance(a, NotGenerated)]
    off = np.abs(np.stack([a for a, _ in pairs]).astype(int) - np.stack([b for _, b in pairs]).astype(int))
    return f"{(off == 0).mean():.4%} of bytes equal, largest difference {off.max()} of 255, {len(pairs)} images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:fashion-diffusion")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=TILE, help="of the plain loop; assay's own is its default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=4 * TILE)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = OpenModels(Device(device="cpu")).image_model(options.model)
    assert isinstance(model, Diffusion)
    loop = plain_loop(model, options.batch)
    requests = [
        ImageRequest(f"a photo of a {WORDS[nth % len(WORDS)]}", nth, options.steps, options.guidance)
        for nth in range(options.images)
    ]
    same = compare(model.generate(requests), loop(requests))
    times: list[tuple[float, float]] = []
    for nth in range(options.rounds):
        order = (model.generate, loop) if nth % 2 else (loop, model.generate)
        measured = {generate: seconds(generate, requests) for generate in order}
        times.append((measured[model.generate], measured[loop]))
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(loop_s / assay_s for assay_s, loop_s in times)
    print(f"{options.model}: {options.steps} steps, guidance {options.guidance}, {options.threads} threads, CPU")
    print(
        f"torch {torch.__version__}, diffusers {diffusers.__version__}, "
        f"{options.images} images, {options.rounds} rounds"
    )
    print(f"assay           {options.images / ours:8.2f} images/s  (median {ours:.2f} s)")
    print(f"diffusers loop  {options.images / theirs:8.2f} images/s  (median {theirs:.2f} s, batch {options.batch})")
    print(f"pixels          {same}")
    print(f"ratio           {ratio:8.3f}  (target >= 0.9)")


if __name__ == "__main__":
    main()
