from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_parts import MADE, NAME, SAMPLE, image_samples

from assay.core.errors import StoreError
from assay.core.sample import Failure, Image, Made, Sample
from assay.store.shards import (
    assign_columns,
    read_encoded_images,
    read_shard,
    stored_image_digests,
    write_shard,
)
from assay.store.tables import is_readable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


@given(rows=MADE, stored=st.sets(st.sampled_from("abcdef")))
def test_shard_round_trip(folder: Path, rows: list[Made], stored: set[str]) -> None:
    path = folder / "part-00000.parquet"
    blobs = {letter * 64: letter.encode() * 3 for letter in stored}
    write_shard(path, rows, blobs)
    assert read_shard(path) == rows
    named = {
        value.digest
        for row in rows
        if isinstance(row, Sample)
        for value in row.fields.values()
        if isinstance(value, Image)
    }
    assert read_encoded_images(path) == {digest: data for digest, data in blobs.items() if digest in named}
    assert set(stored_image_digests(path)) == set(blobs) & named
    assert is_readable(path)


@given(rows=MADE)
def test_equal_rows_give_equal_bytes(folder: Path, rows: list[Made]) -> None:
    first, second = folder / "one.parquet", folder / "two.parquet"
    write_shard(first, rows, {"a" * 64: b"a"})
    backwards = [
        Sample(dict(reversed(row.fields.items())), row.parents, row.made_by, row.nth)
        if isinstance(row, Sample)
        else row
        for row in rows
    ]
    write_shard(second, backwards, {"unused": b"?", "a" * 64: b"a"})
    assert first.read_bytes() == second.read_bytes()


@given(fields=st.sets(st.tuples(NAME, st.sampled_from(["text", "image"])), max_size=8))
def test_no_two_columns_share_a_name(fields: set[tuple[str, str]]) -> None:
    columns = assign_columns(fields)  # type: ignore[arg-type]
    names = ["id", "parents", "made_by", "nth", "failure", "failure_seed"]
    for column in columns:
        names += {column.name, *column.names}
    assert len(names) == len(set(names))
    assert {(column.field, column.kind) for column in columns} == fields
    assert all("." not in name and name.isprintable() for name in names)


def test_missing_and_empty_texts_stay_apart(tmp_path: Path) -> None:
    rows = [Sample({"a": ""}), Sample({"b": ""}), Sample({}), Failure("", "")]
    write_shard(tmp_path / "s.parquet", rows, {})
    assert read_shard(tmp_path / "s.parquet") == rows
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column("a").to_pylist() == ["", None, None, None]
    assert table.column("failure").to_pylist() == [None, None, None, ""]


def test_names_of_ordinary_columns(tmp_path: Path) -> None:
    samples, blobs = image_samples(1)
    write_shard(tmp_path / "s.parquet", samples, blobs, fields=[("prompt", "text")])
    table = pq.read_table(tmp_path / "s.parquet")
    images = ["image", "image_digest", "image_width", "image_height"]
    lineage = ["parents", "made_by", "nth", "failure", "failure_seed"]
    assert table.column_names == ["id", *images, "label", "prompt", *lineage]
    (digest,) = blobs
    assert table.column("image").to_pylist() == [{"bytes": blobs[digest], "path": f"{digest}.png"}]
    assert table.column("id").to_pylist() == [samples[0].id]


def test_truncated_shard_is_not_readable(tmp_path: Path) -> None:
    samples, blobs = image_samples(3)
    path = tmp_path / "s.parquet"
    write_shard(path, [*samples, Failure("x", "nan")], blobs)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    every = {*range(0, len(data), 41), *range(16), *range(footer - 16, footer + 16), *range(len(data) - 32, len(data))}
    for length in sorted(every):
        path.write_bytes(data[:length])
        assert not is_readable(path), f"cut off after {length} of {len(data)} bytes"
    path.write_bytes(data)
    assert is_readable(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match=path.name):
        read_shard(path)


def test_other_files_are_not_readable(tmp_path: Path) -> None:
    assert not is_readable(tmp_path / "missing.parquet")
    assert not is_readable(tmp_path)
    (tmp_path / "text").write_text("PAR1 and so on PAR1")
    assert not is_readable(tmp_path / "text")


def test_a_flipped_byte_in_the_pages_never_gives_other_samples(tmp_path: Path) -> None:
    samples, blobs = image_samples(3)
    path = tmp_path / "s.parquet"
    write_shard(path, samples, blobs)
    data = bytearray(path.read_bytes())
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    caught = 0
    for at in range(4, footer, 7):
        data[at] ^= 0x55
        path.write_bytes(data)
        try:
            assert read_shard(path) == samples
            assert read_encoded_images(path) == blobs
        except StoreError:
            caught += 1
        data[at] ^= 0x55
    assert caught > footer // 20


@pytest.mark.parametrize("reader", [read_shard, read_encoded_images, stored_image_digests])
def test_other_files_are_refused_by_name(tmp_path: Path, reader: object) -> None:
    assert callable(reader)
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "foreign.parquet")
    with pytest.raises(StoreError, match=r"foreign\.parquet"):
        reader(tmp_path / "foreign.parquet")
    with pytest.raises(StoreError, match=r"gone\.parquet"):
        reader(tmp_path / "gone.parquet")


def test_edited_row_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write_shard(path, [Sample({"label": "bag"})], {})
    table = pq.read_table(path)
    at = table.column_names.index("label")
    pq.write_table(table.set_column(at, "label", pa.array(["coat"])), path)
    with pytest.raises(StoreError, match=path.name):
        read_shard(path)


@settings(max_examples=5, deadline=None)
@given(sample=SAMPLE)
def test_a_shard_can_be_replaced(folder: Path, sample: Sample) -> None:
    path = folder / "again.parquet"
    write_shard(path, [sample], {})
    write_shard(path, [sample, sample], {})
    assert read_shard(path) == [sample, sample]
    assert not list(folder.glob(".*.tmp"))
