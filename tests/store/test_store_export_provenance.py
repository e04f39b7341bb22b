"""Exports that say where every row came from: in a column, beside the rows, and within images."""

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


def told(sample: Sample) -> Provenance:
    return Provenance(
        id=sample.id, synthetic=True, made_by="GenerateImages", version=1, models=(Used("m"),), prompt=PROMPT
    )


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    return RunFolder.open(tmp_path / "run", create=True).stage("generate-ab12")


@pytest.fixture
def kept(stage: Path) -> list[Sample]:
    samples, blobs = image_samples(4)
    write_shard(stage / "part-00000.parquet", samples, blobs)
    return samples


def opened(place: Path, layout: str, read: Callable[[Any], Any]) -> Any:
    """As the card says it, with nothing of it left open."""
    call = LOAD_CALLS[layout].replace("PATH", str(place)).replace(")", f', cache_dir="{place.parent / "cache"}")')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        found = read(eval(call, {"load_dataset": datasets.load_dataset}))
        gc.collect()
    return found


@pytest.mark.parametrize("layout", ["hf", "jsonl", "imagefolder"])
def test_rows_say_where_they_came_from_however_they_are_opened(
    stage: Path, kept: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    named = [Sample({**one.fields, "provenance": f"mine {nth}"}, one.parents) for nth, one in enumerate(kept)]
    export(named, StoredImages([stage]), tmp_path / "out", layout, provenance=told)
    rows = opened(tmp_path / "out", layout, list)
    assert {row["id"]: json.loads(row["provenance"]) for row in rows} == {
        one.id: json.loads(told(one).json()) for one in named
    }
    assert sorted(row["provenance_"] for row in rows) == [f"mine {nth}" for nth in range(4)]


@pytest.mark.parametrize("layout", ["jsonl", "imagefolder"])
def test_image_files_carry_it_and_their_pixels_do_not_change(
    stage: Path, kept: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    export(kept, StoredImages([stage]), tmp_path / "out", layout, provenance=told)
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == len(kept)
    said = {}
    for file in files:
        data = file.read_bytes()
        one, same = read_provenance(data)
        assert same
        said[one.id] = data
        with Pillow.open(file) as read:
            assert read.text["Prompt"] == PROMPT  # type: ignore[attr-defined]
    for nth, sample in enumerate(kept):
        assert strip_provenance(said[sample.id]) == gray_image(nth)[1]
        assert np.array_equal(decode(said[sample.id]), decode(gray_image(nth)[1]))


def test_images_in_parquet_carry_it_too_and_rows_keep_the_digest_of_the_store(
    stage: Path, kept: list[Sample], tmp_path: Path
) -> None:
    export(kept, StoredImages([stage]), tmp_path / "out", "hf", provenance=told)

    def bytes_of(data: Any) -> Any:
        return list(data.cast_column("image", datasets.Image(decode=False)))

    for row, sample in zip(opened(tmp_path / "out", "hf", bytes_of), kept, strict=True):
        data = row["image"]["bytes"]
        assert read_provenance(data) == (told(sample), True)
        assert hashlib.sha256(strip_provenance(data)).hexdigest() == row["image_digest"] == sample.image().digest
        with Pillow.open(io.BytesIO(data)) as read:
            assert read.text["Sample"] == sample.id  # type: ignore[attr-defined]


def test_one_image_of_several_samples_is_one_file_of_the_first(stage: Path, kept: list[Sample], tmp_path: Path) -> None:
    twins = [kept[0], Sample({**kept[0].fields, "label": "coat"})]
    export(twins, StoredImages([stage]), tmp_path / "out", "jsonl", provenance=told)
    (file,) = (tmp_path / "out" / "images").iterdir()
    assert read_provenance(file.read_bytes())[0].id == twins[0].id
    lines = [json.loads(line) for line in (tmp_path / "out" / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line["provenance"])["id"] for line in lines] == [one.id for one in twins]


@pytest.mark.parametrize("layout", ["alpaca", "sharegpt", "messages", "preference"])
def test_layouts_without_a_place_for_it_have_it_beside_and_open_as_before(tmp_path: Path, layout: ExportLayout) -> None:
    export(TASKS, StoredImages([]), tmp_path / "out", layout, provenance=told)
    lines = [json.loads(line) for line in (tmp_path / "out" / PROVENANCE_FILE).read_text(encoding="utf-8").splitlines()]
    assert [(line["row"], line["id"]) for line in lines] == [(nth, one.id) for nth, one in enumerate(TASKS)]
    assert lines == [{"row": nth, **json.loads(told(one).json())} for nth, one in enumerate(TASKS)]
    export(TASKS, StoredImages([]), tmp_path / "plain", layout)
    (name,) = {"data.json", "data.jsonl"} & {path.name for path in (tmp_path / "out").iterdir()}
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert len(opened(tmp_path / "out", layout, list)) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        whole = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
        assert len(whole) == 3
        assert "row" not in whole.column_names
        del whole
        gc.collect()


@pytest.mark.parametrize("layout", ["hf", "jsonl", "imagefolder"])
def test_an_export_that_is_made_again_is_the_same_bytes(
    stage: Path, kept: list[Sample], tmp_path: Path, layout: ExportLayout
) -> None:
    def files(place: Path) -> dict[str, str]:
        export(kept, StoredImages([stage]), place, layout, provenance=told)
        return {
            path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in place.rglob("*")
            if path.is_file()
        }

    assert files(tmp_path / "one") == files(tmp_path / "other")
