"""What the embedded expert, and a pupil of eight kinds of clothes, make of things they have never seen."""

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

EIGHT = tuple(label for label in LABELS if label not in ("bag", "sandal"))


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(7, OpenModels(), StoredImages([]))


def auroc(
    model: str, fit: Sequence[Sample], known: Sequence[Sample], strangers: Sequence[Sample], lab: Lab
) -> dict[str, float]:
    """By method, how well a model tells `known` from `strangers`."""
    learned = [replace(sample, fields={**sample.fields, "part": "fit"}) for sample in fit]
    outcomes = OodScores().evaluate(Artifact(model, "image-classifier", ""), [*learned, *known, *strangers], lab)
    shown = [outcome for outcome in outcomes[len(fit) :] if isinstance(outcome, Score)]
    assert len(shown) == len(known) + len(strangers)
    columns = {name: [outcome.evidence[name] for outcome in shown] for name in METHODS}
    return {
        name: detection(column[: len(known)], column[len(known) :]).auroc.estimate for name, column in columns.items()
    }


@pytest.mark.parametrize("strangers", [Digits(per_label=20), Noise(count=200)], ids=["digits", "noise"])
def test_features_separate_ood_inputs(lab: Lab, strangers: Digits | Noise) -> None:
    fit = FashionMNIST(split="validation", per_label=60).read(lab)
    known = FashionMNIST(split="test", per_label=40).read(lab)
    found = auroc("embedded:fashion-resnet50", fit, known, strangers.read(lab), lab)
    assert found["vim"] >= 0.95
    assert found["nearest"] >= 0.93
    assert min(found.values()) > 0.7
    assert found["vim"] > found["max-logit"]  # looking at features beats looking at answers


@pytest.mark.full
def test_held_out_classes_score_lower(lab: Lab, tmp_path: Path) -> None:
    real = FashionMNIST(split="train", per_label=100, only=EIGHT).read(lab)
    trainer = ImageClassifier(EIGHT, steps=60, batch_size=64, size=24, crop=0.0, flip=False)
    artifact = trainer.train(real, replace(lab, folder=tmp_path))
    fit = FashionMNIST(split="validation", per_label=60, only=EIGHT).read(lab)
    known = FashionMNIST(split="test", per_label=40, only=EIGHT).read(lab)
    strangers = FashionMNIST(split="test", per_label=100, only=("bag", "sandal")).read(lab)
    assert {sample.text("label") for sample in strangers} == {"bag", "sandal"}
    found = auroc(artifact.path, fit, known, strangers, lab)
    assert found["vim"] > 0.7
