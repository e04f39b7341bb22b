from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest

from assay.store.receipts import Receipt, damaged_files, digest, file_digests, read_receipt, write_receipt


def receipt_of(folder: Path, cost_usd: float | Literal["unknown"] | None = None) -> Receipt:
    files = file_digests(folder)
    return Receipt(
        stage="train", key="0123456789ab", spec={"type": "resnet", "lr": 0.1, "sizes": [1, 2], "name": "é"},
        inputs=["aa"], component_version=2, seed=2**62, counts={"requested": 3, "kept": 3}, files=files,
        digest=digest(files), seconds=1.5, cost_usd=cost_usd, environment={"torch": "2.13"},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"12345")
    (tmp_path / "part-00000.parquet").write_bytes(b"rows")
    return tmp_path


@pytest.mark.parametrize("cost", [None, "unknown", 0.25])
def test_receipt_round_trip(folder: Path, cost: float | Literal["unknown"] | None) -> None:
    receipt = receipt_of(folder, cost)
    write_receipt(folder, receipt)
    assert read_receipt(folder) == receipt
    assert damaged_files(folder, receipt) == []
    text = (folder / "receipt.json").read_text()
    assert list(json.loads(text)) == sorted(field.name for field in dataclasses.fields(Receipt))
    assert text.startswith('{\n  "component_version"')


def test_files_have_posix_names_without_receipt_and_leftovers(folder: Path) -> None:
    write_receipt(folder, receipt_of(folder))
    (folder / "model" / ".weights.bin.77.tmp").write_bytes(b"half")
    assert list(file_digests(folder)) == ["model/weights.bin", "part-00000.parquet"]


def test_damage_is_named(folder: Path) -> None:
    receipt = receipt_of(folder)
    (folder / "model" / "weights.bin").write_bytes(b"1234x")
    (folder / "part-00000.parquet").unlink()
    assert damaged_files(folder, receipt) == ["model/weights.bin", "part-00000.parquet"]


def test_a_missing_or_damaged_receipt_counts_as_absent(folder: Path) -> None:
    assert read_receipt(folder) is None
    assert read_receipt(folder / "nowhere") is None
    write_receipt(folder, receipt_of(folder))
    data = (folder / "receipt.json").read_bytes()
    for length in range(0, len(data) - 2, 5):
        (folder / "receipt.json").write_bytes(data[:length])
        assert read_receipt(folder) is None
    for old, new in [(b"weights", b"weighty"), (b'"seed": ', b'"seed": "x'), (b"1.5", b"null"), (b"\xc3\xa9", b"\xff")]:
        assert old in data
        (folder / "receipt.json").write_bytes(data.replace(old, new))
        assert read_receipt(folder) is None


def test_a_digest_of_other_files_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=receipt_of(folder).key):
        dataclasses.replace(receipt_of(folder), files={})
