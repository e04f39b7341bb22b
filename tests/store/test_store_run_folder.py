from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assay.core.errors import StoreError
from assay.store.run_folder import RunFolder

HOLDER = """
import sys
from pathlib import Path
from assay.store.run_folder import RunFolder
with RunFolder.open(Path(sys.argv[1]), create=True).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_is_made_and_opened_again(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "runs" / "fashion", create=True)
    run.stage("generate-ab12")
    assert RunFolder.open(run.path, create=True) == RunFolder.open(run.path, create=False) == run
    assert run.stages() == [run.path / "generate-ab12"]


def test_empty_folder_becomes_a_run_folder(tmp_path: Path) -> None:
    assert (RunFolder.open(tmp_path, create=True).path / ".assay-run").is_file()


@pytest.mark.parametrize("create", [True, False])
def test_other_folder_is_rejected_and_unchanged(tmp_path: Path, create: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / ".draft.tex.12.tmp").write_text("years of work")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match=tmp_path.name):
        RunFolder.open(tmp_path, create=create)
    assert snapshot(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(StoreError, match="f"):
        RunFolder.open(tmp_path / "f", create=True)
    with pytest.raises(StoreError, match="run"):
        RunFolder.open(tmp_path / "f" / "run", create=True)
    assert (tmp_path / "f").read_text() == "x"


def test_a_missing_run_names_the_nearest(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "fashion-3f2a", create=True)
    (tmp_path / "fashion-photos").mkdir()
    with pytest.raises(StoreError, match="'fashion-3f2a'"):
        RunFolder.open(tmp_path / "fashoin-3f2a", create=False)
    with pytest.raises(StoreError, match="nowhere"):
        RunFolder.open(tmp_path / "nowhere" / "x", create=False)
    assert not (tmp_path / "nowhere").exists()


def test_a_newer_or_garbled_marker_is_refused(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, create=True)
    (tmp_path / ".assay-run").write_text('{"format": 99}')
    with pytest.raises(StoreError, match=tmp_path.name):
        RunFolder.open(tmp_path, create=False)
    (tmp_path / ".assay-run").write_text("{")
    with pytest.raises(StoreError, match=tmp_path.name):
        RunFolder.open(tmp_path, create=True)


def test_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    # A file system that root cannot write either; /proc is one on every Linux machine.
    with pytest.raises(StoreError, match="/proc/assay-run-here"):
        RunFolder.open(Path("/proc/assay-run-here"), create=True)
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(StoreError, match="run"):
            RunFolder.open(tmp_path / "run", create=True)


def test_second_process_cannot_lock_the_folder(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "run", create=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(StoreError, match=str(run.path)), run.lock():
            pytest.fail("two processes hold the lock")
        other.kill()
        other.wait()
        with run.lock():
            pass
    with run.lock():
        pass


def test_lock_is_released_after_an_error(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path, create=True)
    with pytest.raises(KeyError), run.lock():
        raise KeyError
    with run.lock(), pytest.raises(StoreError), run.lock():
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "x\0", "x\n"])
def test_names_stay_inside(tmp_path: Path, name: str) -> None:
    run = RunFolder.open(tmp_path / "run", create=True)
    for make in (run.stage, lambda n: run.write_text(n, "x"), lambda n: run.write_json(n, 1)):
        with pytest.raises(StoreError, match=re.escape(repr(name))):
            make(name)
    assert [p.name for p in run.path.iterdir()] == [".assay-run"]


def test_only_temporary_files_of_assay_are_removed(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path, create=True)
    deep = run.stage("train-x") / "model"
    deep.mkdir()
    leftovers = [tmp_path / ".results.json.31.tmp", deep / ".part-00000.parquet.4711.tmp"]
    other_files = [tmp_path / "notes.tmp", deep / "x.tmp", deep / ".x.tmp", deep / "part-00000.parquet.1.tmp"]
    for path in leftovers + other_files:
        path.write_text("x")
    (deep / ".link.9.tmp").symlink_to(other_files[0])
    assert run.clean_temporaries() == 2
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in other_files)


def test_text_and_json_are_written_whole(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path, create=True)
    assert run.write_text("recipe.yaml", "é: 1\n").read_bytes() == b"\xc3\xa9: 1\n"
    assert run.write_json("results.json", {"b": 1, "a": [2.5, "é"]}).read_text(encoding="utf-8") == (
        '{\n  "a": [\n    2.5,\n    "é"\n  ],\n  "b": 1\n}\n'
    )
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("results.json", float("nan"))
    assert (tmp_path / "results.json").read_text().startswith("{")
