"""BlockList and Toxicity."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import checkpoints
from assay.components.filters.threshold import Threshold
from assay.components.scorers.image.block_list import BlockList
from assay.components.scorers.text.toxicity import CHUNK_SIZE, MAX_CHUNKS, Toxicity
from assay.core.errors import ModelError, SourceError
from assay.core.lab import Lab
from assay.core.model_kinds import Pixels
from assay.core.roles import ScoreTable
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.images.hashes import distance, perceptual_hash, read_hashes
from assay.models import Device, OpenModels
from assay.store.images import StoredImages
from error_fields import raises
from labs import broken, tiny_lab


def scene(seed: int, size: int = 96) -> Pixels:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))


def jpeg(pixels: Pixels, size: int, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((size, size)).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_distance_of_copies_and_other_images(tmp_path: Path) -> None:
    lab = tiny_lab()
    folder = tmp_path / "blocked"
    folder.mkdir()
    for seed in (1, 2):
        Image.fromarray(scene(seed)).save(folder / f"{seed}.png")
    images = [scene(1), jpeg(scene(2), 60, 50), scene(3)]
    samples = [*(Sample({"image": lab.images.put(image)}) for image in images), broken()]
    same, copy, other, lacking = BlockList(str(folder)).score(samples, lab)
    assert isinstance(same, Score)
    assert isinstance(copy, Score)
    assert isinstance(other, Score)
    assert same.value == 0.0
    assert same.reason.endswith("1.png")
    assert copy.value <= 8
    assert copy.reason.endswith("2.png")
    assert other.value > 12
    assert other.reason == ""
    assert isinstance(lacking, Unscored)
    rule = Threshold("blocked", low=9)
    table = ScoreTable([sample.id for sample in samples], {"blocked": [same, copy, other, lacking]})
    assert [decision.keep for decision in rule.decide(table)] == [False, False, True, False]
    assert rule.decide(table)[1].reason.endswith("2.png")


def test_changed_file_of_hashes_changes_the_listing(tmp_path: Path) -> None:
    lab = tiny_lab()
    image_hash = perceptual_hash(scene(5))
    path = tmp_path / "hashes.txt"
    path.write_text(f"# ours\n{image_hash:016x} the poster\n", encoding="utf-8")
    sample = Sample({"image": lab.images.put(scene(5))})
    scorer = BlockList(str(path))
    before = scorer.listing()
    (outcome,) = scorer.score([sample], lab)
    assert isinstance(outcome, Score)
    assert outcome.value == 0.0
    assert outcome.reason.endswith("the poster")
    path.write_text(f"{image_hash ^ 0b111:016x}\n", encoding="utf-8")
    assert scorer.listing() != before
    (outcome,) = scorer.score([sample], lab)
    assert isinstance(outcome, Score)
    assert outcome.value == 3.0
    assert outcome.reason.endswith("hashes.txt:1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"list\.txt\b"),
        ("# none", r"list\.txt\b"),
        ("xyz", r"list\.txt, line 1\b"),
        ("0f0f\n", r"list\.txt, line 1\b"),
    ],
    ids=["empty", "comments", "no hash", "short"],
)
def test_invalid_list_raises(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        BlockList(str(path)).score([], tiny_lab())
    with raises(SourceError, path=str(tmp_path / "none")):
        BlockList(str(tmp_path / "none")).score([], tiny_lab())
    (tmp_path / "folder").mkdir()
    with raises(SourceError, path=str(tmp_path / "folder")):
        BlockList(str(tmp_path / "folder")).score([], tiny_lab())


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_distance_is_the_hamming_distance(first: int, second: int) -> None:
    assert distance(first, second) == bin(first ^ second).count("1") == distance(second, first)
    assert read_hashes(f"{first:016x} a\n", "x") == [(first, "a")]


def test_toxicity_by_a_local_classifier(tmp_path: Path) -> None:
    folder = str(checkpoints.text_classifier(tmp_path / "toxic", ("fine", "toxic", "insult")))
    lab = Lab(0, OpenModels(Device(device="cpu")), StoredImages([]))
    texts = ("abc", "zzz", "", "ab " * CHUNK_SIZE, "q" * (CHUNK_SIZE * (MAX_CHUNKS + 9)), "나쁜 말")
    samples = [Sample({"text": text}) for text in texts]
    soft = Toxicity(folder, ("toxic", "insult")).score(samples, lab)
    hard = Toxicity(folder, ("toxic", "insult"), "sigmoid").score(samples, lab)
    logits = lab.models.text_classifier(folder).logits(["abc"])[0].astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert isinstance(soft[0], Score)
    assert isinstance(hard[0], Score)
    assert soft[0].value == pytest.approx(probabilities[1:].sum())
    assert hard[0].value == pytest.approx((1 / (1 + np.exp(-logits[1:]))).max())
    assert isinstance(soft[2], Unscored)
    assert isinstance(soft[3], Score)
    assert soft[3].evidence["pieces"] == 3
    assert isinstance(soft[4], Score)
    assert soft[4].evidence["pieces"] == MAX_CHUNKS
    with raises(ModelError, name="Toxicity.unsafe", model=folder, label="rude"):
        Toxicity(folder, ("rude",)).score([], lab)
    with pytest.raises(ValueError, match=r"Toxicity\.unsafe .*\(\)"):
        Toxicity(folder, ())
