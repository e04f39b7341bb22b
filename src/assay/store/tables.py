"""Parquet files with assay's habits: equal rows give equal bytes, and `datasets` opens them as they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.core.errors import StoreError
from assay.store.atomic import write_bytes

FORMAT = 1
"""Goes up when a reader of today could not read what is written tomorrow."""

# What pyarrow raises for a file that is cut off, overwritten or not parquet depends on where it trips.
_DAMAGE = (OSError, ValueError, KeyError, pa.ArrowException)
_AGAIN = "Give the command that made it again: a file that does not match its receipt is made anew."


def write_table(path: Path, table: pa.Table, kind: str, notes: Mapping[str, object] | None = None) -> None:
    """Writes `table` as one parquet file, zstd, page checksums, no timestamps, in one step.

    `kind` says what the rows are and `notes` what a reader needs besides; both lie in the schema's metadata.

    Raises:
        StoreError: The disk is full, or the path cannot be written.
    """
    features = {field.name: _feature(field.type) for field in table.schema}
    metadata = {
        "huggingface": json.dumps({"info": {"features": features}}, sort_keys=True),
        "assay": json.dumps({"kind": kind, "format": FORMAT, "notes": notes or {}}, sort_keys=True),
    }
    table = table.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        # Dictionaries and smallest values of encoded images would only repeat them in the footer.
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        # A group of no rows is legal, and `datasets` trips over it.
        if table.num_rows:
            writer.write_table(table)
    write_bytes(path, sink.getvalue())


def read_notes(path: Path, kind: str) -> dict[str, Any]:
    """The notes of the file of `kind` at `path`.

    Raises:
        StoreError: There is no such file, it is damaged, or it holds something else.
    """
    about = _about(path)
    if about.get("kind") != kind:
        raise StoreError(f"{path} holds {about.get('kind', 'nothing that assay wrote')}, expected {kind}.")
    if about["format"] > FORMAT:
        raise StoreError(f"{path} was written by a newer assay (format {about['format']}, this one reads {FORMAT}).")
    notes: dict[str, Any] = about["notes"]
    return notes


def kind_of(path: Path) -> str | None:
    """What the rows of the parquet file at `path` are; None where assay did not write it.

    Raises:
        StoreError: There is no such file, or it is damaged.
    """
    kind: str | None = _about(path).get("kind")
    return kind


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """The columns of the parquet file at `path`; "image.path" reads one part of a struct and not its bytes.

    Raises:
        StoreError: There is no such file, it is damaged, or it lacks a column.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=list(columns), use_threads=False)
        for name in columns:
            table.column(name.partition(".")[0])
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return table


def is_whole(path: Path) -> bool:
    """Whether a parquet file with a readable footer lies at `path`; never raises for a file that is cut off."""
    try:
        with pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows) >= 0
    except (*_DAMAGE, MemoryError):
        # A footer of random bytes can ask for any amount of memory.
        return False


def _about(path: Path) -> dict[str, Any]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        about: dict[str, Any] = json.loads(metadata.get(b"assay", b"{}"))
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return about


def damaged_row(path: Path, why: object) -> StoreError:
    """The error for a file that opens and yet says something impossible."""
    return StoreError(f"{path} is damaged: {why}.", hint=_AGAIN)


def _damaged(path: Path, error: BaseException) -> StoreError:
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{path} does not exist.")
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return damaged_row(path, first_line.rstrip("."))


def _feature(type_: Any) -> dict[str, object]:
    """What Hugging Face `datasets` calls an arrow type; the only structs that assay writes are images."""
    if pa.types.is_struct(type_):
        return {"_type": "Image"}
    if pa.types.is_list(type_):
        return {"_type": "List", "feature": _feature(type_.value_type)}
    names = {"double": "float64", "float": "float32"}
    return {"_type": "Value", "dtype": names.get(str(type_), str(type_))}
