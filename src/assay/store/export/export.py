"""Exports: kept samples as a data set that other tools open. Written beside the target, then renamed."""

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
from assay.store.export.card import Card, card_text
from assay.store.export.layouts import Told, write_hf, write_imagefolder, write_jsonl
from assay.store.export.pairs import write_preference
from assay.store.export.tasks import write_alpaca, write_messages, write_sharegpt
from assay.store.images import StoredImages
from assay.store.receipts import files_of

Layout = Literal["hf", "imagefolder", "jsonl", "alpaca", "sharegpt", "messages", "preference"]
MARKER = ".assay-export"
BESIDE = "provenance.jsonl"
"""Where provenance lies beside rows that have no place for it: a line a row, in their order."""
_WITH_ORIGINS: dict[str, Callable[[Sequence[Sample], StoredImages, Path, Told | None], None]] = {
    "hf": write_hf,
    "imagefolder": write_imagefolder,
    "jsonl": write_jsonl,
}
_ALONE: dict[str, Callable[[Sequence[Sample], StoredImages, Path], None]] = {
    "alpaca": write_alpaca,
    "sharegpt": write_sharegpt,
    "messages": write_messages,
    "preference": write_preference,
}


def export(
    samples: Sequence[Sample],
    images: StoredImages,
    target: Path,
    layout: Layout,
    card: Card | None = None,
    told: Told | None = None,
) -> int:
    """Writes `samples` with their images and a card, README.md, to the folder `target`, and says how many.

    * hf: data/train-00000-of-0000N.parquet; `datasets.load_dataset(target)` opens it
    * imagefolder: LABEL/ID.png and metadata.csv; `datasets.load_dataset("imagefolder", data_dir=target)` opens it
    * jsonl: data.jsonl, one sample a line, and images/DIGEST.png
    * alpaca, sharegpt, messages: data.json or data.jsonl, tasks as training code reads them (`export_tasks`)
    * preference: data.jsonl, pairs of answers as trainers of preferences read them (`export_pairs`)

    Where `told` says where a sample came from, rows of the first three have it in a column `provenance`, the others in
    provenance.jsonl beside them, and every PNG file carries it (`images.marks`): its pixels are those of the store, and
    its digest, wherever a row names it, is that of the file without what was put in.

    An earlier export is replaced if nobody has changed it since. A crash leaves no half target, and at most a hidden
    folder beside it, which the next export to the same target removes.

    Raises:
        StoreError: The target holds what assay did not write, the disk is full, an image is missing or damaged, or a
            sample does not fit the layout.
    """
    _refuse_strangers(target)
    whole = target.absolute()
    fresh = _fresh(whole)
    try:
        _write(samples, images, fresh, layout, told)
        with disk_errors(fresh):
            (fresh / "README.md").write_text(
                card_text(replace(card or Card(), told=told is not None), samples, layout), encoding="utf-8"
            )
            (fresh / MARKER).write_text(json.dumps({"layout": layout, "files": _files(fresh)}), encoding="utf-8")
            _swap(fresh, whole)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return len(samples)


def _write(samples: Sequence[Sample], images: StoredImages, folder: Path, layout: Layout, told: Told | None) -> None:
    if layout in _WITH_ORIGINS:
        _WITH_ORIGINS[layout](samples, images, folder, told)
        return
    _ALONE[layout](samples, images, folder)
    if told is None:
        return
    with disk_errors(folder), (folder / BESIDE).open("w", encoding="utf-8") as file:
        for row, sample in enumerate(samples):
            file.write(json.dumps({"row": row, **told(sample).record()}, ensure_ascii=False) + "\n")


def _files(folder: Path) -> dict[str, str]:
    return {name: sha for name, sha in files_of(folder).items() if name != MARKER}


def _refuse_strangers(target: Path) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        written = json.loads((target / MARKER).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        written = None
    if written is None or written != _files(target):
        raise StoreError(
            f"{target} holds what assay did not write, or what was changed since.",
            hint="Nothing in it was touched. Name a folder that does not exist yet.",
        )


def _fresh(whole: Path) -> Path:
    """An empty folder beside the target, marked as ours from the start."""
    fresh = whole.with_name(f".{whole.name}.assay-export.tmp")
    if fresh.exists():
        if not (fresh / MARKER).is_file():
            raise StoreError(f"{fresh} is in the way and is not assay's.", hint="Move it elsewhere.")
        with disk_errors(fresh):
            shutil.rmtree(fresh)
    with disk_errors(fresh):
        fresh.mkdir(parents=True)
        (fresh / MARKER).touch()
    return fresh


def _swap(fresh: Path, whole: Path) -> None:
    """Puts the fresh folder in the place of the old one, which is ours or empty."""
    if not (whole / MARKER).is_file():
        # A rename replaces an empty folder, and fails on one that was filled meanwhile.
        os.replace(fresh, whole)
        return
    old = whole.with_name(f".{whole.name}.assay-old.tmp")
    if (old / MARKER).is_file():
        shutil.rmtree(old)
    os.replace(whole, old)
    os.replace(fresh, whole)
    shutil.rmtree(old)
