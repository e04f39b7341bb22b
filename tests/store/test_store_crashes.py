"""Full disks and kill -9: a shard is complete, or it does not exist."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_parts import image_samples

from assay.core.errors import StoreError
from assay.store.atomic import is_temporary, write_bytes
from assay.store.run_folder import RunFolder
from assay.store.shards import read_shard, write_shard
from assay.store.tables import is_readable
from error_fields import raises

WRITER = """
import sys
from pathlib import Path
from assay.store.shards import read_encoded_images, read_shard, write_shard
samples, blobs = read_shard(Path(sys.argv[2])), read_encoded_images(Path(sys.argv[2]))
for i in range(10_000):
    write_shard(Path(sys.argv[1]) / f"part-{i % 3:05d}.parquet", samples, blobs)
    print(i, flush=True)
"""
LIMITED = """
import errno, resource, sys
from pathlib import Path
from assay.core.errors import StoreError
from assay.store.atomic import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 20_000)
except StoreError as error:
    print(error.fields["path"], error.fields["full"], errno.errorcode[error.__cause__.errno])
"""


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "assay-test", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system may not be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_keeps_finished_shards(tiny_disk: Path) -> None:
    run = RunFolder.open(tiny_disk / "run", create=True)
    stage = run.stage("generate-x")
    count = 0
    with raises(StoreError, full=True) as caught:
        for i in range(20):
            samples, blobs = image_samples(4, first=10 * i, side=60)
            write_shard(stage / f"part-{i:05d}.parquet", samples, blobs)
            count += 1
    assert 1 <= count < 20
    assert caught.value.fields["path"] == str(stage / f"part-{count:05d}.parquet")
    assert caught.value.hint
    assert sorted(p.name for p in stage.iterdir()) == [f"part-{i:05d}.parquet" for i in range(count)]
    assert all(is_readable(path) for path in stage.iterdir())
    (stage / "part-00000.parquet").unlink()
    write_shard(stage / f"part-{count:05d}.parquet", samples, blobs)
    assert read_shard(stage / f"part-{count:05d}.parquet") == samples


def test_an_old_file_survives_a_full_disk(tiny_disk: Path) -> None:
    write_bytes(tiny_disk / "receipt.json", b"old")
    with pytest.raises(StoreError, match=r"receipt\.json"):
        write_bytes(tiny_disk / "receipt.json", b"new" * 100_000)
    assert [p.name for p in tiny_disk.iterdir()] == ["receipt.json"]
    assert (tiny_disk / "receipt.json").read_bytes() == b"old"


def test_a_file_size_limit_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "f")], capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == [str(tmp_path / "f"), "False", "EFBIG"]
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone"):
        write_bytes(tmp_path / "gone" / "f", b"x")


def wait_for_a_temporary(folder: Path) -> None:
    end = time.monotonic() + 30
    while not any(is_temporary(name) for name in os.listdir(folder)):
        assert time.monotonic() < end, "nothing was written to a temporary name"


def test_kill_9_leaves_no_half_shard(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "run", create=True)
    stage = run.stage("generate-x")
    samples, blobs = image_samples(4, side=900)
    write_shard(tmp_path / "expected.parquet", samples, blobs)
    expected = (tmp_path / "expected.parquet").read_bytes()
    command = [sys.executable, "-c", WRITER, str(stage), str(tmp_path / "expected.parquet")]
    leftovers = 0
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"0\n"
            wait_for_a_temporary(stage)
            writer.kill()
        paths = list(stage.iterdir())
        leftovers += sum(is_temporary(path.name) for path in paths)
        shards = [path for path in paths if not is_temporary(path.name)]
        assert shards
        for path in shards:
            assert path.read_bytes() == expected, f"{path.name} is half a shard"
        run.clean_temporaries()
        assert sorted(stage.iterdir()) == sorted(shards)
    assert leftovers > 0, "no kill came while a shard was being written: this run has shown nothing"
