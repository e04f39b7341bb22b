"""Trains the UNet of `embedded:fashion-diffusion` on the autoencoder's latents, conditioned on `embedded:fashion-clip`.

    python training/diffusion.py --vae build/vae/model --clip build/clip/model --out build/diffusion

v-prediction (Salimans and Ho 2022, section 4) on the cosine schedule (Nichol and Dhariwal 2021, section 3.2), the
caption dropped for one image in ten. What is saved is a StableDiffusionPipeline with the averaged weights. The noise,
the captions and the order depend on the seed and the step alone, so an interrupted training ends with the same weights.
`--start FOLDER --seed 8` trains a saved pipeline further, on other noise; the carried weights were made in two
such runs.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import AutoTokenizer, CLIPModel, CLIPTextModel

from captions import ATTRIBUTES, LABELS, caption, describe, say
from common import Halved, Log, batches, checkpoint, photographs, rate_at, resumed
from vae import framed

STEPS = 1000


def build() -> UNet2DConditionModel:
    """The untrained UNet: 8.8 million weights, attention where the latents are 4 x 4."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(96, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=128,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
    )


def scheduler() -> DPMSolverMultistepScheduler:
    """The solver the pipeline is saved with."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )


class TextStates:
    """Captions to the text tower's last states (n, tokens, width), each different caption encoded once."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        whole = CLIPModel.from_pretrained(folder, dtype=torch.float32)
        config = whole.config.text_config
        self.tower = CLIPTextModel(config).eval()
        self.tower.load_state_dict(whole.text_model.state_dict())
        self.seen: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> torch.Tensor:
        new = sorted({text for text in texts if text not in self.seen})
        if new:
            tokens = self.tokenizer(new, padding="max_length", truncation=True, return_tensors="pt")
            # No attention mask: StableDiffusionPipeline gives none.
            states = self.tower(input_ids=tokens.input_ids).last_hidden_state.bfloat16()
            self.seen.update(zip(new, states, strict=True))
        return torch.stack([self.seen[text] for text in texts])


@torch.no_grad()
def encoded(vae: AutoencoderKL, images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each photograph's latents, (n, 4, 8, 8) both."""
    half = copy.deepcopy(vae).bfloat16()
    parts = np.array_split(images, len(images) // 250)
    posteriors = [half.encode(framed(part).bfloat16()).latent_dist for part in parts]
    return torch.cat([p.mean for p in posteriors]).float(), torch.cat([p.std for p in posteriors]).float()


def save(training: Halved, vae: AutoencoderKL, text: TextStates, folder: Path) -> None:
    """The pipeline with the averaged weights as they are now."""
    unet = build()
    with torch.no_grad():
        for value, parameter in zip(training.average, unet.parameters(), strict=True):
            parameter.copy_(value)
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text.tower,
        tokenizer=text.tokenizer,
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=Path, help="a saved pipeline whose UNet is trained further")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    log = Log(options.out / "log.jsonl")
    images, classes = photographs("train")
    described = describe(images, classes)
    table = np.stack([described.words[name] for name in ATTRIBUTES], axis=1)
    vae = AutoencoderKL.from_pretrained(options.vae).eval()
    text = TextStates(options.clip)
    mean, deviation = encoded(vae, images)
    model = build() if options.start is None else UNet2DConditionModel.from_pretrained(options.start / "unet").float()
    model.set_attn_processor(AttnProcessor())  # the fused CPU kernel's backward pass is several times slower here
    log(parameters=sum(p.numel() for p in model.parameters()), latent_deviation=mean.std().item())
    training = Halved(model, 8e-4, decay=0.01, average=0.9995)
    alphas = scheduler().alphas_cumprod
    for step, chosen in batches(
        len(images), options.batch, options.steps, seed=options.seed, first=resumed(options.out / "state.pt", training)
    ):
        rng = np.random.default_rng([options.seed + 1, step])
        noise_of = torch.Generator().manual_seed((options.seed - 6) * 10_000_000 + step)
        texts = []
        for index in chosen:
            row = {name: int(table[index, column]) for column, name in enumerate(ATTRIBUTES)}
            said = caption(LABELS[classes[index]], say(row, rng), rng)
            texts.append("" if rng.random() < 0.1 else said)
        index = torch.from_numpy(chosen)
        clean = mean[index] + deviation[index] * torch.randn(mean[index].shape, generator=noise_of)
        noise = torch.randn(clean.shape, generator=noise_of)
        # One time from each of `batch` equal parts of the schedule: less noise in the gradient than independent draws.
        spread = (torch.arange(len(chosen)) + torch.rand(len(chosen), generator=noise_of)) / len(chosen)
        times = (spread[torch.randperm(len(chosen), generator=noise_of)] * STEPS).long().clamp(max=STEPS - 1)
        alpha = alphas[times].sqrt()[:, None, None, None]
        sigma = (1 - alphas[times]).sqrt()[:, None, None, None]
        guess = model((alpha * clean + sigma * noise).bfloat16(), times, text(texts)).sample.float()
        loss = (guess - (alpha * noise - sigma * clean)).square().mean()
        loss.backward()
        training.step(rate_at(step, options.steps, 8e-4, warmup=300))
        if step % 100 == 0:
            log(step=step, of=options.steps, loss=loss.item())
        if step % 500 == 499:
            checkpoint(options.out / "state.pt", training)
        if step % 2000 == 1999:
            save(training, vae, text, options.out / "so-far")
    save(training, vae, text, options.out / "model")
    log(done=True)


if __name__ == "__main__":
    main()
