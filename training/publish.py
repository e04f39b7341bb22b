"""Writes trained models to src/assay/models/embedded/ in 16 bit, as ordinary checkpoints.

    python training/publish.py clip build/clip/model
    python training/publish.py resnet50 build/resnet50/model
    python training/publish.py diffusion build/diffusion/model

Then `python benchmarks/embedded_quality.py` measures what was written, and the cards quote it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from transformers import AutoImageProcessor, AutoProcessor, CLIPModel, ResNetForImageClassification

EMBEDDED = Path(__file__).resolve().parent.parent / "src" / "assay" / "models" / "embedded"


def clip(source: Path, target: Path) -> None:
    CLIPModel.from_pretrained(source, dtype=torch.float16).save_pretrained(target)
    AutoProcessor.from_pretrained(source).save_pretrained(target)


def resnet50(source: Path, target: Path) -> None:
    ResNetForImageClassification.from_pretrained(source, dtype=torch.float16).save_pretrained(target)
    AutoImageProcessor.from_pretrained(source).save_pretrained(target)


def diffusion(source: Path, target: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(source, dtype=torch.float16)
    pipeline.save_pretrained(target)
    for config in target.rglob("*.json"):  # diffusers notes the folder that a part was loaded from
        kept = [line for line in config.read_text(encoding="utf-8").splitlines() if '"_name_or_path"' not in line]
        config.write_text("\n".join(kept) + "\n", encoding="utf-8")
    # The photographs are 28 x 28; the pipeline generates them with a border of two black pixels on each side.
    (target / "assay.json").write_text(json.dumps({"crop": 2}) + "\n", encoding="utf-8")


NAMES = {"clip": clip, "resnet50": resnet50, "diffusion": diffusion}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("source", type=Path)
    options = parser.parse_args()
    target = EMBEDDED / f"fashion-{options.name}"
    card = target / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else None
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    NAMES[options.name](options.source, target)
    if text is not None:
        card.write_text(text, encoding="utf-8")
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target.name}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
