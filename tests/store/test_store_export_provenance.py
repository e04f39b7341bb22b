"""Exports with provenance: in a column, in a file of its own, and within images."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image as Pillow
from store_parts import gray_image, image_samples

from assay.core.provenance import Provenance, Used
from assay.core.sample import Sample
from assay.images.codec import decode
from assay.images.metadata import read_provenance, strip_provenance
from assay.store.export.cards import LOAD_CALLS
from assay.store.export.export import PROVENANCE_FILE, ExportLayout, export
from assay.store.images import StoredImages
from assay.store.run_folder import RunFolder
from assay.store.shards import write_shard

PROMPT = 'a "bag", 한국\n<b>&amp;'
TASKS = [
    Sample({"instruction": f"Add {nth}.", "output": "7", "prompt": "p", "text": "t", "chosen": "a", "rejected": "b"})
    for nth in range(3)
]


def provenance_of(sample: Sample) -> Provenance:
    return Provenance(
        id=sample.id, synthetic=True, made_by="GenerateImages", version=1, models=(Used("m"),), prompt=PROMPT
    )


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    return RunFolder.open(tmp_path / "run", create=True).stage("generate-ab12")


@pytest.fixture
def kept_samples(stage: Path) -> list[Sample]:
    samples, blobs = image_samples(4)
    write_shard(stage / "part-00000.parquet", samples, blobs)
    return samples


def load_by_card(place: Path, layout: str, convert: Callable[[Any], Any]) -> Any:
    """Load an export with the call in its card, and close its files."""
    call = LOAD_CALLS[layout].replace("PATH", str(place)).replace(")", f', cache_dir="{place.parent / "cache"}")')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        rows = convert(eval(call, {"load_dataset": datasets.load_dataset}))
        gc.collect()
    return rows


@pytest.mark.parametrize("layout", ["hf", "jsonl", "imagefolder"])
def test_rows_have_their_provenance_in_a_column(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    named = [
        Sample({**sample.fields, "provenance": f"mine {nth}"}, sample.parents)
        for nth, sample in enumerate(kept_samples)
    ]
    export(named, StoredImages([stage]), tmp_path / "out", layout, provenance=provenance_of)
    rows = load_by_card(tmp_path / "out", layout, list)
    assert {row["id"]: json.loads(row["provenance"]) for row in rows} == {
        sample.id: json.loads(provenance_of(sample).json()) for sample in named
    }
    assert sorted(row["provenance_"] for row in rows) == [f"mine {nth}" for nth in range(4)]


@pytest.mark.parametrize("layout", ["jsonl", "imagefolder"])
def test_image_files_have_provenance_and_the_same_pixels(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    export(kept_samples, StoredImages([stage]), tmp_path / "out", layout, provenance=provenance_of)
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == len(kept_samples)
    data_by_id = {}
    for file in files:
        data = file.read_bytes()
        provenance, same = read_provenance(data)
        assert same
        data_by_id[provenance.id] = data
        with Pillow.open(file) as image:
            assert image.text["Prompt"] == PROMPT  # type: ignore[attr-defined]
    for nth, sample in enumerate(kept_samples):
        assert strip_provenance(data_by_id[sample.id]) == gray_image(nth)[1]
        assert np.array_equal(decode(data_by_id[sample.id]), decode(gray_image(nth)[1]))


def test_images_in_parquet_have_provenance_and_rows_the_stored_digest(
    stage: Path, kept_samples: list[Sample], tmp_path: Path
) -> None:
    export(kept_samples, StoredImages([stage]), tmp_path / "out", "hf", provenance=provenance_of)

    def bytes_of(data: Any) -> Any:
        return list(data.cast_column("image", datasets.Image(decode=False)))

    for row, sample in zip(load_by_card(tmp_path / "out", "hf", bytes_of), kept_samples, strict=True):
        data = row["image"]["bytes"]
        assert read_provenance(data) == (provenance_of(sample), True)
        assert hashlib.sha256(strip_provenance(data)).hexdigest() == row["image_digest"] == sample.image().digest
        with Pillow.open(io.BytesIO(data)) as image:
            assert image.text["Sample"] == sample.id  # type: ignore[attr-defined]


def test_image_of_several_samples_is_one_file_of_the_first(
    stage: Path, kept_samples: list[Sample], tmp_path: Path
) -> None:
    twins = [kept_samples[0], Sample({**kept_samples[0].fields, "label": "coat"})]
    export(twins, StoredImages([stage]), tmp_path / "out", "jsonl", provenance=provenance_of)
    (file,) = (tmp_path / "out" / "images").iterdir()
    assert read_provenance(file.read_bytes())[0].id == twins[0].id
    lines = [json.loads(line) for line in (tmp_path / "out" / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line["provenance"])["id"] for line in lines] == [sample.id for sample in twins]


@pytest.mark.parametrize("layout", ["alpaca", "sharegpt", "messages", "preference"])
def test_other_layouts_have_a_provenance_file_and_load_as_before(tmp_path: Path, layout: ExportLayout) -> None:
    export(TASKS, StoredImages([]), tmp_path / "out", layout, provenance=provenance_of)
    lines = [json.loads(line) for line in (tmp_path / "out" / PROVENANCE_FILE).read_text(encoding="utf-8").splitlines()]
    assert [(line["row"], line["id"]) for line in lines] == [(nth, task.id) for nth, task in enumerate(TASKS)]
    assert lines == [{"row": nth, **json.loads(provenance_of(task).json())} for nth, task in enumerate(TASKS)]
    export(TASKS, StoredImages([]), tmp_path / "plain", layout)
    (name,) = {"data.json", "data.jsonl"} & {path.name for path in (tmp_path / "out").iterdir()}
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert len(load_by_card(tmp_path / "out", layout, list)) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        data = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
        assert len(data) == 3
        assert "row" not in data.column_names
        del data
        gc.collect()


@pytest.mark.parametrize("layout", ["hf", "jsonl", "imagefolder"])
def test_repeated_export_has_the_same_bytes(
    stage: Path, kept_samples: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    def files(place: Path) -> dict[str, str]:
        export(kept_samples, StoredImages([stage]), place, layout, provenance=provenance_of)
        return {
            path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in place.rglob("*")
            if path.is_file()
        }

    assert files(tmp_path / "one") == files(tmp_path / "other")
