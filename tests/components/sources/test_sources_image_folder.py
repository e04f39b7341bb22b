from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.components.sources.image.image_folder import ImageFolder
from assay.core.errors import SourceError
from assay.images.codec import encode_png
from error_fields import raises
from labs import shade, tiny_lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label, value in (("white", 230), ("black", 20)):
        (tmp_path / label).mkdir()
        for nth in range(3):
            (tmp_path / label / f"{nth}.PNG").write_bytes(encode_png(shade(value, seed=nth)))
        (tmp_path / label / "notes.txt").write_text("no image", encoding="utf-8")
    (tmp_path / "readme.png").write_bytes(b"not in a label's folder")
    return tmp_path


def test_labels_are_folders_and_order_is_fixed(folder: Path) -> None:
    lab = tiny_lab()
    samples = ImageFolder(str(folder)).read(lab)
    assert [sample.text("label") for sample in samples] == ["black"] * 3 + ["white"] * 3
    assert samples == ImageFolder(str(folder)).read(tiny_lab())
    assert {sample.made_by for sample in samples} == {"collected"}
    assert (lab.pixels(samples)[4] == shade(230, seed=1)).all()
    assert [s.text("origin") for s in ImageFolder(str(folder), limit=1).read(lab)] == ["black/0.PNG", "white/0.PNG"]


def test_copies_of_an_image_have_different_ids(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "x" / name).write_bytes(encode_png(shade(20)))
    assert len({sample.id for sample in ImageFolder(str(tmp_path)).read(tiny_lab())}) == 2


def test_undecodable_image_raises(folder: Path) -> None:
    (folder / "black" / "1.PNG").write_bytes(encode_png(shade(20))[:-30])
    with raises(SourceError, path=str(folder / "black" / "1.PNG")):
        ImageFolder(str(folder)).read(tiny_lab())


def test_invalid_arguments_and_folders_raise(tmp_path: Path) -> None:
    with raises(SourceError, path=str(tmp_path / "none")):
        ImageFolder(str(tmp_path / "none")).read(tiny_lab())
    with raises(SourceError, path=str(tmp_path), images=0):
        ImageFolder(str(tmp_path)).read(tiny_lab())
    with pytest.raises(ValueError, match=r"ImageFolder.limit .*0"):
        ImageFolder("x", limit=0)
    with pytest.raises(ValueError, match=r"ImageFolder.path"):
        ImageFolder("")


def test_changed_folder_changes_the_listing(tmp_path: Path) -> None:
    """Regression: a new image did not change the key of the stage, which had only the path."""
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "one.png").write_bytes(encode_png(np.zeros((8, 8), np.uint8)))
    source = ImageFolder(str(tmp_path))
    before = source.listing()
    assert source.listing() == before
    (tmp_path / "bag" / "two.png").write_bytes(encode_png(np.ones((8, 8), np.uint8)))
    assert source.listing() != before
    (tmp_path / "bag" / "notes.txt").write_text("nothing to see", encoding="utf-8")
    after = source.listing()
    (tmp_path / "bag" / "two.png").write_bytes(encode_png(np.full((8, 8), 7, np.uint8)))
    assert source.listing() != after
    assert ImageFolder(str(tmp_path / "nowhere")).listing()
