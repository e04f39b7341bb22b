"""The layouts of an export, one function each: samples and their images into an empty folder."""

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
from assay.store.layout import RESERVED, Column, field_kinds, lay_out
from assay.store.shards import write_samples

SHARD_BYTES = 256 * 2**20
"""Of decoded pixels in one parquet file, at most, where a single sample has no more."""
PROVENANCE = "provenance"
"""The column that says where a row came from: JSON, one text a row, which every tool opens alike."""
Told = Callable[[Sample], Provenance]
"""Where a sample came from."""
_LABEL = "label"
_NO_LABEL = "unlabeled"
# `datasets` takes a folder with one of these words for a split, and then ignores all the other folders.
_SPLIT_WORD = re.compile(
    r"(?:^|(?<=[-._ 0-9]))(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?=$|[-._ 0-9])"
)


def write_hf(samples: Sequence[Sample], images: StoredImages, folder: Path, told: Told | None = None) -> None:
    """Parquet shards that all have the same columns."""
    columns = lay_out(field_kinds(samples), _reserved(told))
    shards = list(_shards(samples))
    with disk_errors(folder):
        (folder / "data").mkdir()
    for i, shard in enumerate(shards):
        blobs: dict[str, bytes] = {}
        for sample in shard:
            for image, data in zip(_images(sample), images.encoded(_images(sample)), strict=True):
                blobs.setdefault(image.digest, _marked(data, sample, told))
        more = {} if told is None else {PROVENANCE: [told(sample).json() for sample in shard]}
        write_samples(folder / "data" / f"train-{i:05d}-of-{len(shards):05d}.parquet", shard, blobs, columns, more)


def write_imagefolder(samples: Sequence[Sample], images: StoredImages, folder: Path, told: Told | None = None) -> None:
    """LABEL/ID.png and metadata.csv with every text field; an empty cell is an empty text or a missing one."""
    kinds = field_kinds(samples)
    columns = [column for column in lay_out(kinds, ("file_name", *_reserved(told))) if column.kind == "text"]
    names = _safe_names(samples)
    last = [] if told is None else [PROVENANCE]
    with disk_errors(folder), (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "id", *(column.name for column in columns), *last])
        for shard in _shards(samples):
            for sample, data in zip(shard, images.encoded([_image(sample) for sample in shard]), strict=True):
                path = f"{names[_label(sample)]}/{sample.id}.png"
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_bytes(_marked(_as_png(data), sample, told))
                said = [] if told is None else [told(sample).json()]
                table.writerow([path, sample.id, *(_cell(sample, column) for column in columns), *said])


def write_jsonl(samples: Sequence[Sample], images: StoredImages, folder: Path, told: Told | None = None) -> None:
    """data.jsonl, a field that a sample lacks left out, and images/DIGEST.png, named in the line of its sample.

    One image of several samples is one file, with the provenance of the first.
    """
    columns = lay_out(field_kinds(samples), _reserved(told))
    with disk_errors(folder), (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for sample in samples:
            for image, data in zip(_images(sample), images.encoded(_images(sample)), strict=True):
                (folder / "images").mkdir(exist_ok=True)
                if not (folder / _file(image)).exists():
                    (folder / _file(image)).write_bytes(_marked(_as_png(data), sample, told))
            said = {} if told is None else {PROVENANCE: told(sample).json()}
            file.write(json.dumps(_line(sample, columns) | said, ensure_ascii=False) + "\n")


def safe_name(label: str) -> str:
    """`label` as the name of a folder on any system, which no tool takes for hidden or for a split."""
    name = re.sub(r"[^\w +&'(),.=~!@-]", "_", label).strip(" .").lstrip("_")
    name = name.encode()[:100].decode(errors="ignore").strip(" .")
    return _SPLIT_WORD.sub(lambda word: f"={word[0]}", name) or "label"


def _safe_names(samples: Sequence[Sample]) -> dict[str, str]:
    """A folder for each label; two labels never share one, even where case does not count."""
    names: dict[str, str] = {}
    taken = {"metadata.csv"}
    for label in sorted({_label(sample) for sample in samples}):
        name = base = safe_name(label)
        number = 2
        while name.casefold() in taken:
            name, number = f"{base}~{number}", number + 1
        taken.add(name.casefold())
        names[label] = name
    return names


def _label(sample: Sample) -> str:
    value = sample.fields.get(_LABEL)
    return value if isinstance(value, str) else _NO_LABEL


def _image(sample: Sample) -> Image:
    """The one image of a sample: the field "image", or the only image it has."""
    named, images = sample.fields.get("image"), _images(sample)
    if isinstance(named, Image):
        return named
    if len(images) == 1:
        return images[0]
    raise StoreError(
        f"Sample {sample.id} has {len(images)} images and none is called 'image': it does not fit an image folder.",
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
    """Collected photographs may be JPEG in the store; a file that ends in .png should be one."""
    return data if data.startswith(PNG) else encode_png(decode(data))


def _marked(data: bytes, sample: Sample, told: Told | None) -> bytes:
    """The image with its provenance in it, where it is a PNG file."""
    return data if told is None or not data.startswith(PNG) else embed_provenance(data, told(sample))


def _reserved(told: Told | None) -> tuple[str, ...]:
    """Names that are columns of ours."""
    return RESERVED if told is None else (*RESERVED, PROVENANCE)


def _shards(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """At least one shard, so that an empty data set opens too."""
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
