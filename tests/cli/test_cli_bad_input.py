"""A user's mistake: exit code 2, one clear message, no traceback, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import command_line
from assay.components.scorers.image.classifiers import ClassifierAgreement
from assay.components.sources.image.fashion_mnist import INSTALLED
from command_line import assay, called
from run_parts import datasets, stamps


def refused(words: list[object], **environment: str) -> str:
    """The message of `assay WORDS --json`, which must fail as a user's mistake fails."""
    done = called([*words, "--json"], **environment)
    assert done.returncode == 2, done.stderr
    message = str(json.loads(done.stdout)["error"])
    assert json.loads(done.stdout)["exit_code"] == 2
    assert done.stderr == f"assay: {message}\n"
    assert "Traceback" not in message
    return message


MISTAKES = {
    "unknown component": (
        "generate.use=GenerateImage",
        "'GenerateImage' is not one of the generators",
        "'GenerateImages'",
    ),
    "misspelt argument": ("generate.step=2", "GenerateImages takes no argument 'step'", "Did you mean 'steps'"),
    "wrong type": ("generate.steps=many", "Expected `int`, got `str` at `generate.steps`", "'many'"),
    "empty labels": ("generate.labels=[]", "GenerateImages.labels must name at least one label", "generate"),
    "hub model, no network": ("score.clip.model=nobody/nothing", "'nobody/nothing' is not in the local cache", ""),
    "a name that is no model": ("score.clip.model=clip", "'clip' is not a model reference", "embedded:NAME"),
    "unknown arm": ("prove.arms=[filtred]", "There is no arm 'filtred'", "Did you mean 'filtered'"),
    "no such way to refuse": (
        "prove.ood_scores.method=odds",
        "at `prove.ood_scores.method`; the value is 'odds'",
        "vim",
    ),
    "a curve of nothing": ("prove.curve=[0]", "prove.curve must be different numbers of 1 or more", ""),
    "fingerprints of nothing": ("prove.fingerprint=lok", "prove.fingerprint names the column 'lok'", "'look'"),
    "unknown embedded": ("score.clip.model=embedded:fashion-klip", "'fashion-klip'", "'fashion-clip'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_recipe(mistake: str, finished: Path, small: list[str]) -> None:
    change, message, hint = MISTAKES[mistake]
    before = stamps(finished) | {name: stamp_of(finished / name) for name in ("recipe.yaml", "report.html")}
    said = refused(["run", "fashion", *small, "--set", change, "--out", finished])
    assert message in said
    assert hint in said
    assert stamps(finished) | {name: stamp_of(finished / name) for name in ("recipe.yaml", "report.html")} == before


def stamp_of(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_without_json_there_is_one_message_and_nothing_else(small: list[str], tmp_path: Path) -> None:
    done = assay(["run", "fashion", *small, "--set", "generate.step=2", "--out", tmp_path / "run"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("assay: generate: GenerateImages takes no argument 'step'.\n  Did you mean 'steps'?")
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "run").exists()


def test_a_model_folder_that_is_not_one_is_said_before_anything_is_made(
    small: list[str], photos: Path, tmp_path: Path
) -> None:
    for key in ("generate.model", "score.reference.model", "train.start"):
        said = refused(["run", "fashion", *small, "--set", f"{key}={photos}", "--out", tmp_path / "run"])
        assert "is not a model folder: expected model_index.json or config.json, found ankle boot, bag" in said
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}


def test_a_model_of_another_kind_is_said_before_anything_is_made(
    small: list[str], models: dict[str, Path], tmp_path: Path
) -> None:
    said = refused(["run", "fashion", *small, "--set", f"score.look.model={models['expert']}", "--out", tmp_path / "a"])
    assert "is a ResNetForImageClassification" in said
    assert {path.name for path in (tmp_path / "a").iterdir()} <= {".assay-run", ".assay-run.lock"}


def test_pickled_weights_are_refused(small: list[str], models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(models["expert"], folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    said = refused(["run", "fashion", *small, "--set", f"score.reference.model={folder}", "--out", tmp_path / "run"])
    assert "pytorch_model.bin" in said
    assert "save_pretrained" in said


@pytest.mark.skipif(
    not hasattr(ClassifierAgreement, "check"), reason="Agreement cannot look at its labels beforehand yet"
)
def test_labels_that_the_expert_lacks_are_said_before_anything_is_made(small: list[str], tmp_path: Path) -> None:
    labels = [*command_line.LABELS[:9], "anklet"]
    change = [f"generate.labels={labels}", f"score.match.labels={labels}", f"train.labels={labels}"]
    words = [word for text in change for word in ("--set", text)]
    said = refused(["run", "fashion", *small, *words, "--out", tmp_path / "run"])
    assert "anklet" in said
    assert "ankle boot" in said
    assert "names" in said
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}


@pytest.mark.skipif(INSTALLED.is_dir(), reason="Debian's package of the photographs is installed here")
def test_no_network_and_no_package_for_the_data(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    changes = ["--set", "prove.holdout={use: FashionMNIST, per_label: 2}"]
    said = refused(
        ["run", "fashion", *small, *changes, "--out", tmp_path / "run"],
        PATH=str(tmp_path / "bin"),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        HF_HOME=str(tmp_path / "hub"),
    )
    assert "Fashion-MNIST is not available: hub: " in said
    assert "no apt-get and dpkg" in said
    assert "set `folder`" in said
    assert not list((tmp_path / "run").glob("generate-*"))


def test_an_image_that_does_not_decode_is_named(small: list[str], photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    broken = tmp_path / "photos" / "coat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    changes = ["--set", f"prove.holdout={{use: ImageFolder, path: {tmp_path / 'photos'}}}"]
    said = refused(["run", "fashion", *small, *changes, "--out", tmp_path / "run"])
    assert f"{broken} does not decode as an image" in said
    assert not list((tmp_path / "run").glob("generate-*"))


def test_a_folder_of_somebody_else_is_not_touched(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    said = refused(["run", "fashion", *small, "--out", tmp_path])
    assert ".assay-run" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    said = refused(["run", "fashion", *small, "--out", tmp_path / "thesis.tex"])
    assert "is a file" in said


def test_a_folder_in_which_another_assay_works_is_left_to_it(finished: Path, small: list[str], tmp_path: Path) -> None:
    from assay.store.run_folder import RunFolder

    with RunFolder.open(finished, create=False).lock():
        assert str(finished) in refused(["run", "fashion", *small, "--out", finished])


def test_a_truncated_shard_is_seen_and_made_again(finished: Path, small: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (shard, *_) = sorted(next(folder.glob("generate-*")).glob("part-*"))
    os.truncate(shard, shard.stat().st_size // 2)
    before = stamps(folder)
    done = called(["run", "fashion", *small, "--out", folder])
    assert done.returncode == 0, done.stderr
    assert f"{shard.parent.name}/{shard.name}" in done.stderr
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


def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(
    disk: Path, finished: Path, small: list[str]
) -> None:
    words: list[object] = ["run", "fashion", *small, "--out", disk / "run"]
    done: dict[str, tuple[int, int]] = {}
    for size in ("80m", "400m"):  # the first is full of images, the second of a trained model
        said = refused(words)
        assert "The disk is full" in said
        assert "the same command again" in said
        finished_now = {path.parent.name for path in (disk / "run").glob("*/receipt.json")}
        now = {name: stamp for name, stamp in stamps(disk / "run").items() if name.split("/")[0] in finished_now}
        assert done.items() <= now.items()
        assert len(now) > len(done)
        assert not list((disk / "run").rglob("*.tmp"))
        done = now
        subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
    ended = called(words)
    assert ended.returncode == 0, ended.stderr
    assert datasets(disk / "run") == datasets(finished)
    assert done.items() <= stamps(disk / "run").items()


def test_an_interrupted_run_says_how_to_go_on(small: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "assay.cli.main", "run", "fashion", *small, "--out", str(tmp_path / "run")]
    with subprocess.Popen(
        command,
        env=command_line.environment(),
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job has the signal ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        patience = time.monotonic() + 300
        while not list(tmp_path.glob("run/holdout-*/receipt.json")) and time.monotonic() < patience:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.endswith("assay: Interrupted. Finished work is kept; run the same command again to resume.\n")
    assert "Traceback" not in err
