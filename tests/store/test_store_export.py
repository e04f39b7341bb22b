"""Hugging Face `datasets` loads stage folders and exports."""

from __future__ import annotations

import gc
import json
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from store_parts import gray_image, image_samples

from assay.core.errors import StoreError
from assay.core.sample import Failure, Image, Sample
from assay.core.score import Fingerprint, Score
from assay.images.codec import decode
from assay.store.export import layouts as export_layouts
from assay.store.export.export import export
from assay.store.export.layouts import safe_name
from assay.store.images import StoredImages
from assay.store.rows import DecisionRow, write_decisions, write_outcomes
from assay.store.run_folder import RunFolder
from assay.store.shards import read_shard, write_shard


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = RunFolder.open(tmp_path / "run", create=True).stage("generate-ab12")
    for i in range(2):
        samples, blobs = image_samples(3, first=3 * i)
        write_shard(folder / f"part-{i:05d}.parquet", [*samples, Failure("seed", "black image")], blobs)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "hf-cache")


def load(*where: str, cache: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        # datasets 5.2 leaves metadata.csv open for the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        data = datasets.load_dataset(*where, split="train", cache_dir=cache, **options)
        gc.collect()
    return data


def test_a_stage_folder_opens_with_its_images(stage: Path, cache: str) -> None:
    (stage / "receipt.json").write_text("{}")
    data = load(str(stage), cache=cache)
    assert len(data) == 8
    assert isinstance(data.features["image"], datasets.Image)
    assert data.features["parents"] == datasets.List(datasets.Value("string"))
    assert data["failure"] == [None, None, None, "black image"] * 2
    assert data[0]["label"] == "bag"
    assert np.array_equal(np.asarray(data[4]["image"]), decode(gray_image(3)[1]))
    assert data[3]["image"] is None


def test_one_shard_opens_by_name(stage: Path, cache: str) -> None:
    data = load("parquet", cache=cache, data_files=str(stage / "part-00001.parquet"))
    assert data[0]["image"].size == (8, 8)


def test_shard_with_fewer_fields_loads_with_the_others(stage: Path, cache: str) -> None:
    write_shard(stage / "part-00002.parquet", [Failure("x", "y"), Sample({"label": "bag"})], {})
    data = load(str(stage), cache=cache)
    assert data[9]["label"] == "bag"
    assert data[9]["image"] is None


def test_image_stored_elsewhere_is_none(tmp_path: Path, cache: str) -> None:
    write_shard(tmp_path / "part-00000.parquet", [Sample({"image": gray_image(0)[0]})], {})
    (row,) = load("parquet", cache=cache, data_files=str(tmp_path / "part-00000.parquet"))
    assert row["image"] is None
    assert row["image_digest"] == gray_image(0)[0].digest


def test_outcomes_and_decisions_open(tmp_path: Path, cache: str) -> None:
    write_outcomes(tmp_path / "o.parquet", ["a", "b"], [Score(0.5), Fingerprint((1.0, 2.0))])
    write_decisions(tmp_path / "d.parquet", [DecisionRow("a", True, "top", "share", "in")])
    outcomes = load("parquet", cache=cache, data_files=str(tmp_path / "o.parquet"))
    assert outcomes["vector"] == [None, [1.0, 2.0]]
    assert outcomes.features["vector"] == datasets.List(datasets.Value("float32"))
    assert load("parquet", cache=cache, data_files=str(tmp_path / "d.parquet"))["keep"] == [True]


@pytest.fixture
def kept_samples(stage: Path) -> list[Sample]:
    rows = [row for path in sorted(stage.glob("*.parquet")) for row in read_shard(path)]
    return [row for row in rows if isinstance(row, Sample)]


def test_export_hf_opens_in_many_shards(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_layouts, "SHARD_BYTES", 3 * 64 * 2)
    kept_samples = [Sample({"caption": "no image"}), *kept_samples]
    assert export(kept_samples, StoredImages([stage]), tmp_path / "out", "hf") == 7
    assert sorted(p.name for p in (tmp_path / "out" / "data").iterdir()) == [
        f"train-{i:05d}-of-00003.parquet" for i in range(3)
    ]
    data = load(str(tmp_path / "out"), cache=cache)
    assert data["id"] == [sample.id for sample in kept_samples]
    assert "failure" not in data.features
    assert np.array_equal(np.asarray(data[6]["image"]), decode(gray_image(5)[1]))


def test_empty_export_is_a_shard_without_rows(tmp_path: Path) -> None:
    # `datasets` itself refuses any data set without a row.
    assert export([], StoredImages([]), tmp_path / "out", "hf") == 0
    assert pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").num_rows == 0


def test_folder_with_an_empty_shard_loads(stage: Path, cache: str) -> None:
    write_shard(stage / "part-00002.parquet", [], {})
    assert len(load(str(stage), cache=cache)) == 8


def test_export_imagefolder_loads_with_unusual_labels(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, cache: str
) -> None:
    labels = ["train", "../../etc", "", "Bag", "bag", "a/b: 1\n"]
    images = [sample.image() for sample in kept_samples]
    samples = [
        Sample({"label": label, "image": image, "file_name": "mine", "note": 'x,"y"\n'})
        for label, image in zip(labels, images, strict=True)
    ]
    target = tmp_path / "out"
    assert export(samples, StoredImages([stage]), target, "imagefolder") == 6
    assert len({path.parent.name.casefold() for path in target.rglob("*.png")}) == 6
    data = load("imagefolder", cache=cache, data_dir=str(target))
    rows = {row["id"]: row for row in data}
    for i, sample in enumerate(samples):
        row = rows[sample.id]
        assert np.array_equal(np.asarray(row["image"].convert("L")), decode(gray_image(i)[1]))
        assert row["label"] == (labels[i] or None)
        assert row["file_name_"] == "mine"
        assert row["note"] == 'x,"y"\n'


def test_export_jsonl(stage: Path, kept_samples: list[Sample], tmp_path: Path) -> None:
    samples = [*kept_samples, Sample({"id": "odd", "text": "é"}, parents=("p",))]
    assert export(samples, StoredImages([stage]), tmp_path / "out", "jsonl") == 7
    lines = [json.loads(line) for line in (tmp_path / "out" / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (tmp_path / "out" / lines[2]["image"]).read_bytes() == gray_image(2)[1]
    assert lines[6] == {
        "id": samples[6].id, "id_": "odd", "text": "é", "parents": ["p"], "made_by": "collected", "nth": 0,
    }  # fmt: skip


@pytest.mark.parametrize("layout", ["hf", "imagefolder", "jsonl"])
def test_export_rejects_a_folder_that_is_no_export(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, layout: Any
) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "notes.txt").write_text("x")
    with pytest.raises(StoreError, match=target.name):
        export(kept_samples, StoredImages([stage]), target, layout)
    assert [p.name for p in target.iterdir()] == ["notes.txt"]
    with pytest.raises(StoreError, match=r"notes\.txt"):
        export(kept_samples, StoredImages([stage]), target / "notes.txt", layout)


def test_export_replaces_an_unchanged_export_only(stage: Path, kept_samples: list[Sample], tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    export(kept_samples, StoredImages([stage]), target, "jsonl")
    export(kept_samples[:1], StoredImages([stage]), target, "hf")
    assert sorted(p.name for p in target.iterdir()) == [".assay-export", "README.md", "data"]
    (target / "README.md").write_text("my own words")
    with pytest.raises(StoreError, match=target.name):
        export(kept_samples, StoredImages([stage]), target, "hf")
    assert (target / "README.md").read_text() == "my own words"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]


def test_an_export_that_fails_leaves_nothing(stage: Path, kept_samples: list[Sample], tmp_path: Path) -> None:
    samples = [*kept_samples, Sample({"image": Image("f" * 64, 1, 1)})]
    for layout in ("hf", "imagefolder", "jsonl"):
        with pytest.raises(StoreError):
            export(samples, StoredImages([stage]), tmp_path / "out", layout)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="0 images"):
        export([Sample({"text": "x"})], StoredImages([stage]), tmp_path / "out", "imagefolder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    ("label", "name"),
    [("bag", "bag"), ("T-shirt & top", "T-shirt & top"), ("", "label"), ("..", "label"), ("a/b", "a_b"),
     (".hidden", "hidden"), ("__x", "x"), ("test", "=test"), ("a train", "a =train"), ("trainer", "trainer"),
     ("x" * 300, "x" * 100), ("été", "été")],
)  # fmt: skip
def test_safe_names(label: str, name: str) -> None:
    assert safe_name(label) == name
