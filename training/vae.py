"""Trains the autoencoder of `embedded:fashion-diffusion`: 1 x 32 x 32 pixels to 4 x 8 x 8 latents and back.

    python training/vae.py --out build/vae

Loss: mean absolute plus mean squared error of the pixels in [-1, 1], plus 1e-3 of the mean KL divergence.
At the end the latents are centred and scaled in the 1 x 1 convolutions around them (StableDiffusionPipeline reads no
shift), so `scaling_factor` is 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from common import Halved, Log, batches, checkpoint, photographs, rate_at, resumed


def build() -> AutoencoderKL:
    """The untrained autoencoder."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        block_out_channels=[32, 64, 64],
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=32,
        scaling_factor=1.0,
    )


def framed(images: np.ndarray) -> torch.Tensor:
    """(n, 28, 28) bytes to (n, 1, 32, 32) in [-1, 1], two black pixels on each side."""
    pixels = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2)))).float() / 127.5 - 1
    return pixels[:, None]


@torch.no_grad()
def centre(vae: AutoencoderKL, images: torch.Tensor) -> None:
    """Makes the latents' mean 0 and deviation 1 by changing `quant_conv` and `post_quant_conv` alone."""
    latents = torch.cat([vae.encode(part).latent_dist.mean for part in images.split(500)])
    mean, scale = latents.mean((0, 2, 3)), 1 / latents.std((0, 2, 3))
    inward, outward = vae.quant_conv, vae.post_quant_conv
    channels = len(mean)
    inward.weight[:channels] *= scale[:, None, None, None]
    inward.bias[:channels] = (inward.bias[:channels] - mean) * scale
    inward.bias[channels:] += 2 * scale.log()
    weight = outward.weight.clone()
    outward.bias += weight[:, :, 0, 0] @ mean
    outward.weight.copy_(weight / scale[None, :, None, None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    log = Log(options.out / "log.jsonl")
    pixels = framed(photographs("train")[0])
    model = build()
    log(parameters=sum(p.numel() for p in model.parameters()))
    training = Halved(model, 1e-3, decay=0.0, average=0.998)
    steps = options.epochs * (len(pixels) // options.batch)
    generator = torch.Generator().manual_seed(1)
    for step, chosen in batches(
        len(pixels), options.batch, steps, seed=2, first=resumed(options.out / "state.pt", training)
    ):
        batch = pixels[torch.from_numpy(chosen)].bfloat16()
        posterior = model.encode(batch).latent_dist
        rebuilt = model.decode(posterior.sample(generator)).sample.float()
        wrong = rebuilt - batch.float()
        divergence = 0.5 * (posterior.mean.float() ** 2 + posterior.logvar.float().exp() - 1 - posterior.logvar.float())
        loss = wrong.abs().mean() + wrong.square().mean() + 1e-3 * divergence.mean()
        loss.backward()
        training.step(rate_at(step, steps, 2e-3))
        if step % 100 == 0:
            log(step=step, of=steps, absolute=wrong.abs().mean().item(), divergence=divergence.mean().item())
        if step % 1000 == 999:
            checkpoint(options.out / "state.pt", training)
    training.finished()
    centre(model, pixels[:10_000])
    test = framed(photographs("test")[0])
    with torch.no_grad():
        parts = [model.decode(model.encode(part).latent_dist.mode()).sample for part in test.split(500)]
        error = (torch.cat(parts).clamp(-1, 1) - test).abs().mean().item() * 127.5
    log(test_absolute_error_of_255=error)
    model.save_pretrained(options.out / "model")


if __name__ == "__main__":
    main()
