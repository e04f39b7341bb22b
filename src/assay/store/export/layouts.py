"""Export layouts hf, imagefolder and jsonl; each writes samples and images to an empty folder."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from assay.core.errors import StoreError
from assay.core.provenance import Provenance
from assay.core.sample import Image, Sample
from assay.images.codec import decode, encode_png
from assay.images.metadata import PNG, embed_provenance
from assay.store.atomic import disk_errors
from assay.store.images import StoredImages
from assay.store.shards import RESERVED, Column, assign_columns, field_kinds, write_export_shard

SHARD_BYTES = 256 * 2**20
"""Maximum size of decoded pixels per parquet file, unless a single sample is larger."""
PROVENANCE = "provenance"
"""Column with the provenance of a row as JSON text."""
ProvenanceLookup = Callable[[Sample], Provenance]
"""Returns the provenance of a sample."""
_LABEL = "label"
_NO_LABEL = "unlabeled"
# `datasets` treats a folder with one of these words as a split, and then ignores all other folders.
_SPLIT_WORD = re.compile(
    r"(?:^|(?<=[-._ 0-9]))(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?=$|[-._ 0-9])"
)


def write_hf(
    samples: Sequence[Sample], images: StoredImages, folder: Path, provenance: ProvenanceLookup | None = None
) -> None:
    """Write parquet shards with the same columns."""
    columns = assign_columns(field_kinds(samples), _reserved_columns(provenance))
    shards = list(_shards(samples))
    with disk_errors(folder):
        (folder / "data").mkdir()
    for i, shard in enumerate(shards):
        blobs: dict[str, bytes] = {}
        for sample in shard:
            for image, data in zip(_images(sample), images.encoded(_images(sample)), strict=True):
                blobs.setdefault(image.digest, _with_provenance(data, sample, provenance))
        more = {} if provenance is None else {PROVENANCE: [provenance(sample).json() for sample in shard]}
        write_export_shard(folder / "data" / f"train-{i:05d}-of-{len(shards):05d}.parquet", shard, blobs, columns, more)


def write_imagefolder(
    samples: Sequence[Sample], images: StoredImages, folder: Path, provenance: ProvenanceLookup | None = None
) -> None:
    """Write LABEL/ID.png and metadata.csv with every text field; missing text is an empty cell."""
    kinds = field_kinds(samples)
    columns = [
        column
        for column in assign_columns(kinds, ("file_name", *_reserved_columns(provenance)))
        if column.kind == "text"
    ]
    names = _safe_names(samples)
    last = [] if provenance is None else [PROVENANCE]
    with disk_errors(folder), (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "id", *(column.name for column in columns), *last])
        for shard in _shards(samples):
            for sample, data in zip(shard, images.encoded([_image(sample) for sample in shard]), strict=True):
                path = f"{names[_label(sample)]}/{sample.id}.png"
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_bytes(_with_provenance(_as_png(data), sample, provenance))
                cells = [] if provenance is None else [provenance(sample).json()]
                table.writerow([path, sample.id, *(_cell(sample, column) for column in columns), *cells])


def write_jsonl(
    samples: Sequence[Sample], images: StoredImages, folder: Path, provenance: ProvenanceLookup | None = None
) -> None:
    """Write data.jsonl, without missing fields, and images/DIGEST.png.

    An image of several samples is one file, with the provenance of the first sample.
    """
    columns = assign_columns(field_kinds(samples), _reserved_columns(provenance))
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for sample in samples:
            for image, data in zip(_images(sample), images.encoded(_images(sample)), strict=True):
                (folder / "images").mkdir(exist_ok=True)
                if not (folder / _file(image)).exists():
                    (folder / _file(image)).write_bytes(_with_provenance(_as_png(data), sample, provenance))
            extra = {} if provenance is None else {PROVENANCE: provenance(sample).json()}
            file.write(json.dumps(_line(sample, columns) | extra, ensure_ascii=False) + "\n")


def safe_name(label: str) -> str:
    """Portable folder name for a label, neither hidden nor the name of a split."""
    name = re.sub(r"[^\w +&'(),.=~!@-]", "_", label).strip(" .").lstrip("_")
    name = name.encode()[:100].decode(errors="ignore").strip(" .")
    return _SPLIT_WORD.sub(lambda word: f"={word[0]}", name) or "label"


def _safe_names(samples: Sequence[Sample]) -> dict[str, str]:
    """Unique folder name by label, also on case-insensitive file systems."""
    names: dict[str, str] = {}
    folded_names = {"metadata.csv"}
    for label in sorted({_label(sample) for sample in samples}):
        name = base = safe_name(label)
        number = 2
        while name.casefold() in folded_names:
            name, number = f"{base}~{number}", number + 1
        folded_names.add(name.casefold())
        names[label] = name
    return names


def _label(sample: Sample) -> str:
    value = sample.fields.get(_LABEL)
    return value if isinstance(value, str) else _NO_LABEL


def _image(sample: Sample) -> Image:
    """Image of a sample: the field "image", or its only image."""
    named, images = sample.fields.get("image"), _images(sample)
    if isinstance(named, Image):
        return named
    if len(images) == 1:
        return images[0]
    raise StoreError(
        f"Sample {sample.id} has {len(images)} images and no field 'image': image folders need one per sample.",
        hint="Export it as hf or jsonl.",
    )


def _images(sample: Sample) -> list[Image]:
    return [value for value in sample.fields.values() if isinstance(value, Image)]


def _cell(sample: Sample, column: Column) -> str:
    value = sample.fields.get(column.field)
    return value if isinstance(value, str) else ""


def _line(sample: Sample, columns: Sequence[Column]) -> dict[str, object]:
    line: dict[str, object] = {"id": sample.id}
    for column in columns:
        value = sample.fields.get(column.field)
        if column.kind == "text" and isinstance(value, str):
            line[column.name] = value
        elif column.kind == "image" and isinstance(value, Image):
            line[column.name] = _file(value)
    return line | {"parents": list(sample.parents), "made_by": sample.made_by, "nth": sample.nth}


def _file(image: Image) -> str:
    return f"images/{image.digest}.png"


def _as_png(data: bytes) -> bytes:
    """Convert other formats, such as JPEG of collected photographs, to PNG."""
    return data if data.startswith(PNG) else encode_png(decode(data))


def _with_provenance(data: bytes, sample: Sample, provenance: ProvenanceLookup | None) -> bytes:
    """Image with embedded provenance, if it is a PNG file."""
    return data if provenance is None or not data.startswith(PNG) else embed_provenance(data, provenance(sample))


def _reserved_columns(provenance: ProvenanceLookup | None) -> tuple[str, ...]:
    """Reserved column names."""
    return RESERVED if provenance is None else (*RESERVED, PROVENANCE)


def _shards(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Shards of at most SHARD_BYTES; at least one, so that an empty data set can be opened."""
    shard: list[Sample] = []
    size = 0
    for sample in samples:
        weight = sum(3 * image.width * image.height for image in _images(sample))
        if shard and size + weight > SHARD_BYTES:
            yield shard
            shard, size = [], 0
        shard.append(sample)
        size += weight
    yield shard
