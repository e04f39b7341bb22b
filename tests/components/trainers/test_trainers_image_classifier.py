from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.components.evaluators.accuracy import Accuracy
from assay.components.trainers.checks import weights_digest
from assay.components.trainers.classifier_loop import batches, load_network, normalizer, one_cycle, preprocess
from assay.components.trainers.image_classifier import ImageClassifier
from assay.core.errors import FieldError, ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score
from error_fields import raises
from labs import real_lab, shade, shades, tiny_lab

TRAINER = ImageClassifier(labels=("black", "white"), steps=12, batch_size=8, learning_rate=1e-3)


def images(lab: Lab, count: int = 8, first: int = 0) -> list[Sample]:
    return [
        Sample({"label": label, "image": lab.images.put(shade(value, size=28, seed=seed))})
        for seed in range(first, first + count)
        for label, value in (("black", 20), ("white", 230))
    ]


def run(trainer: ImageClassifier, folder: Path, *, seed: int = 7, count: int = 8) -> Artifact:
    folder.mkdir()
    lab = tiny_lab(folder, seed=seed)
    return trainer.train(images(lab, count), lab)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(TRAINER, tmp_path_factory.mktemp("arm") / "work")


def test_trained_model_classifies_held_out_images(trained: Artifact) -> None:
    lab = real_lab()
    outcomes = Accuracy().evaluate(trained, images(lab, 5, first=50), lab)
    assert [outcome.value for outcome in outcomes if isinstance(outcome, Score)] == [1.0] * 10
    assert trained.kind == "image-classifier"
    assert trained.digest == weights_digest(Path(trained.path))
    assert {file.suffix for file in Path(trained.path).iterdir()} == {".json", ".safetensors"}


def test_history_has_a_row_for_each_step(trained: Artifact) -> None:
    history = json.loads((Path(trained.path).parent / "history.json").read_text(encoding="utf-8"))
    assert [row[0] for row in history] == list(range(1, 13))
    assert all(len(row) == 3 for row in history)
    assert history[0][1] > history[-1][1]
    assert trained.facts["steps"] == 12
    assert trained.facts["seen"] == 96
    assert trained.facts["samples"] == 16


def test_same_seed_same_weights(trained: Artifact, tmp_path: Path) -> None:
    torch.manual_seed(123)  # neither depends on the global random state nor changes it
    expected = torch.rand(1)
    torch.manual_seed(123)
    again = run(TRAINER, tmp_path / "again")
    assert again.digest == trained.digest
    assert torch.equal(torch.rand(1), expected)
    assert run(TRAINER, tmp_path / "other", seed=8).digest != trained.digest


def test_fewer_samples_than_a_batch(tmp_path: Path) -> None:
    reports = []
    lab = replace(tiny_lab(tmp_path), progress=lambda step, steps: reports.append((step, steps)))
    artifact = replace(TRAINER, steps=3, batch_size=16).train(images(lab, 1), lab)
    assert artifact.facts["steps"] == 3
    assert reports == [(1, 3), (2, 3), (3, 3)]


def test_transfer_replaces_the_head_and_may_freeze_the_body(trained: Artifact, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    frozen = replace(TRAINER, start=trained.path, freeze=True, labels=("white", "black"), steps=2)
    before = load_file(Path(trained.path, "model.safetensors"))
    after = load_file(Path(run(frozen, tmp_path / "frozen").path, "model.safetensors"))
    body = [name for name in before if name.startswith("resnet.")]
    assert all(torch.equal(before[name], after[name]) for name in body)  # batch-norm statistics too
    assert not torch.equal(before["classifier.1.weight"], after["classifier.1.weight"])
    free = load_file(Path(run(replace(frozen, freeze=False), tmp_path / "free").path, "model.safetensors"))
    assert not all(torch.equal(before[name], free[name]) for name in body)


def test_transfer_to_more_labels(trained: Artifact, tmp_path: Path) -> None:
    trainer = ImageClassifier(("black", "grey", "white"), start=trained.path, steps=2, batch_size=4, size=24)
    lab = tiny_lab(tmp_path)
    artifact = trainer.train(shades(lab), lab)
    config = json.loads(Path(artifact.path, "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "black", "1": "grey", "2": "white"}
    assert load_network(artifact.path, trainer.labels, None, freeze=False).processor.size["shortest_edge"] == 24


def test_new_head_depends_only_on_the_seed(trained: Artifact) -> None:
    heads = []
    for _ in range(2):
        torch.manual_seed(1)
        heads.append(load_network(trained.path, TRAINER.labels, None, freeze=False).model.classifier[1].weight)
    assert torch.equal(*heads)


def test_preprocessing_equals_the_saved_processor() -> None:
    from PIL import Image

    start = load_network("random", TRAINER.labels, None, freeze=False)
    color = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    for image in (shade(100, size=28), color):
        ours = normalizer(start, torch.device("cpu"))(preprocess([image], start).float() / 255)
        theirs = start.processor(images=[Image.fromarray(image).convert("RGB")], return_tensors="pt")["pixel_values"]
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert theirs.shape == (1, 3, 32, 32)


@given(st.integers(1, 30), st.integers(2, 12), st.integers(1, 20), st.integers(0, 5))
def test_batches_are_full_and_fair(count: int, size: int, steps: int, seed: int) -> None:
    rows = [part.tolist() for part in batches(count, size, steps, seed)]
    assert [len(part) for part in rows] == [size] * steps
    counts = Counter(nth for part in rows for nth in part)
    assert max(counts.values()) - min(counts.get(nth, 0) for nth in range(count)) <= 1
    assert rows == [part.tolist() for part in batches(count, size, steps, seed)]


@given(st.integers(1, 500))
def test_one_cycle_rises_and_falls(steps: int) -> None:
    rates = [one_cycle(step, steps, 1.0) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(1.0)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("black",)}, r"ImageClassifier\.labels .*'black'"),
        ({"labels": ("black", "black")}, r"ImageClassifier\.labels .*'black', 'black'"),
        ({"steps": 0}, r"ImageClassifier.steps .*\b1\b.*\b1e.09\b.*\b0\b"),
        ({"batch_size": 1}, r"ImageClassifier.batch_size .*\b2\b.*\b1\b"),
        ({"learning_rate": float("nan")}, r"ImageClassifier.learning_rate .*\bnan\b"),
        ({"crop": 4.0}, r"ImageClassifier.crop .*\b0\b.*\b0.5\b.*\b4\b"),
        ({"freeze": True}, r"ImageClassifier.freeze .*\bfalse\b.*\brandom weights\b"),
    ],
)
def test_invalid_arguments_are_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TRAINER, **change)  # type: ignore[arg-type]


def test_unusable_data_raises(tmp_path: Path) -> None:
    lab = tiny_lab(tmp_path)
    with raises(RecipeError, name="ImageClassifier", samples=0):
        TRAINER.train([], lab)
    with raises(FieldError, name="ImageClassifier.labels", label="grey"):
        TRAINER.train(shades(lab), lab)
    with raises(RecipeError) as caught:
        replace(TRAINER, learning_rate=1e3, weight_decay=1e3, steps=40).train(images(lab, 2), lab)
    assert str(caught.value.fields["loss"]) in ("nan", "inf")
    assert caught.value.fields["step"] in range(1, 41)


def test_start_that_is_no_classifier_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    lab = tiny_lab(tmp_path)
    for reference, message in (
        (str(tmp_path / "none"), "does not exist"),
        (str(tmp_path / "model"), "config.json"),
    ):
        with pytest.raises(ModelError, match=message):
            replace(TRAINER, start=reference).train(images(lab, 1), lab)


def test_pickled_weights_are_rejected(trained: Artifact, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained.path, tmp_path / "model"))
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        load_network(str(copy), TRAINER.labels, None, freeze=False)


def test_preflight_reports_an_unknown_label() -> None:
    trainer = ImageClassifier(labels=("black", "white"))
    trainer.check([Sample({"label": "white"})], tiny_lab())
    with raises(FieldError, name="ImageClassifier.labels", label="grey"):
        trainer.check([Sample({"label": "white"}), Sample({"label": "grey"})], tiny_lab())
