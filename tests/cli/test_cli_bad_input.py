"""A user's mistake: exit code 2, one clear message, no traceback, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import command_line
from assay.components.sources.image.fashion_mnist import INSTALLED
from command_line import assay, called, user_error
from run_parts import datasets, stamps

MISTAKES: dict[str, tuple[str, str, dict[str, object], tuple[str, ...]]] = {
    "unknown component": ("generate.use=GenerateImage", "recipe", {}, ("'GenerateImage'", "'GenerateImages'")),
    "misspelt argument": ("generate.step=2", "recipe", {"place": "generate", "name": "step"}, ("'steps'",)),
    "wrong type": ("generate.steps=many", "recipe", {}, ("`int`", "`generate.steps`", "'many'")),
    "empty labels": ("generate.labels=[]", "recipe", {}, ("generate: ", "GenerateImages.labels")),
    "hub model, no network": (
        "score.clip.model=nobody/nothing",
        "model",
        {"model": "nobody/nothing", "hub": "unreachable"},
        (),
    ),
    "a name that is no model": ("score.clip.model=clip", "model", {}, ("'clip'", "embedded:NAME")),
    "unknown arm": ("prove.arms=[filtred]", "recipe", {}, ("'filtred'", "'filtered'")),
    "unknown OOD score": ("prove.ood_scores.method=odds", "recipe", {}, ("`prove.ood_scores.method`", "'odds'", "vim")),
    "invalid curve": ("prove.curve=[0]", "recipe", {}, ("prove.curve", "[0]")),
    "unknown fingerprint": ("prove.fingerprint=lok", "recipe", {}, ("prove.fingerprint", "'lok'", "'look'")),
    "unknown embedded": (
        "score.clip.model=embedded:fashion-klip",
        "model",
        {"name": "fashion-klip"},
        ("'fashion-clip'",),
    ),
}
"""Change of a recipe, and of its error: the code, fields, and values that the message or the hint names."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_recipe(mistake: str, finished: Path, small: list[str]) -> None:
    change, code, fields, values = MISTAKES[mistake]
    before = stamps(finished) | {name: stamp_of(finished / name) for name in ("recipe.yaml", "report.html")}
    error = user_error(["run", "fashion", *small, "--set", change, "--out", finished, "--json"])
    assert error.code == code
    assert error.fields.items() >= fields.items()
    assert all(value in str(error) for value in values)
    assert stamps(finished) | {name: stamp_of(finished / name) for name in ("recipe.yaml", "report.html")} == before


def stamp_of(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_an_error_prints_a_message_and_a_hint_only(small: list[str], tmp_path: Path) -> None:
    result = assay(["run", "fashion", *small, "--set", "generate.step=2", "--out", tmp_path / "run"])
    assert (result.returncode, result.stdout) == (2, "")
    message, hint = result.stderr.splitlines()
    assert message.startswith("assay: ")
    assert hint.startswith("  ")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_model_is_refused_before_the_run(small: list[str], photos: Path, tmp_path: Path) -> None:
    for key in ("generate.model", "score.reference.model", "train.start"):
        error = user_error(["run", "fashion", *small, "--set", f"{key}={photos}", "--out", tmp_path / "run"])
        assert (error.code, error.fields["path"]) == ("model", str(photos))
        assert error.fields["files"] == tuple(sorted(command_line.LABELS))
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}


def test_a_model_of_another_kind_is_refused_before_the_run(
    small: list[str], models: dict[str, Path], tmp_path: Path
) -> None:
    change = f"score.look.model={models['expert']}"
    error = user_error(["run", "fashion", *small, "--set", change, "--out", tmp_path / "a"])
    assert (error.code, error.fields["actual"]) == ("model", "ResNetForImageClassification")
    assert {path.name for path in (tmp_path / "a").iterdir()} <= {".assay-run", ".assay-run.lock"}


def test_pickled_weights_are_refused(small: list[str], models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(models["expert"], folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    change = f"score.reference.model={folder}"
    error = user_error(["run", "fashion", *small, "--set", change, "--out", tmp_path / "run"])
    assert error.code == "model"
    assert error.fields == {"path": str(folder / "pytorch_model.bin"), "weights": "pickled"}
    assert "save_pretrained" in error.hint


def test_labels_unknown_to_the_reference_are_refused_before_the_run(small: list[str], tmp_path: Path) -> None:
    labels = [*command_line.LABELS[:9], "anklet"]
    change = [f"generate.labels={labels}", f"score.match.labels={labels}", f"train.labels={labels}"]
    words = [word for text in change for word in ("--set", text)]
    error = user_error(["run", "fashion", *small, *words, "--out", tmp_path / "run"])
    assert (error.code, error.fields["labels"]) == ("model", ["anklet"])
    assert "'ankle boot'" in error.hint
    assert "'names'" in error.hint
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}


@pytest.mark.skipif(INSTALLED.is_dir(), reason="Debian's package of the photographs is installed here")
def test_no_network_and_no_package_for_the_data(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    changes = ["--set", "prove.holdout={use: FashionMNIST, per_label: 2}"]
    error = user_error(
        ["run", "fashion", *small, *changes, "--out", tmp_path / "run"],
        PATH=str(tmp_path / "bin"),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        HF_HOME=str(tmp_path / "hub"),
    )
    assert error.code == "source"
    assert all(value in error.message for value in ("hub: ", "dataset-fashion-mnist: ", "apt-get"))
    assert "`folder`" in error.hint
    assert not list((tmp_path / "run").glob("generate-*"))


def test_an_image_that_does_not_decode_is_named(small: list[str], photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    broken = tmp_path / "photos" / "coat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    changes = ["--set", f"prove.holdout={{use: ImageFolder, path: {tmp_path / 'photos'}}}"]
    error = user_error(["run", "fashion", *small, *changes, "--out", tmp_path / "run"])
    assert (error.code, error.fields["path"]) == ("source", str(broken))
    assert not list((tmp_path / "run").glob("generate-*"))


def test_other_folders_and_files_are_not_changed(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    error = user_error(["run", "fashion", *small, "--out", tmp_path])
    assert (error.code, ".assay-run" in error.message) == ("store", True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    error = user_error(["run", "fashion", *small, "--out", tmp_path / "thesis.tex"])
    assert (error.code, str(tmp_path / "thesis.tex") in error.message) == ("store", True)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_folder_in_use_by_another_process_is_refused(finished: Path, small: list[str], tmp_path: Path) -> None:
    from assay.store.run_folder import RunFolder

    with RunFolder.open(finished, create=False).lock():
        error = user_error(["run", "fashion", *small, "--out", finished])
    assert (error.code, str(finished) in error.message) == ("store", True)


def test_a_truncated_shard_is_generated_again(finished: Path, small: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (shard, *_) = sorted(next(folder.glob("generate-*")).glob("part-*"))
    os.truncate(shard, shard.stat().st_size // 2)
    before = stamps(folder)
    result = called(["run", "fashion", *small, "--out", folder])
    assert result.returncode == 0, result.stderr
    assert f"{shard.parent.name}/{shard.name}" in result.stderr
    assert datasets(folder) == datasets(finished)
    changed = {name for name, stamp in stamps(folder).items() if before[name] != stamp}
    assert changed == {f"{shard.parent.name}/{shard.name}", f"{shard.parent.name}/receipt.json"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "assay-test", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"A small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    # Lazily: this process may still map the weights of a trained model.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_run_resumes_after_a_full_disk(disk: Path, finished: Path, small: list[str]) -> None:
    words: list[object] = ["run", "fashion", *small, "--out", disk / "run"]
    earlier: dict[str, tuple[int, int]] = {}
    for size in ("80m", "400m"):  # the first is full of images, the second of a trained model
        error = user_error(words)
        assert (error.code, error.fields["full"]) == ("store", True)
        assert error.hint
        finished_now = {path.parent.name for path in (disk / "run").glob("*/receipt.json")}
        current = {name: stamp for name, stamp in stamps(disk / "run").items() if name.split("/")[0] in finished_now}
        assert earlier.items() <= current.items()
        assert len(current) > len(earlier)
        assert not list((disk / "run").rglob("*.tmp"))
        earlier = current
        subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
    ended = called(words)
    assert ended.returncode == 0, ended.stderr
    assert datasets(disk / "run") == datasets(finished)
    assert earlier.items() <= stamps(disk / "run").items()
