from __future__ import annotations

import hashlib
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from store_parts import gray_image, image_samples

from assay.core.errors import StoreError
from assay.core.lab import Images
from assay.core.sample import Failure, Image, Sample
from assay.core.score import Score
from assay.images.codec import decode
from assay.store import images as images_module
from assay.store.images import StoredImages
from assay.store.rows import write_outcomes
from assay.store.shards import write_shard


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """Six images in three shards."""
    for i in range(3):
        samples, blobs = image_samples(2, first=2 * i)
        write_shard(tmp_path / f"part-{i:05d}.parquet", samples, blobs)
    return tmp_path


def test_pixels_are_in_the_order_of_the_request(stage: Path) -> None:
    store: Images = StoredImages([stage])
    order = [random.Random(0).randrange(6) for _ in range(20)]
    arrays = store.get([gray_image(i)[0] for i in order])
    assert len(arrays) == 20
    for i, pixels in zip(order, arrays, strict=True):
        assert np.array_equal(pixels, decode(gray_image(i)[1]))


def test_cache_of_one_shard_changes_nothing(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 1)
    store = StoredImages([stage])
    for i in [0, 5, 2, 0, 4, 1]:
        assert store.encoded([gray_image(i)[0]]) == [gray_image(i)[1]]


def test_put_image_is_new_and_can_be_read(stage: Path) -> None:
    store = StoredImages([stage])
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    image = store.put(pixels)
    assert (image.width, image.height) == (5, 4)
    assert image.digest == hashlib.sha256(store.new[image.digest]).hexdigest()
    old = gray_image(3)[0]
    arrays = store.get([old, image])
    assert np.array_equal(arrays[1], pixels)
    write_shard(stage / "part-00003.parquet", [Sample({"image": image})], store.new)
    store.new.clear()
    assert np.array_equal(store.get([image])[0], pixels)


def test_replaced_shard_is_read_again(stage: Path) -> None:
    store = StoredImages([stage])
    store.get([gray_image(0)[0]])
    samples, blobs = image_samples(3, first=10)
    write_shard(stage / "part-00000.parquet", samples, blobs)
    assert store.encoded([gray_image(12)[0]]) == [gray_image(12)[1]]


def test_pickles_small_and_works_after(stage: Path) -> None:
    store = StoredImages([stage, stage / "part-00000.parquet"])
    store.get([gray_image(i)[0] for i in range(6)])
    image = store.put(np.zeros((3, 3), np.uint8))
    data = pickle.dumps(store)
    assert gray_image(0)[1] not in data
    again = pickle.loads(data)
    assert [p.shape for p in again.get([gray_image(5)[0], image])] == [(8, 8), (3, 3)]


def test_missing_images_are_named(stage: Path) -> None:
    image = Image("f" * 64, 1, 1)
    with pytest.raises(StoreError, match=rf"{'f' * 64}.*{stage}"):
        StoredImages([stage]).get([image])
    with pytest.raises(StoreError, match="f" * 64):
        StoredImages([]).get([image])
    with pytest.raises(StoreError, match="nowhere"):
        StoredImages([stage / "nowhere"]).get([image])


def test_bytes_with_another_digest_are_named(stage: Path) -> None:
    image, data = gray_image(50)
    write_shard(stage / "part-00009.parquet", [Sample({"image": image})], {image.digest: data[:-1] + b"?"})
    with pytest.raises(StoreError, match=rf"{image.digest} in .*part-00009\.parquet"):
        StoredImages([stage]).get([image])


def test_bytes_that_do_not_decode_are_named(stage: Path) -> None:
    data = b"this is no image"
    image = Image(hashlib.sha256(data).hexdigest(), 1, 1)
    write_shard(stage / "part-00009.parquet", [Sample({"image": image})], {image.digest: data})
    with pytest.raises(StoreError, match=rf"{image.digest} in .*part-00009\.parquet"):
        StoredImages([stage]).get([image])


def test_folders_may_hold_other_tables_and_failures(stage: Path) -> None:
    write_outcomes(stage / "part-00007.parquet", ["a"], [Score(1.0)])
    write_shard(stage / "part-00008.parquet", [Failure("a", "nan")], {})
    assert len(StoredImages([stage]).get([gray_image(4)[0]])) == 1


def test_image_of_an_earlier_stage_is_read(stage: Path, tmp_path: Path) -> None:
    image = gray_image(1)[0]
    later = tmp_path / "later"
    later.mkdir()
    write_shard(later / "part-00000.parquet", [Sample({"image": image, "caption": "a bag"})], {})
    assert len(StoredImages([later, stage]).get([image])) == 1


def test_empty_request_reads_nothing() -> None:
    assert StoredImages([Path("/nowhere")]).get([]) == []
