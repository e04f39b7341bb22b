"""What the embedded models reach on the 10,000 real test photographs, and whether words steer the images.

    python benchmarks/embedded_quality.py                     # CLIP, ResNet-50, light against dark
    python benchmarks/embedded_quality.py --images 10000    # also: a ResNet-18 trained on that number of images

Everything goes through assay's own adapters and components, as a recipe would. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from assay.components.evaluators.accuracy import Accuracy
from assay.components.scorers.image.classifiers import ClassifierAgreement
from assay.components.scorers.image.clip import ClipMatch
from assay.components.sources.image.fashion_mnist import LABELS, FashionMNIST
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.lab import Lab, hash_seed
from assay.core.model_kinds import ImageRequest
from assay.core.sample import Sample
from assay.models.open_models import OpenModels
from assay.pipeline.recipe.codec import load
from assay.stats.inference.intervals import wilson
from assay.store.images import StoredImages


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def share(right: int, of: int) -> dict[str, float | None]:
    effect = wilson(right, of)
    return {"accuracy": round(effect.estimate, 4), "low": effect.low, "high": effect.high, "n": of}


def judges(lab: Lab) -> None:
    """Zero-shot accuracy of the CLIP and accuracy of the ResNet-50."""
    photographs = FashionMNIST(split="test").read(lab)
    match = ClipMatch(model="embedded:fashion-clip", labels=LABELS).score(photographs, lab)
    right = sum(getattr(o, "answer", "") == s.text("label") for o, s in zip(match, photographs, strict=True))
    say(model="embedded:fashion-clip", measured="zero-shot over ten labels", **share(right, len(photographs)))
    expert = ClassifierAgreement(model="embedded:fashion-resnet50").score(photographs, lab)
    right = sum(getattr(o, "answer", "") == s.text("label") for o, s in zip(expert, photographs, strict=True))
    say(model="embedded:fashion-resnet50", measured="accuracy", **share(right, len(photographs)))


def steering(lab: Lab, each: int, guidance: float, steps: int) -> None:
    """Mean grey of "a light LABEL" against "a dark LABEL", with the same noise."""
    generator = lab.models.image_model("embedded:fashion-diffusion")
    for label in ("bag", "coat", "sneaker"):
        means = {}
        for tone in ("light", "dark"):
            asked = [
                ImageRequest(f"a photo of a {tone} {label}", hash_seed("steer", label, nth), steps, guidance)
                for nth in range(each)
            ]
            images = generator.generate(asked)
            means[tone] = np.array([float(np.mean(p)) for p in images if isinstance(p, np.ndarray)])
        brighter = int((means["light"] > means["dark"]).sum())
        say(
            measured=f"a light {label} against a dark {label}, same noise",
            light=round(float(means["light"].mean()), 1),
            dark=round(float(means["dark"].mean()), 1),
            brighter=brighter,
            of=each,
        )


def student(lab: Lab, images: int, guidance: float, steps: int, train_steps: int, model: str) -> None:
    """Test accuracy of a ResNet-18 trained on generated images, and of one trained on as many real images."""
    generator = replace(load("fashion").generate, per_label=images // 10, guidance=guidance, steps=steps, model=model)
    started = time.perf_counter()
    seeds = generator.seeds()
    made: list[Sample] = []
    for start in range(0, len(seeds), 64):
        made += [m for m in generator.generate(seeds[start : start + 64], lab) if isinstance(m, Sample)]
    seconds = time.perf_counter() - started
    say(
        measured="generation",
        images=len(made),
        per_second=round(len(made) / seconds, 1),
        guidance=guidance,
        steps=steps,
    )
    expert = ClassifierAgreement(model="embedded:fashion-resnet50").score(made, lab)
    agree = sum(getattr(o, "value", "") == "agrees" for o in expert)
    say(measured="images the ResNet-50 agrees with", **share(agree, len(made)))
    real = FashionMNIST(split="train", per_label=images // 10).read(lab)
    holdout = FashionMNIST(split="test").read(lab)
    for name, samples in (("generated", made), ("real", real)):
        with tempfile.TemporaryDirectory() as folder:
            inside = replace(lab, folder=Path(folder), seed=hash_seed("pupil"))
            trainer = ImageClassifier(labels=LABELS, steps=train_steps, batch_size=128)
            artifact = trainer.train(samples, inside)
            outcomes = Accuracy().evaluate(artifact, holdout, lab)
        right = sum(int(getattr(o, "value", 0)) for o in outcomes)
        say(measured=f"ResNet-18 on {len(samples)} {name} images", steps=train_steps, **share(right, len(holdout)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--train-steps", type=int, default=1500)
    parser.add_argument("--model", default="embedded:fashion-diffusion")
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--only-student", action="store_true")
    options = parser.parse_args()
    recipe = load("fashion").generate
    guidance = options.guidance if options.guidance is not None else getattr(recipe, "guidance", 1.5)
    steps = options.steps or getattr(recipe, "steps", 12)
    lab = Lab(7, OpenModels(), StoredImages([]))
    if not options.only_student:
        judges(lab)
        steering(lab, options.each, guidance, steps)
    if options.images:
        student(lab, options.images, guidance, steps, options.train_steps, options.model)


if __name__ == "__main__":
    main()
