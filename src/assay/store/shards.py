"""Shards of generated samples with encoded images, one parquet file each.

An example row: id "3f2a...", image {bytes, path "<digest>.png"}, image_digest, image_width 28, image_height 28,
label "bag", parents ["91c0..."], made_by "GenerateImages", nth 3, failure null, failure_seed null. A failed row has
only the last two. Field names that parquet tools do not support are renamed; the metadata of the file maps columns to
fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from assay.core.sample import Failure, Image, Made, Sample
from assay.store.tables import damaged_file_error, read_columns, read_metadata, write_table

FieldKind = Literal["text", "image"]

RESERVED = ("id", "parents", "made_by", "nth", "failure", "failure_seed")
_IMAGE_PARTS = ("", "_digest", "_width", "_height")
# Parquet readers interpret a dot as a struct field, and many tools fail on control characters.
_COLUMN_NAME = re.compile(r"\w(?:[\w -]*\w)?")


@dataclass(frozen=True)
class Column:
    """Column of a sample field. An image has three more columns: NAME_digest, NAME_width and NAME_height."""

    field: str
    kind: FieldKind
    name: str

    @property
    def names(self) -> list[str]:
        """Columns of the field, except the one with encoded bytes."""
        return [self.name] if self.kind == "text" else [self.name + part for part in _IMAGE_PARTS[1:]]


def field_kinds(samples: Iterable[Sample]) -> set[tuple[str, FieldKind]]:
    """All fields of `samples` with their kind; one name may occur with both kinds."""
    return {
        (name, "text" if isinstance(value, str) else "image")
        for sample in samples
        for name, value in sample.fields.items()
    }


def assign_columns(fields: Iterable[tuple[str, FieldKind]], reserved: Sequence[str] = RESERVED) -> list[Column]:
    """Assign a column to each field, in order of name; deterministic for a set of fields.

    Names that are taken get a trailing underscore; unsupported names become "field".
    """
    used_names = set(reserved)
    columns = []
    for field, kind in sorted(set(fields)):
        parts = _IMAGE_PARTS if kind == "image" else ("",)
        name = field if _COLUMN_NAME.fullmatch(field) else "field"
        while any(name + part in used_names for part in parts):
            name += "_"
        used_names.update(name + part for part in parts)
        columns.append(Column(field, kind, name))
    return columns


SAMPLES = "samples"
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FAILURE = ("failure", "failure_seed")


def write_shard(
    path: Path,
    rows: Sequence[Made],
    blobs: Mapping[str, bytes],
    *,
    fields: Iterable[tuple[str, FieldKind]] = (),
) -> None:
    """Write samples and failures with the encoded images in `blobs` (bytes by digest) that the samples reference.

    Images that are not in `blobs` are stored elsewhere: the image is null, its digest is kept. `fields` are columns to
    write even if no sample of this shard has them.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    columns = assign_columns({*fields, *field_kinds(row for row in rows if isinstance(row, Sample))})
    _write(path, _table(rows, blobs, columns), columns)


def write_export_shard(
    path: Path,
    samples: Sequence[Sample],
    blobs: Mapping[str, bytes],
    columns: list[Column],
    more: Mapping[str, Sequence[str]],
) -> None:
    """Write a shard for other tools: the given columns, no failures, and `more` text columns."""
    table = _table(samples, blobs, columns).drop_columns(list(_FAILURE))
    for name, texts in more.items():
        table = table.append_column(name, pa.array(texts, pa.string()))
    _write(path, table, columns)


def read_shard(path: Path) -> list[Made]:
    """Read samples and failures in order, without encoded images.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    columns = _columns(path)
    names = ["id", "parents", "made_by", "nth", *_FAILURE, *(name for column in columns for name in column.names)]
    return [_parse_row(path, row, columns) for row in read_columns(path, names).to_pylist()]


def read_encoded_images(path: Path) -> dict[str, bytes]:
    """Encoded images of the shard by digest, neither decoded nor verified.

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


def stored_image_digests(path: Path) -> list[str]:
    """Digests of the images whose bytes are in the shard; reads only their names.

    Raises:
        StoreError: The file is missing, damaged, or holds something else.
    """
    images = [column.name for column in _columns(path) if column.kind == "image"]
    table = read_columns(path, [f"{name}.path" for name in images])
    return [_digest(row["path"]) for name in images for row in table.column(name).to_pylist() if row is not None]


def _digest(image_path: str) -> str:
    return image_path.removesuffix(".png")


def _columns(path: Path) -> list[Column]:
    return [Column(**column) for column in read_metadata(path, SAMPLES)["columns"]]


def _write(path: Path, table: pa.Table, columns: Sequence[Column]) -> None:
    write_table(path, table, SAMPLES, {"columns": [asdict(column) for column in columns]})


def _table(rows: Sequence[Made], blobs: Mapping[str, bytes], columns: Sequence[Column]) -> pa.Table:
    samples = [sample if isinstance(sample, Sample) else None for sample in rows]
    failures = [failure if isinstance(failure, Failure) else None for failure in rows]
    arrays = {"id": pa.array([sample and sample.id for sample in samples], pa.string())}
    for column in columns:
        values = [sample.fields.get(column.field) if sample else None for sample in samples]
        arrays |= _text_array(column, values) if column.kind == "text" else _image_arrays(column, values, blobs)
    arrays |= {
        "parents": pa.array([sample and list(sample.parents) for sample in samples], pa.list_(pa.string())),
        "made_by": pa.array([sample and sample.made_by for sample in samples], pa.string()),
        "nth": pa.array([sample and sample.nth for sample in samples], pa.int64()),
        "failure": pa.array([failure and failure.reason for failure in failures], pa.string()),
        "failure_seed": pa.array([failure and failure.seed for failure in failures], pa.string()),
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


def _parse_row(path: Path, row: Mapping[str, Any], columns: Sequence[Column]) -> Made:
    if row["failure"] is not None:
        return Failure(seed=row["failure_seed"], reason=row["failure"])
    fields: dict[str, str | Image] = {}
    for column in columns:
        values = [row[name] for name in column.names]
        if values[0] is not None:
            fields[column.field] = values[0] if column.kind == "text" else Image(*values)
    sample = Sample(fields, tuple(row["parents"]), row["made_by"], row["nth"])
    if sample.id != row["id"]:
        raise damaged_file_error(path, f"row {row['id']} contains another sample, {sample.id}")
    return sample
