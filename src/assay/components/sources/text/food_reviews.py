"""5,000 real food reviews: five stars ("great") or fewer ("other") (McAuley and Leskovec 2013).

A part of Amazon Fine Foods from the R package modeldata (`small_fine_foods`), which Debian packages.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from assay.components.sources.files.records import check_limit, first_of_each
from assay.components.sources.image import debian
from assay.core.errors import SourceError, require
from assay.core.lab import Lab
from assay.core.sample import Sample

PACKAGE = "r-cran-modeldata"
INSTALLED = Path("/usr/lib/R/site-library/modeldata/data")
TABLES = {"train": ("training_data", slice(0, 3000)), "validation": ("training_data", slice(3000, 4000))} | {
    "test": ("testing_data", slice(0, 1000))
}
"""R's table and its rows for each split. There is no validation split, so it is the end of the training table."""
DIGESTS = {
    "training_data": "8480395e443cfd1204f3204894208cbdbecb50616486ea139f69e5e29482a491",
    "testing_data": "4b7bda1210f5405215e1778da9cab4acb1c1e9c3c07164c0768cbf12e6cb9c6a",
}
"""SHA-256 of the reviews and scores, row by row, which does not depend on R's compression."""


@dataclass(frozen=True)
class FoodReviews:
    """The first `per_label` reviews of each label, or all, in the order of the table, with normalized line breaks.

    A review posted under several products may occur in two tables, or twice in one: it is read once, in the last of
    train, validation and test that has it.
    """

    split: Literal["train", "validation", "test"] = "test"
    per_label: int | None = None
    folder: str | None = None
    """Folder of modeldata's Rdata.rdb and Rdata.rdx; found or downloaded if None."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.split not in TABLES:
            raise ValueError(f"FoodReviews.split must be one of {', '.join(TABLES)}, was {self.split!r}.")
        check_limit("FoodReviews", "per_label", self.per_label)

    def read(self, lab: Lab) -> Sequence[Sample]:
        later = {text for split in list(TABLES)[list(TABLES).index(self.split) + 1 :] for text, _ in self._rows(split)}
        samples = []
        for nth, (text, label) in enumerate(self._rows(self.split)):
            if text not in later:
                later.add(text)
                origin = f"fine-foods/{self.split}/{nth:04d}"
                samples.append(Sample({"label": label, "text": text, "origin": origin}))
        return first_of_each(samples, self.per_label, 0, f"FoodReviews {self.split}")

    def _rows(self, split: str) -> Sequence[tuple[str, str]]:
        table, part = TABLES[split]
        return rows(table, self.folder)[part]


@lru_cache(maxsize=4)
def rows(table: str, folder: str | None) -> Sequence[tuple[str, str]]:
    """(review, "great" or "other") of each row of one of R's tables.

    Raises:
        SourceError: The data is not available, or its digest is wrong.
    """
    place = Path(folder) if folder is not None else find()
    frame = _frame(place, table)
    reviews = [
        (str(text).replace("<br />", "\n"), str(score))
        for text, score in zip(frame["review"], frame["score"], strict=True)
    ]
    digest = hashlib.sha256("\0".join("\0".join(row) for row in reviews).encode()).hexdigest()
    if digest != DIGESTS[table]:
        raise SourceError(
            f"{table} in {place} is not modeldata's: SHA-256 must be {DIGESTS[table]}, was {digest}.",
            hint="Delete it and download it again.",
        )
    return reviews


def cache_folder() -> Path:
    """Folder of an unpacked copy, below $XDG_CACHE_HOME or ~/.cache."""
    return debian.cache_folder("modeldata")


def find() -> Path:
    """Return the folder of the tables: Debian's installed package, our cache, or the downloaded package.

    Raises:
        SourceError: The data is not available.
    """
    for folder in (INSTALLED, cache_folder()):
        if folder.is_dir():
            return folder
    try:
        return debian.unpack_package(PACKAGE, INSTALLED, cache_folder())
    except debian.NotAvailable as reason:
        raise SourceError(
            f"The food reviews are not available: package {PACKAGE}: {reason}.",
            hint="With a network, run `apt-get update` first; or set `folder` to the folder of modeldata's Rdata.rdb.",
        ) from reason


def _frame(folder: Path, table: str) -> Any:
    """Read a table of R's lazy-load database: an index (.rdx) into a file of compressed objects (.rdb)."""
    rdata = require("rdata", "text")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about classes that only print tables
            index = rdata.read_rds(folder / "Rdata.rdx")
            compressed = _compressed(folder / "Rdata.rdb", index["variables"], table)
            return rdata.conversion.convert(rdata.parser.parse_data(_decompressed(compressed)))
    except (OSError, KeyError, ValueError, EOFError, NotImplementedError, zlib.error, lzma.LZMAError) as problem:
        raise SourceError(
            f"{folder} must have Rdata.rdx and Rdata.rdb with {table}: {type(problem).__name__}: {problem}."
        ) from problem


def _compressed(file: Path, variables: Mapping[str, Sequence[int]], table: str) -> bytes:
    start, length = (int(number) for number in variables[table])
    with file.open("rb") as whole:
        whole.seek(start)
        return whole.read(length)


def _decompressed(packed: bytes) -> bytes:
    """Four bytes of length, then zlib; or a letter for another compression and its data (R's `lazyload.c`)."""
    if packed[4:5] == b"Z":
        return lzma.decompress(packed[5:], lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
    if packed[4:5] == b"2":
        return bz2.decompress(packed[5:])
    return zlib.decompress(packed[4:])
