"""Effect of image size and augmentation on a short training: the reason for the sizes in the recipe `fashion`.

    python benchmarks/short_training.py --steps 60 --sizes 24 32 --seeds 3

A ResNet-18 on real training photographs (never a generated one), measured on the validation photographs (never the test
ones: this table chooses a default). Every cell is trained with the same seeds; seconds are the median of a cell's
trainings, and their ratios alone mean something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

from assay.components.evaluators.accuracy import Accuracy
from assay.components.sources.image.fashion_mnist import LABELS, FashionMNIST
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.lab import Lab, hash_seed
from assay.models.open_models import OpenModels
from assay.store.images import StoredImages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[60])
    parser.add_argument("--sizes", type=int, nargs="+", default=[24, 32])
    parser.add_argument("--per-label", type=int, default=230)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    lab = Lab(7, OpenModels(), StoredImages([]))
    real = FashionMNIST(split="train", per_label=options.per_label).read(lab)
    held = FashionMNIST(split="validation", per_label=500).read(lab)
    for steps, size, moved in product(options.steps, options.sizes, (False, True)):
        trainer = ImageClassifier(LABELS, steps=steps, size=size, crop=0.0625 if moved else 0.0, flip=moved)
        seconds, scores = [], []
        for nth in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                artifact = trainer.train(real, replace(lab, folder=Path(folder), seed=hash_seed("short", nth)))
                seconds.append(time.perf_counter() - started)
                outcomes = Accuracy().evaluate(artifact, held, lab)
            scores.append(sum(getattr(outcome, "value", 0.0) for outcome in outcomes) / len(held))
        row = {
            "steps": steps,
            "size": size,
            "moved and mirrored": moved,
            "seconds": round(statistics.median(seconds), 1),
            "validation accuracy": round(statistics.mean(scores), 4),
            "of each": [round(score, 4) for score in scores],
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
