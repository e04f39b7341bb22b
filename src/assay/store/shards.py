"""Shards of samples: what a generator made, with the bytes of its images, in one parquet file.

An example row: id "3f2a...", image {bytes, path "<digest>.png"}, image_digest, image_width 28, image_height 28,
label "bag", parents ["91c0..."], made_by "paint", nth 3, failure null, failure_seed null. A failed row has only the
last two. Field names that parquet tools cannot take are renamed; the file's notes say which field each column holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.core.sample import Failure, Image, Made, Sample
from assay.store.layout import Column, Kind, field_kinds, lay_out
from assay.store.tables import damaged_row, is_whole, read_columns, read_notes, write_table

__all__ = ["is_whole", "read_blobs", "read_made", "stored_digests", "write_made", "write_samples"]

MADE = "samples"
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FAILURE = ("failure", "failure_seed")


def write_made(
    path: Path,
    made: Sequence[Made],
    blobs: Mapping[str, bytes],
    *,
    fields: Iterable[tuple[str, Kind]] = (),
) -> None:
    """Writes samples and failures, and of `blobs` (digest to encoded bytes) those that a sample names.

    An image whose bytes are not in `blobs` lies elsewhere in the store: its image is null here, its digest is kept.
    `fields` are columns to have even where no sample of this shard has them.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    columns = lay_out({*fields, *field_kinds(one for one in made if isinstance(one, Sample))})
    _write(path, _table(made, blobs, columns), columns)


def write_samples(
    path: Path,
    samples: Sequence[Sample],
    blobs: Mapping[str, bytes],
    columns: list[Column],
    more: Mapping[str, Sequence[str]],
) -> None:
    """As `write_made`, for other tools: the given columns, none for failures, and `more` texts, one a sample."""
    table = _table(samples, blobs, columns).drop_columns(list(_FAILURE))
    for name, texts in more.items():
        table = table.append_column(name, pa.array(texts, pa.string()))
    _write(path, table, columns)


def read_made(path: Path) -> list[Made]:
    """What `write_made` was given, in order; no encoded image is read.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    columns = _columns(path)
    names = ["id", "parents", "made_by", "nth", *_FAILURE, *(name for column in columns for name in column.names)]
    return [_made(path, row, columns) for row in read_columns(path, names).to_pylist()]


def read_blobs(path: Path) -> dict[str, bytes]:
    """The encoded images that lie in the shard, by digest, as they were written: nothing is decoded or checked.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    images = [column.name for column in _columns(path) if column.kind == "image"]
    table = read_columns(path, images)
    return {
        _digest(image["path"]): image["bytes"]
        for name in images
        for image in table.column(name).to_pylist()
        if image is not None
    }


def stored_digests(path: Path) -> list[str]:
    """The digests of the images whose bytes lie in the shard; reads their names alone.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    images = [column.name for column in _columns(path) if column.kind == "image"]
    table = read_columns(path, [f"{name}.path" for name in images])
    return [_digest(row["path"]) for name in images for row in table.column(name).to_pylist() if row is not None]


def _digest(image_path: str) -> str:
    return image_path.removesuffix(".png")


def _columns(path: Path) -> list[Column]:
    return [Column(**column) for column in read_notes(path, MADE)["columns"]]


def _write(path: Path, table: pa.Table, columns: Sequence[Column]) -> None:
    write_table(path, table, MADE, {"columns": [asdict(column) for column in columns]})


def _table(made: Sequence[Made], blobs: Mapping[str, bytes], columns: Sequence[Column]) -> pa.Table:
    samples = [one if isinstance(one, Sample) else None for one in made]
    failures = [one if isinstance(one, Failure) else None for one in made]
    arrays = {"id": pa.array([one and one.id for one in samples], pa.string())}
    for column in columns:
        values = [one.fields.get(column.field) if one else None for one in samples]
        arrays |= _text_array(column, values) if column.kind == "text" else _image_arrays(column, values, blobs)
    arrays |= {
        "parents": pa.array([one and list(one.parents) for one in samples], pa.list_(pa.string())),
        "made_by": pa.array([one and one.made_by for one in samples], pa.string()),
        "nth": pa.array([one and one.nth for one in samples], pa.int64()),
        "failure": pa.array([one and one.reason for one in failures], pa.string()),
        "failure_seed": pa.array([one and one.seed for one in failures], pa.string()),
    }
    return pa.table(arrays)


def _text_array(column: Column, values: Sequence[str | Image | None]) -> dict[str, Any]:
    return {column.name: pa.array([value if isinstance(value, str) else None for value in values], pa.string())}


def _image_arrays(column: Column, values: Sequence[str | Image | None], blobs: Mapping[str, bytes]) -> dict[str, Any]:
    images = [value if isinstance(value, Image) else None for value in values]
    cells = [
        {"bytes": blobs[image.digest], "path": f"{image.digest}.png"} if image and image.digest in blobs else None
        for image in images
    ]
    digest, width, height = column.names
    return {
        column.name: pa.array(cells, _IMAGE),
        digest: pa.array([image and image.digest for image in images], pa.string()),
        width: pa.array([image and image.width for image in images], pa.int64()),
        height: pa.array([image and image.height for image in images], pa.int64()),
    }


def _made(path: Path, row: Mapping[str, Any], columns: Sequence[Column]) -> Made:
    if row["failure"] is not None:
        return Failure(seed=row["failure_seed"], reason=row["failure"])
    fields: dict[str, str | Image] = {}
    for column in columns:
        values = [row[name] for name in column.names]
        if values[0] is not None:
            fields[column.field] = values[0] if column.kind == "text" else Image(*values)
    sample = Sample(fields, tuple(row["parents"]), row["made_by"], row["nth"])
    if sample.id != row["id"]:
        raise damaged_row(path, f"the row called {row['id']} holds another sample, {sample.id}")
    return sample
