"""How guidance and solver steps change what generated images teach: the table in design/LOG.md.

    python benchmarks/guidance_sweep.py --guidance 1 1.5 2 3 --steps 12 --per-label 100 --train-steps 300

For each cell: images of the recipe's own prompts and noise, the share the ResNet-50 agrees with, and the accuracy on
the validation photographs (never the test ones: this table chooses the default) of a ResNet-18 trained on them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from assay.components.evaluators.accuracy import Accuracy
from assay.components.scorers.image.classifiers import ClassifierAgreement
from assay.components.sources.image.fashion_mnist import LABELS, FashionMNIST
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.lab import Lab, hash_seed
from assay.core.sample import Sample
from assay.models.open_models import OpenModels
from assay.pipeline.recipe.codec import load
from assay.store.images import StoredImages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0, 7.5])
    parser.add_argument("--steps", type=int, nargs="+", default=[12])
    parser.add_argument("--per-label", type=int, default=100)
    parser.add_argument("--train-steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", default="embedded:fashion-diffusion")
    options = parser.parse_args()
    lab = Lab(7, OpenModels(), StoredImages([]))
    held = FashionMNIST(split="validation").read(lab)
    recipe = load("fashion").generate
    for steps in options.steps:
        for guidance in options.guidance:
            paint = replace(recipe, per_label=options.per_label, guidance=guidance, steps=steps, model=options.model)
            started = time.perf_counter()
            made = [m for m in paint.generate(paint.seeds(), lab) if isinstance(m, Sample)]
            rate = len(made) / (time.perf_counter() - started)
            said = ClassifierAgreement(model="embedded:fashion-resnet50").score(made, lab)
            agree = sum(getattr(o, "value", "") == "agrees" for o in said) / len(made)
            scores = []
            for nth in range(options.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    trainer = ImageClassifier(labels=LABELS, steps=options.train_steps, batch_size=128)
                    artifact = trainer.train(made, replace(lab, folder=Path(folder), seed=hash_seed("sweep", nth)))
                    outcomes = Accuracy().evaluate(artifact, held, lab)
                scores.append(sum(getattr(o, "value", 0.0) for o in outcomes) / len(held))
            print(
                json.dumps(
                    {
                        "guidance": guidance,
                        "steps": steps,
                        "images": len(made),
                        "per_second": round(rate, 1),
                        "expert_agrees": round(agree, 4),
                        "validation_accuracy": [round(score, 4) for score in scores],
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
