"""Every command, on a run that really ran."""

from __future__ import annotations

import gc
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from assay.cli.commands.why import CHANGED
from assay.cli.main import cli, commands, main
from assay.core.sample import Failure, Sample
from assay.models import embedded_names
from assay.pipeline.recipe.codec import shipped_recipes
from assay.pipeline.stages.parts import parts
from assay.store.receipts import Receipt, read_receipt, write_receipt
from assay.store.shards import read_encoded_images, read_shard, write_shard
from command_line import LABELS, called
from run_parts import COMPLETE

PER_LABEL = yaml.safe_load(shipped_recipes()["fashion"].read_text(encoding="utf-8"))["generate"]["per_label"]


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """What `assay WORDS` says, without the seconds that a new process takes to start."""
    monkeypatch.setattr("sys.argv", ["assay", *map(str, words)])
    code: Any = 0
    try:
        main()
    except SystemExit as ending:
        code = ending.code
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Gives the JSON that a command prints."""

    def asked(*words: object) -> Any:
        code, out, err = call(monkeypatch, capsys, *words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return asked


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Gives the message of a command that must refuse."""

    def asked(*words: object) -> str:
        code, out, err = call(monkeypatch, capsys, *words)
        assert code == 2
        assert out == ""
        assert err.startswith("assay: ")
        return err

    return asked


def test_a_run_says_what_it_does_and_nobody_else_says_anything(finished: Path) -> None:
    err = (finished.parent / "stderr").read_text(encoding="utf-8").splitlines()
    assert err[0].startswith("fashion-quick: Do images")
    assert all(line.startswith("  ✓ ") for line in err[1:])
    assert len(err) == 1 + 23
    out = (finished.parent / "stdout").read_text(encoding="utf-8")
    assert re.search(r"70 requested = \d+ kept \+ \d+ dropped \+ 0 failed", out)
    assert "accuracy on 30 real" in out
    assert f"Report: {finished}/report.html" in out
    assert (finished / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_results_hold_the_whole_proof(finished: Path) -> None:
    found = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for key in ("arms", "comparisons", "verdict", "ood_detection", "calibration", "exchange_rate", "leakage"):
        assert found[key], key
    assert [arm["name"] for arm in found["arms"]] == ["real", "filtered"]
    assert {model["model"] for model in found["ood_detection"]} == {"filtered", "reference"}
    assert {row["set"]: row["exact"] for row in found["leakage"]} == {"generate": 0, "real": 30}  # one folder for both
    assert found["exchange_rate"]["samples"] == 70


def test_a_strict_run_refuses_a_test_that_is_trained_on(finished: Path, small: list[str], tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "fashion")
    done = called(["run", "fashion", *small, "--out", tmp_path / "fashion", "--strict"])
    assert done.returncode == 2
    assert "of 30 held-out samples, 30 are also in 'real'" in done.stderr
    assert "Traceback" not in done.stderr


def test_status(finished: Path, ask: Any) -> None:
    said = ask("status", finished)
    assert {stage["state"] for stage in said["stages"]} == {"done"}
    assert said["stages"][0]["stage"] == "real"
    generate = next(stage for stage in said["stages"] if stage["stage"] == "generate")
    assert generate["counts"]["made"] == 70
    assert generate["seconds"] > 0


def test_plan_of_what_is_done_and_of_what_would_change(finished: Path, ask: Any) -> None:
    recipe = finished / "recipe.yaml"
    said = ask("plan", recipe, "--out", finished)
    assert said["requested"] == 70
    assert {stage["state"] for stage in said["stages"]} == {"done"}
    said = ask("plan", recipe, "--out", finished, "--set", "keep.0.low=0.9")
    states = {stage["stage"]: stage["state"] for stage in said["stages"]}
    assert states.pop("keep") == "to do"
    waiting = {"train-real-0", "train-filtered-0", "prove", "agree", "ood_scores"}
    assert {name for name, state in states.items() if state == "waits"} == waiting


def test_a_dry_run_writes_nothing_at_all(tmp_path: Path, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ask("run", "fashion", "--dry-run")
    assert said["requested"] == 10 * PER_LABEL
    assert all(stage["state"] in ("to do", "waits") for stage in said["stages"])
    components = {stage["stage"]: stage["component"] for stage in said["stages"]}
    assert (components["generate"], components["train-real-0"]) == ("GenerateImages", "ImageClassifier")
    assert components["keep"].startswith("Threshold, ")
    assert (components["leakage"], components["reference"]) == ("", "Accuracy")
    assert list(tmp_path.iterdir()) == []


def test_why_by_id_and_by_its_beginning(finished: Path, ask: Any, refused: Any) -> None:
    generated = next(finished.glob("generate-*"))
    samples = [row for path in parts(generated) for row in read_shard(path) if isinstance(row, Sample)]
    whole = ask("why", finished, samples[3].id)
    assert whole["id"] == samples[3].id
    assert whole["fields"]["label"] == samples[3].text("label")
    assert set(whole["outcomes"]) == {"match", "clip", "reference", "look", "safety"}
    assert whole["parents"] == list(samples[3].parents)
    assert whole["decision"]["keep"] is whole["kept"]
    came = whole["provenance"]
    assert (came["synthetic"], came["made_by"], came["prompt"]) == (True, "GenerateImages", samples[3].text("prompt"))
    assert [model["license"] for model in came["models"]] == ["unknown"]
    assert set(came["scored_by"]) == set(whole["outcomes"])
    assert ask("why", finished, samples[3].id[:10]) == whole
    assert "No sample" in refused("why", finished, "zzz")
    shared = next(c for c in "0123456789abcdef" if sum(s.id.startswith(c) for s in samples) > 1)
    assert "samples of" in refused("why", finished, shared)
    assert "70 samples of" in refused("why", finished, "")


def test_an_image_is_painted_again_from_what_why_says(finished: Path, ask: Any) -> None:
    from assay.core.model_kinds import ImageRequest
    from assay.models import OpenModels
    from assay.store.images import StoredImages

    generated = next(finished.glob("generate-*"))
    made = read_shard(parts(generated)[0])[0]
    assert isinstance(made, Sample)
    came = ask("why", finished, made.id)["provenance"]
    request = ImageRequest(
        came["prompt"], came["seed"], steps=came["settings"]["steps"], guidance=came["settings"]["guidance"]
    )
    (image,) = OpenModels().image_model(came["models"][0]["model"]).generate([request])
    assert isinstance(image, np.ndarray)
    assert np.array_equal(image, StoredImages([generated]).get([made.image()])[0])


def test_an_exported_image_says_where_it_came_from_by_itself(
    finished: Path,
    tmp_path: Path,
    ask: Any,
    refused: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = ask("export", finished, tmp_path / "out", "--to", "imagefolder")["samples"]
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == kept
    told = ask("why", files[0])
    assert (told["id"], told["as_exported"]) == (files[0].stem, True)
    assert told["provenance"] == ask("why", finished, files[0].stem)["provenance"]
    _, out, _ = call(monkeypatch, capsys, "why", files[0])
    assert out.startswith(f"sample {files[0].stem}\n  synthetic: ")
    assert CHANGED not in out
    data, other = (file.read_bytes() for file in files[:2])
    end = data.index(b"IDAT") - 4
    (tmp_path / "forged.png").write_bytes(data[:end] + other[other.index(b"IDAT") - 4 :])
    assert ask("why", tmp_path / "forged.png")["as_exported"] is False
    _, out, _ = call(monkeypatch, capsys, "why", tmp_path / "forged.png")
    assert CHANGED in out
    assert str(finished / "recipe.yaml") in refused("why", finished / "recipe.yaml")
    assert str(files[0]) in refused("why", files[0], "3f2a")
    assert "'SAMPLE'" in refused("why", finished)


def test_why_in_words(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sample = read_shard(parts(next(finished.glob("generate-*")))[0])[0]
    assert isinstance(sample, Sample)
    code, out, _ = call(monkeypatch, capsys, "why", finished, sample.id)
    assert code == 0
    for word in (
        f"sample {sample.id}: ",
        "label: t-shirt",
        "GenerateImages",
        "reference: ",
        "look: ",
        "rule: ",
    ):
        assert word in out


def test_why_a_sample_failed(finished: Path, tmp_path: Path, ask: Any) -> None:
    """The recipe paints no failures, so one is written as the runner would write it."""
    run = tmp_path / "run"
    generated = run / next(finished.glob("generate-*")).name
    generated.mkdir(parents=True)
    for name in (".assay-run", "recipe.yaml"):
        (run / name).write_bytes((finished / name).read_bytes())
    (source, *_) = parts(finished / generated.name)
    made = read_shard(source)
    assert isinstance(made[0], Sample)
    failure = Failure(made[0].parents[0], "black image")
    write_shard(generated / source.name, [failure, *made[1:]], read_encoded_images(source))
    _receipt_for(generated, finished / generated.name)
    said = ask("why", run, failure.seed)
    assert (said["fate"], said["kept"]) == ("failed: black image", False)


def _receipt_for(folder: Path, like: Path) -> None:
    from dataclasses import asdict

    from assay.store.receipts import digest, file_digests

    old = read_receipt(like)
    assert old is not None
    files = file_digests(folder)
    write_receipt(folder, Receipt(**(asdict(old) | {"files": files, "digest": digest(files)})))


# `datasets` leaves files open, which Python tells of when it collects them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("layout", ["hf", "imagefolder", "jsonl"])
def test_exports_open_with_datasets(finished: Path, tmp_path: Path, ask: Any, layout: str) -> None:
    datasets = pytest.importorskip("datasets")
    said = ask("export", finished, tmp_path / "out", "--to", layout)
    assert said["layout"] == layout
    kept = next(s for s in ask("status", finished)["stages"] if s["stage"] == "keep")["counts"]["kept"]
    assert said["samples"] == kept > 0
    place, cache = str(tmp_path / "out"), str(tmp_path / "cache")
    if layout == "hf":
        found = datasets.load_dataset(place, cache_dir=cache)["train"]
    elif layout == "imagefolder":
        found = datasets.load_dataset("imagefolder", data_dir=place, cache_dir=cache)["train"]
    else:
        found = datasets.load_dataset("json", data_files=f"{place}/data.jsonl", cache_dir=cache)["train"]
    assert len(found) == kept
    assert set(found["label"]) <= set(LABELS)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert f"70 requested = {kept} kept" in card
    assert " ".join(results["answer"].replace("<", "&lt;").split()) in card
    if layout != "jsonl":
        assert found[0]["image"].size == (32, 32)
    del found
    gc.collect()


def test_a_runs_own_data_opens_with_datasets_as_it_lies(finished: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = [str(path) for path in parts(next(finished.glob("generate-*")))]
    assert len(files) == 2
    found = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))["train"]
    assert len(found) == 70
    assert found[0]["image"].size == (32, 32)


def test_an_export_does_not_touch_what_is_there(finished: Path, tmp_path: Path, refused: Any) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert str(tmp_path) in refused("export", finished, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_report_draws_the_page_again(finished: Path, tmp_path: Path, ask: Any, refused: Any) -> None:
    before = hashlib.sha256((finished / "report.html").read_bytes()).hexdigest()
    said = ask("report", finished)
    assert said == json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert hashlib.sha256((finished / "report.html").read_bytes()).hexdigest() == before
    (tmp_path / ".assay-run").touch()
    (tmp_path / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    assert "is not finished: real is not done" in refused("report", tmp_path)
    assert "has not filtered its samples yet" in refused("export", tmp_path, tmp_path / "out")
    assert "has not generated its samples yet" in refused("why", tmp_path, "abc")
    assert "no run at" in refused("status", tmp_path / "none")


def test_recipes_models_and_doctor(ask: Any) -> None:
    assert {row["name"] for row in ask("recipes")} == set(shipped_recipes())
    assert {"embedded:fashion-clip"} <= {row["reference"] for row in ask("models")}
    checks = {row["check"]: row for row in ask("doctor")}
    assert checks["torch"]["ok"]
    assert {"device", "free disk here", "embedded models", "real photographs", "ray"} <= checks.keys()


def test_init_writes_a_recipe_once(tmp_path: Path, ask: Any, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("init", "fashion") == {"written": "fashion.yaml"}
    assert ask("plan", "fashion.yaml")["requested"] == 10 * PER_LABEL
    assert "already exists" in refused("init", "fashion")
    assert "Did you mean 'fruit'" in refused("init", "friut", "--to", "x.yaml")
    assert "cannot be written" in refused("init", "fruit", "--to", "nowhere/x.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["fashion.yaml"]


@pytest.mark.parametrize("words", [["recipes"], ["models"], ["doctor"], ["plan", "fashion"]])
def test_tables_for_people(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys, *words)
    assert (code, err) == (0, "")
    assert "fashion" in out


def test_status_for_people(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(monkeypatch, capsys, "status", finished)
    assert code == 0
    assert re.search(r"generate +done +.*70 made", out)


def test_mistakes_on_the_command_line(refused: Any) -> None:
    assert "Did you mean 'recipes'" in refused("recipe")
    assert "No such option" in refused("run", "fashion", "--quik")
    assert "Missing argument" in refused("run")
    assert "'rya' is not one of 'local', 'ray'" in refused("run", "fashion", "--engine", "rya")
    assert "Invalid value for '--to'" in refused("export", "a", "b", "--to", "csv")


def test_a_second_run_from_the_command_line_is_quick_and_says_so(finished: Path, small: list[str]) -> None:
    again = called(["run", "fashion", *small, "--out", finished])
    assert again.returncode == 0
    assert again.stderr.count(COMPLETE) == 22


def test_every_command_and_option_explains_itself() -> None:
    found = CliRunner().invoke(cli, ["--help"])
    assert all(name in found.output for name in commands())
    for name in commands():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.help
        group = isinstance(command, click.Group) and name != "models"
        parts = command.list_commands(click.Context(command)) if group else []  # type: ignore[attr-defined]
        for words in [[name, part] for part in parts] or [[name]]:
            assert "--json" in CliRunner().invoke(cli, [*words, "--help"]).output


CARRIED = {"fashion-clip", "fashion-diffusion", "fashion-resnet50"}


@pytest.mark.full
@pytest.mark.skipif(not set(embedded_names()) >= CARRIED, reason="This copy of assay does not carry all its models")
def test_the_shipped_recipe_runs_with_the_models_that_assay_carries(photos: Path, tmp_path: Path) -> None:
    source = f"{{use: ImageFolder, path: {photos}}}"
    changes = [
        "generate.per_label=4",
        "train.steps=2",
        "train.batch_size=4",
        f"prove.holdout={source}",
        f"prove.real={source}",
    ]
    words = [word for change in changes for word in ("--set", change)]
    done = called(["run", "fashion", "--quick", *words, "--out", tmp_path / "run", "--json"])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    flow = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["funnel"]
    assert flow["requested"] == 40
    assert 10 <= flow["kept"] <= 40
