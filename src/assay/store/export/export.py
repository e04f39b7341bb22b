"""Export of kept samples as a data set for other tools; written to a temporary folder, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from assay.core.errors import StoreError
from assay.core.sample import Sample
from assay.store.atomic import disk_errors
from assay.store.export.cards import DatasetCard, dataset_card_text
from assay.store.export.chat_layouts import write_alpaca, write_messages, write_preference, write_sharegpt
from assay.store.export.layouts import ProvenanceLookup, write_hf, write_imagefolder, write_jsonl
from assay.store.images import StoredImages
from assay.store.receipts import file_digests

ExportLayout = Literal["hf", "imagefolder", "jsonl", "alpaca", "sharegpt", "messages", "preference"]
MARKER = ".assay-export"
PROVENANCE_FILE = "provenance.jsonl"
"""Provenance for layouts without a provenance column: one line per row, in order."""
_LAYOUTS_WITH_PROVENANCE: dict[str, Callable[[Sequence[Sample], StoredImages, Path, ProvenanceLookup | None], None]] = {
    "hf": write_hf,
    "imagefolder": write_imagefolder,
    "jsonl": write_jsonl,
}
_CHAT_LAYOUTS: dict[str, Callable[[Sequence[Sample], StoredImages, Path], None]] = {
    "alpaca": write_alpaca,
    "sharegpt": write_sharegpt,
    "messages": write_messages,
    "preference": write_preference,
}


def export(
    samples: Sequence[Sample],
    images: StoredImages,
    target: Path,
    layout: ExportLayout,
    card: DatasetCard | None = None,
    provenance: ProvenanceLookup | None = None,
) -> int:
    """Write `samples` with their images and a README.md card to the folder `target`, and return their number.

    * hf: data/train-00000-of-0000N.parquet; `datasets.load_dataset(target)` opens it
    * imagefolder: LABEL/ID.png and metadata.csv; `datasets.load_dataset("imagefolder", data_dir=target)` opens it
    * jsonl: data.jsonl, one sample per line, and images/DIGEST.png
    * alpaca, sharegpt, messages: data.json or data.jsonl with tasks
    * preference: data.jsonl with preference pairs

    With `provenance`, the first three layouts have a column `provenance`, the others a file provenance.jsonl, and PNG
    files have embedded metadata (`images.metadata`). Digests in rows are those of the files without metadata.

    An unchanged earlier export is replaced. A crash leaves no partial target, at most a hidden folder next to it, which
    the next export to the same target removes.

    Raises:
        StoreError: The target has other or changed files, the disk is full, an image is missing or damaged, or a sample
            does not fit the layout.
    """
    _check_target(target)
    destination = target.absolute()
    temporary = _temporary_folder(destination)
    try:
        _write(samples, images, temporary, layout, provenance)
        with disk_errors(temporary):
            (temporary / "README.md").write_text(
                dataset_card_text(
                    replace(card or DatasetCard(), has_provenance=provenance is not None), samples, layout
                ),
                encoding="utf-8",
            )
            (temporary / MARKER).write_text(
                json.dumps({"layout": layout, "files": _files(temporary)}), encoding="utf-8"
            )
            _replace(temporary, destination)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return len(samples)


def _write(
    samples: Sequence[Sample],
    images: StoredImages,
    folder: Path,
    layout: ExportLayout,
    provenance: ProvenanceLookup | None,
) -> None:
    if layout in _LAYOUTS_WITH_PROVENANCE:
        _LAYOUTS_WITH_PROVENANCE[layout](samples, images, folder, provenance)
        return
    _CHAT_LAYOUTS[layout](samples, images, folder)
    if provenance is None:
        return
    with disk_errors(folder), (folder / PROVENANCE_FILE).open("w", encoding="utf-8") as file:
        for row, sample in enumerate(samples):
            file.write(json.dumps({"row": row, **provenance(sample).record()}, ensure_ascii=False) + "\n")


def _files(folder: Path) -> dict[str, str]:
    return {name: sha for name, sha in file_digests(folder).items() if name != MARKER}


def _check_target(target: Path) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        digests = json.loads((target / MARKER).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        digests = None
    if digests is None or digests != _files(target):
        raise StoreError(
            f"{target} is not an unchanged export of assay.",
            hint="Nothing in it was changed. Choose a folder that does not exist.",
        )


def _temporary_folder(destination: Path) -> Path:
    """Create an empty, marked temporary folder next to the target."""
    temporary = destination.with_name(f".{destination.name}.assay-export.tmp")
    if temporary.exists():
        if not (temporary / MARKER).is_file():
            raise StoreError(f"{temporary} exists and is not an export of assay.", hint="Move it elsewhere.")
        with disk_errors(temporary):
            shutil.rmtree(temporary)
    with disk_errors(temporary):
        temporary.mkdir(parents=True)
        (temporary / MARKER).touch()
    return temporary


def _replace(temporary: Path, destination: Path) -> None:
    """Replace the target, which is an earlier export or empty, by the new folder."""
    if not (destination / MARKER).is_file():
        # A rename replaces an empty folder, and fails if it has been filled meanwhile.
        os.replace(temporary, destination)
        return
    old = destination.with_name(f".{destination.name}.assay-old.tmp")
    if (old / MARKER).is_file():
        shutil.rmtree(old)
    os.replace(destination, old)
    os.replace(temporary, destination)
    shutil.rmtree(old)
