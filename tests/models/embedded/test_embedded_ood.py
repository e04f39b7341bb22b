"""OOD detection with the embedded classifier, and with a classifier that is trained on eight labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.components.evaluators.ood_scores import METHODS, OodScores
from assay.components.sources.image.fashion_mnist import LABELS, FashionMNIST
from assay.components.sources.image.ood_images import Digits, Noise
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score
from assay.models.open_models import OpenModels
from assay.stats import detection
from assay.store.images import StoredImages

EIGHT_LABELS = tuple(label for label in LABELS if label not in ("bag", "sandal"))


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(7, OpenModels(), StoredImages([]))


def aurocs(
    model: str, fit: Sequence[Sample], in_distribution: Sequence[Sample], ood: Sequence[Sample], lab: Lab
) -> dict[str, float]:
    """AUROC of OOD detection by method."""
    fit_samples = [replace(sample, fields={**sample.fields, "part": "fit"}) for sample in fit]
    outcomes = OodScores().evaluate(
        Artifact(model, "image-classifier", ""), [*fit_samples, *in_distribution, *ood], lab
    )
    scores = [outcome for outcome in outcomes[len(fit) :] if isinstance(outcome, Score)]
    assert len(scores) == len(in_distribution) + len(ood)
    columns = {name: [outcome.evidence[name] for outcome in scores] for name in METHODS}
    return {
        name: detection(column[: len(in_distribution)], column[len(in_distribution) :]).auroc.estimate
        for name, column in columns.items()
    }


@pytest.mark.parametrize("ood", [Digits(per_label=20), Noise(count=200)], ids=["digits", "noise"])
def test_features_separate_ood_inputs(lab: Lab, ood: Digits | Noise) -> None:
    fit = FashionMNIST(split="validation", per_label=60).read(lab)
    in_distribution = FashionMNIST(split="test", per_label=40).read(lab)
    auroc_by_method = aurocs("embedded:fashion-resnet50", fit, in_distribution, ood.read(lab), lab)
    assert auroc_by_method["vim"] >= 0.95
    assert auroc_by_method["nearest"] >= 0.93
    assert min(auroc_by_method.values()) > 0.7
    assert auroc_by_method["vim"] > auroc_by_method["max-logit"]  # looking at features beats looking at answers


@pytest.mark.full
def test_held_out_classes_score_lower(lab: Lab, tmp_path: Path) -> None:
    real = FashionMNIST(split="train", per_label=100, only=EIGHT_LABELS).read(lab)
    trainer = ImageClassifier(EIGHT_LABELS, steps=60, batch_size=64, size=24, crop=0.0, flip=False)
    artifact = trainer.train(real, replace(lab, folder=tmp_path))
    fit = FashionMNIST(split="validation", per_label=60, only=EIGHT_LABELS).read(lab)
    in_distribution = FashionMNIST(split="test", per_label=40, only=EIGHT_LABELS).read(lab)
    ood = FashionMNIST(split="test", per_label=100, only=("bag", "sandal")).read(lab)
    assert {sample.text("label") for sample in ood} == {"bag", "sandal"}
    auroc_by_method = aurocs(artifact.path, fit, in_distribution, ood, lab)
    assert auroc_by_method["vim"] > 0.7
