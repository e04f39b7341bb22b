"""Deterministic parquet files that Hugging Face `datasets` can open."""

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
"""Incremented when older versions cannot read newer files."""

# Exceptions of pyarrow for truncated, overwritten or non-parquet files.
_DAMAGE = (OSError, ValueError, KeyError, pa.ArrowException)
_RERUN_HINT = "Run the command that wrote it again: files that do not match their receipt are rewritten."


def write_table(path: Path, table: pa.Table, kind: str, notes: Mapping[str, object] | None = None) -> None:
    """Write `table` atomically as one parquet file with zstd and page checksums, without timestamps.

    `kind` (the row type) and `notes` are stored in the schema metadata.

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
        # Dictionaries and statistics of encoded images would repeat them in the footer.
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        # `datasets` fails on an empty row group, although it is valid.
        if table.num_rows:
            writer.write_table(table)
    write_bytes(path, sink.getvalue())


def read_metadata(path: Path, kind: str) -> dict[str, Any]:
    """Notes of a file that must be of `kind`.

    Raises:
        StoreError: The file is missing, damaged, or of another kind.
    """
    about = _metadata(path)
    if about.get("kind") != kind:
        raise StoreError(f"{path} holds {about.get('kind', 'nothing that assay wrote')}, expected {kind}.")
    if about["format"] > FORMAT:
        raise StoreError(f"{path} was written by a newer assay (format {about['format']}, this one reads {FORMAT}).")
    notes: dict[str, Any] = about["notes"]
    return notes


def table_kind(path: Path) -> str | None:
    """Kind of a parquet file; None if assay did not write it.

    Raises:
        StoreError: The file is missing or damaged.
    """
    kind: str | None = _metadata(path).get("kind")
    return kind


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a parquet file; "image.path" reads one field of a struct without its bytes.

    Raises:
        StoreError: The file is missing, damaged, or lacks a column.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=list(columns), use_threads=False)
        for name in columns:
            table.column(name.partition(".")[0])
    except _DAMAGE as error:
        raise _read_error(path, error) from error
    return table


def is_readable(path: Path) -> bool:
    """Whether `path` is a parquet file with a readable footer; does not raise for truncated files."""
    try:
        with pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows) >= 0
    except (*_DAMAGE, MemoryError):
        # A corrupt footer can request any amount of memory.
        return False


def _metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        about: dict[str, Any] = json.loads(metadata.get(b"assay", b"{}"))
    except _DAMAGE as error:
        raise _read_error(path, error) from error
    return about


def damaged_file_error(path: Path, why: object) -> StoreError:
    """Error for a file with invalid content."""
    return StoreError(f"{path} is damaged: {why}.", hint=_RERUN_HINT)


def _read_error(path: Path, error: BaseException) -> StoreError:
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{path} does not exist.")
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return damaged_file_error(path, first_line.rstrip("."))


def _feature(type_: Any) -> dict[str, object]:
    """Hugging Face `datasets` feature of an arrow type; structs are images."""
    if pa.types.is_struct(type_):
        return {"_type": "Image"}
    if pa.types.is_list(type_):
        return {"_type": "List", "feature": _feature(type_.value_type)}
    names = {"double": "float64", "float": "float32"}
    return {"_type": "Value", "dtype": names.get(str(type_), str(type_))}
