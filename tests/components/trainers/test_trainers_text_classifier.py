from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import checkpoints
from assay.components.evaluators.accuracy import TextAccuracy
from assay.components.trainers.checks import weights_digest
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.errors import FieldError, ModelError, RecipeError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.models.text.classifiers import HEAD
from error_fields import raises
from labs import Letters, real_lab, tiny_lab

WORDS = {"cat": ("cat", "cats", "a cat sat", "act, cat"), "dog": ("dog", "dogs", "good dog", "god, dog")}
TRAINER = TextClassifier(("cat", "dog"), "tiny:letters", steps=60, batch_size=8)


def texts(count: int = 8) -> list[Sample]:
    return [
        Sample({"label": label, "text": f"{words[nth % len(words)]} {'z' * (nth % 3)}"}, nth=nth)
        for nth in range(count)
        for label, words in WORDS.items()
    ]


def run(trainer: TextClassifier, folder: Path, *, seed: int = 7) -> Artifact:
    folder.mkdir()
    return trainer.train(texts(), tiny_lab(folder, seed=seed))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(TRAINER, tmp_path_factory.mktemp("arm") / "work")


def test_trained_model_classifies_texts(trained: Artifact) -> None:
    lab = tiny_lab()
    outcomes = TextAccuracy().evaluate(trained, [*texts(3), Sample({"label": "cow", "text": "cow"})], lab)
    assert [outcome.value for outcome in outcomes if isinstance(outcome, Score)] == [1.0] * 6
    assert isinstance(outcomes[-1], Unscored)
    assert trained.kind == "text-classifier"
    assert trained.digest == weights_digest(Path(trained.path))
    assert trained.facts == {"steps": 60, "samples": 16, "seen": 480, "last loss": trained.facts["last loss"]}
    history = json.loads((Path(trained.path).parent / "history.json").read_text(encoding="utf-8"))
    assert [row[0] for row in history] == list(range(1, 61))
    assert history[0][1] == pytest.approx(np.log(2))
    assert history[-1][1] < history[0][1]


def test_same_seed_same_weights(trained: Artifact, tmp_path: Path) -> None:
    assert run(TRAINER, tmp_path / "again").digest == trained.digest
    assert run(TRAINER, tmp_path / "other", seed=8).digest != trained.digest


def test_many_steps_converge_to_logistic_regression(tmp_path: Path) -> None:
    """Compared with scikit-learn's logistic regression, whose C is 1 / (n x decay)."""
    samples = texts(8)
    trainer = TextClassifier(
        ("cat", "dog"), "tiny:letters", steps=3000, batch_size=len(samples), learning_rate=0.05, weight_decay=0.05
    )
    lab = tiny_lab(tmp_path)
    artifact = trainer.train(samples, lab)
    model = lab.models.text_classifier(artifact.path)
    rows = Letters().embed([sample.text("text") for sample in samples]).astype(np.float64)
    whole = LogisticRegression(C=2 / (len(samples) * 0.05), tol=1e-10, max_iter=10_000)
    whole.fit(rows, [sample.text("label") for sample in samples])
    logits = model.logits([sample.text("text") for sample in samples])
    # Two rows of weights share one squared length between them, so each weighs half of what one row would.
    assert logits[:, 1] - logits[:, 0] == pytest.approx(whole.decision_function(rows), abs=1e-2)


def test_invalid_input_raises(tmp_path: Path) -> None:
    with raises(RecipeError, name="TextClassifier", samples=0):
        TRAINER.train([], tiny_lab(tmp_path))
    with raises(FieldError, name="TextClassifier.labels", label="cow"):
        TRAINER.check([Sample({"label": "cow"})], tiny_lab())
    with pytest.raises(ValueError, match=r"TextClassifier\.labels"):
        TextClassifier(("cat",))
    with pytest.raises(ValueError, match=r"TextClassifier.batch_size .*0"):
        TextClassifier(("cat", "dog"), batch_size=0)
    with pytest.raises(ModelError, match="'tiny:leters'"):
        TextClassifier(("cat", "dog"), "tiny:leters").train(texts(), tiny_lab(tmp_path))


def test_damaged_model_raises(trained: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in Path(trained.path).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / HEAD).write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"head\.safetensors"):
        real_lab().models.text_classifier(str(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"labels": ["cat"]}
    (folder / HEAD).write_bytes((Path(trained.path) / HEAD).read_bytes())
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=r"1 labels .* 2"):
        real_lab().models.text_classifier(str(folder))


def test_transformers_classifier_loads_and_other_models_do_not(tmp_path: Path) -> None:
    folder = checkpoints.text_classifier(tmp_path / "sorter", ("cat", "dog", "cow"))
    model = real_lab().models.text_classifier(str(folder))
    assert tuple(model.labels) == ("cat", "dog", "cow")
    words = ["a cat", "the dog that ran on and on", "x"]
    together = model.logits(words)
    assert together.shape == (3, 3)
    assert together == pytest.approx(np.concatenate([model.logits([word]) for word in words]), abs=1e-5)
    assert model.logits([]).shape == (0, 3)
    encoder = checkpoints.bert(tmp_path / "bert")
    with pytest.raises(ModelError, match="ForSequenceClassification"):
        real_lab().models.text_classifier(str(encoder))
