from __future__ import annotations

import gzip
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.components.sources.image import fashion_mnist
from assay.components.sources.image.fashion_mnist import LABELS, NAMES, FashionMNIST, arrays, find, from_parquet, to_idx
from assay.core.errors import SourceError
from assay.images.codec import encode_png
from labs import tiny_lab


@pytest.fixture(scope="module")
def photographs() -> tuple[np.ndarray, np.ndarray]:
    """The real data, from Debian's package, the hub or a copy on this disk."""
    return arrays("test")


def test_arrays_are_the_real_photographs(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, classes = photographs
    assert pixels.shape == (10_000, 28, 28)
    assert Counter(classes.tolist()) == {nth: 1000 for nth in range(10)}
    assert [LABELS[nth] for nth in classes[:3]] == ["ankle boot", "pullover", "trouser"]


def test_read_names_origin_and_label(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    lab = tiny_lab()
    samples = FashionMNIST(per_label=2).read(lab)
    assert Counter(sample.text("label") for sample in samples) == {label: 2 for label in LABELS}
    assert samples[0].text("origin") == "fashion-mnist/test/00000"
    assert (lab.pixels(samples[:1])[0] == photographs[0][0]).all()
    assert len({sample.id for sample in samples}) == 20
    more = FashionMNIST(per_label=3).read(lab)
    assert {sample.id for sample in samples} < {sample.id for sample in more}


def test_splits_share_no_photograph(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    lab = tiny_lab()
    train, held = FashionMNIST("train", per_label=5), FashionMNIST("validation", per_label=5)
    digests = [{sample.image().digest for sample in source.read(lab)} for source in (train, held)]
    assert len(digests[0] | digests[1]) == 100


def test_compressed_and_plain_files(photographs: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    pixels, classes = photographs
    images, labels = NAMES["test"]
    (tmp_path / images).write_bytes(to_idx(pixels))
    (tmp_path / f"{labels}.gz").write_bytes(gzip.compress(to_idx(classes.astype(np.uint8)), 1))
    assert (arrays("test", tmp_path)[1] == classes).all()


def test_parquet_converts_to_the_same_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    rows = [{"bytes": encode_png(image), "path": None} for image in pixels]
    pq.write_table(pa.table({"image": rows, "label": [3, 1, 4, 1, 5]}), tmp_path / "x.parquet")
    images, labels = from_parquet(tmp_path / "x.parquet")
    assert images == to_idx(pixels)
    assert np.frombuffer(labels, np.uint8, offset=8).tolist() == [3, 1, 4, 1, 5]
    assert io.BytesIO(images).read(4) == b"\x00\x00\x08\x03"


def test_wrong_digest_raises(tmp_path: Path) -> None:
    for name in NAMES["test"]:
        (tmp_path / name).write_bytes(to_idx(np.zeros((1, 28, 28), np.uint8)))
    with pytest.raises(SourceError, match=r"t10k-images-idx3-ubyte .*5b41"):
        find("test", tmp_path)


# A gzip file bears the time it was made: names of our own, so that every process collects the same tests.
@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(b"x" * 1000)[:-12]], ids=["empty", "other", "cut off"]
)
def test_truncated_file_raises(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(SourceError, match="t10k-images-idx3-ubyte"):
        find("test", tmp_path)


def test_missing_data_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there: no network
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "not installed")
    with pytest.raises(SourceError, match=r"hub: .*apt-get"):
        find("test", None)


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"FashionMNIST.split .*'tset'"):
        FashionMNIST("tset")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"per_label .*0"):
        FashionMNIST(per_label=0)
    with pytest.raises(ValueError, match=r"labels"):
        FashionMNIST(labels=("a", "b"))


def test_too_many_per_label_raises(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(SourceError, match=r"1000 .*1001"):
        FashionMNIST(per_label=1001).read(tiny_lab())
