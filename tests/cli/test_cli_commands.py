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
from assay.cli.main import cli, commands
from assay.core.sample import Failure, Sample
from assay.models import embedded_names
from assay.pipeline.recipe.codec import shipped_recipes
from assay.pipeline.stages.parts import parts
from assay.store.receipts import Receipt, read_receipt, write_receipt
from assay.store.shards import read_encoded_images, read_shard, write_shard
from command_line import LABELS, TESTS, called, usage_error, user_error
from run_parts import COMPLETE

PER_LABEL = yaml.safe_load(shipped_recipes()["fashion"].read_text(encoding="utf-8"))["generate"]["per_label"]


def run_json(*words: object, cwd: Path = TESTS) -> Any:
    """JSON that a command prints, and nothing else."""
    result = called([*words, "--json"], cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def run_text(*words: object) -> str:
    """Text that a command prints, and nothing else."""
    result = called(words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_run_prints_its_stages_and_a_summary(finished: Path) -> None:
    err = (finished.parent / "stderr").read_text(encoding="utf-8").splitlines()
    assert err[0].startswith("fashion-quick: Do images")
    assert all(line.startswith("  ✓ ") for line in err[1:])
    assert len(err) == 1 + 23
    out = (finished.parent / "stdout").read_text(encoding="utf-8")
    assert re.search(r"70 requested = \d+ kept \+ \d+ dropped \+ 0 failed", out)
    assert "accuracy on 30 real" in out
    assert f"Report: {finished}/report.html" in out
    assert (finished / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_results_of_a_finished_run(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for key in ("arms", "comparisons", "verdict", "ood_detection", "calibration", "exchange_rate", "leakage"):
        assert results[key], key
    assert [arm["name"] for arm in results["arms"]] == ["real", "filtered"]
    assert {model["model"] for model in results["ood_detection"]} == {"filtered", "reference"}
    exact = {row["set"]: row["exact"] for row in results["leakage"]}
    assert exact == {"generate": 0, "real": 30}  # one folder for both
    assert results["exchange_rate"]["samples"] == 70


def test_a_strict_run_refuses_leakage(finished: Path, small: list[str], tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "fashion")
    error = user_error(["run", "fashion", *small, "--out", tmp_path / "fashion", "--strict"])
    assert error.code == "recipe"
    assert re.findall(r"\d+", error.message)[:2] == ["30", "30"]
    assert "'real'" in error.message


def test_status(finished: Path) -> None:
    status = run_json("status", finished)
    assert {stage["state"] for stage in status["stages"]} == {"done"}
    assert status["stages"][0]["stage"] == "real"
    generate = next(stage for stage in status["stages"] if stage["stage"] == "generate")
    assert generate["counts"]["made"] == 70
    assert generate["seconds"] > 0


def test_plan_of_a_finished_run_and_of_a_changed_recipe(finished: Path) -> None:
    recipe = finished / "recipe.yaml"
    plan = run_json("plan", recipe, "--out", finished)
    assert plan["requested"] == 70
    assert {stage["state"] for stage in plan["stages"]} == {"done"}
    plan = run_json("plan", recipe, "--out", finished, "--set", "keep.0.low=0.9")
    states = {stage["stage"]: stage["state"] for stage in plan["stages"]}
    assert states.pop("keep") == "to do"
    waiting = {"train-real-0", "train-filtered-0", "prove", "agree", "ood_scores"}
    assert {name for name, state in states.items() if state == "waits"} == waiting


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    plan = run_json("run", "fashion", "--dry-run", cwd=tmp_path)
    assert plan["requested"] == 10 * PER_LABEL
    assert all(stage["state"] in ("to do", "waits") for stage in plan["stages"])
    components = {stage["stage"]: stage["component"] for stage in plan["stages"]}
    assert (components["generate"], components["train-real-0"]) == ("GenerateImages", "ImageClassifier")
    assert components["keep"].startswith("Threshold, ")
    assert (components["leakage"], components["reference"]) == ("", "Accuracy")
    assert list(tmp_path.iterdir()) == []


def test_why_by_id_and_by_prefix(finished: Path) -> None:
    generated = next(finished.glob("generate-*"))
    samples = [row for path in parts(generated) for row in read_shard(path) if isinstance(row, Sample)]
    explanation = run_json("why", finished, samples[3].id)
    assert explanation["id"] == samples[3].id
    assert explanation["fields"]["label"] == samples[3].text("label")
    assert set(explanation["outcomes"]) == {"match", "clip", "reference", "look", "safety"}
    assert explanation["parents"] == list(samples[3].parents)
    assert explanation["decision"]["keep"] is explanation["kept"]
    provenance = explanation["provenance"]
    assert (provenance["synthetic"], provenance["made_by"], provenance["prompt"]) == (
        True,
        "GenerateImages",
        samples[3].text("prompt"),
    )
    assert [model["license"] for model in provenance["models"]] == ["unknown"]
    assert set(provenance["scored_by"]) == set(explanation["outcomes"])
    assert run_json("why", finished, samples[3].id[:10]) == explanation
    counts = {prefix: sum(sample.id.startswith(prefix) for sample in samples) for prefix in "0123456789abcdef"}
    shared = next(prefix for prefix, count in counts.items() if count > 1)
    for prefix, number in (("zzz", "No "), (shared, f"{counts[shared]} "), ("", "70 ")):
        error = user_error(["why", finished, prefix])
        assert (error.code, repr(prefix) in error.message) == ("field", True)
        assert error.message.startswith(number)


def test_an_image_is_generated_again_from_its_provenance(finished: Path) -> None:
    from assay.core.model_kinds import ImageRequest
    from assay.models import OpenModels
    from assay.store.images import StoredImages

    generated = next(finished.glob("generate-*"))
    sample = read_shard(parts(generated)[0])[0]
    assert isinstance(sample, Sample)
    provenance = run_json("why", finished, sample.id)["provenance"]
    request = ImageRequest(
        provenance["prompt"],
        provenance["seed"],
        steps=provenance["settings"]["steps"],
        guidance=provenance["settings"]["guidance"],
    )
    (image,) = OpenModels().image_model(provenance["models"][0]["model"]).generate([request])
    assert isinstance(image, np.ndarray)
    assert np.array_equal(image, StoredImages([generated]).get([sample.image()])[0])


def test_an_exported_image_has_its_provenance(finished: Path, tmp_path: Path) -> None:
    count = run_json("export", finished, tmp_path / "out", "--to", "imagefolder")["samples"]
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == count
    explanation = run_json("why", files[0])
    assert (explanation["id"], explanation["as_exported"]) == (files[0].stem, True)
    assert explanation["provenance"] == run_json("why", finished, files[0].stem)["provenance"]
    out = run_text("why", files[0])
    assert out.startswith(f"sample {files[0].stem}\n  synthetic: ")
    assert CHANGED not in out
    data, other = (file.read_bytes() for file in files[:2])
    end = data.index(b"IDAT") - 4
    (tmp_path / "forged.png").write_bytes(data[:end] + other[other.index(b"IDAT") - 4 :])
    assert run_json("why", tmp_path / "forged.png")["as_exported"] is False
    assert CHANGED in run_text("why", tmp_path / "forged.png")
    for words in ([finished / "recipe.yaml"], [files[0], "3f2a"]):
        error = user_error(["why", *words])
        assert (error.code, str(words[0]) in error.message) == ("store", True)
    assert "'SAMPLE'" in usage_error(["why", finished]).message


def test_why_in_text(finished: Path) -> None:
    sample = read_shard(parts(next(finished.glob("generate-*")))[0])[0]
    assert isinstance(sample, Sample)
    out = run_text("why", finished, sample.id)
    for word in (
        f"sample {sample.id}: ",
        "label: t-shirt",
        "GenerateImages",
        "reference: ",
        "look: ",
        "rule: ",
    ):
        assert word in out


def test_why_a_sample_failed(finished: Path, tmp_path: Path) -> None:
    """The recipe paints no failures, so one is written as the runner would write it."""
    run = tmp_path / "run"
    generated = run / next(finished.glob("generate-*")).name
    generated.mkdir(parents=True)
    for name in (".assay-run", "recipe.yaml"):
        (run / name).write_bytes((finished / name).read_bytes())
    (source, *_) = parts(finished / generated.name)
    rows = read_shard(source)
    assert isinstance(rows[0], Sample)
    failure = Failure(rows[0].parents[0], "black image")
    write_shard(generated / source.name, [failure, *rows[1:]], read_encoded_images(source))
    _receipt_for(generated, finished / generated.name)
    explanation = run_json("why", run, failure.seed)
    assert (explanation["fate"], explanation["kept"]) == (f"failed: {failure.reason}", False)


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
def test_exports_open_with_datasets(finished: Path, tmp_path: Path, layout: str) -> None:
    datasets = pytest.importorskip("datasets")
    exported = run_json("export", finished, tmp_path / "out", "--to", layout)
    assert exported["layout"] == layout
    count = next(s for s in run_json("status", finished)["stages"] if s["stage"] == "keep")["counts"]["kept"]
    assert exported["samples"] == count > 0
    place, cache = str(tmp_path / "out"), str(tmp_path / "cache")
    if layout == "hf":
        dataset = datasets.load_dataset(place, cache_dir=cache)["train"]
    elif layout == "imagefolder":
        dataset = datasets.load_dataset("imagefolder", data_dir=place, cache_dir=cache)["train"]
    else:
        dataset = datasets.load_dataset("json", data_files=f"{place}/data.jsonl", cache_dir=cache)["train"]
    assert len(dataset) == count
    assert set(dataset["label"]) <= set(LABELS)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert f"70 requested = {count} kept" in card
    assert " ".join(results["answer"].replace("<", "&lt;").split()) in card
    if layout != "jsonl":
        assert dataset[0]["image"].size == (32, 32)
    del dataset
    gc.collect()


def test_shards_of_a_run_open_with_datasets(finished: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = [str(path) for path in parts(next(finished.glob("generate-*")))]
    assert len(files) == 2
    dataset = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))["train"]
    assert len(dataset) == 70
    assert dataset[0]["image"].size == (32, 32)


def test_an_export_does_not_change_other_files(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    error = user_error(["export", finished, tmp_path])
    assert (error.code, str(tmp_path) in error.message) == ("store", True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_report_rebuilds_the_page(finished: Path, tmp_path: Path) -> None:
    before = hashlib.sha256((finished / "report.html").read_bytes()).hexdigest()
    results = run_json("report", finished)
    assert results == json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert hashlib.sha256((finished / "report.html").read_bytes()).hexdigest() == before
    (tmp_path / ".assay-run").touch()
    (tmp_path / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    unfinished = [
        user_error(words)
        for words in (["report", tmp_path], ["export", tmp_path, tmp_path / "out"], ["why", tmp_path, "abc"])
    ]
    assert all(error.code == "store" and str(tmp_path) in error.message for error in unfinished)
    assert len({error.message for error in unfinished}) == 3  # each names the stage that is missing
    assert "real" in unfinished[0].message.replace(str(tmp_path), "")
    error = user_error(["status", tmp_path / "none"])
    assert (error.code, str(tmp_path / "none") in error.message) == ("store", True)


def test_recipes_models_and_doctor() -> None:
    assert {row["name"] for row in run_json("recipes")} == set(shipped_recipes())
    assert {"embedded:fashion-clip"} <= {row["reference"] for row in run_json("models")}
    checks = {row["check"]: row for row in run_json("doctor")}
    assert checks["torch"]["ok"]
    assert {"device", "free disk here", "embedded models", "real photographs", "ray"} <= checks.keys()


def test_init_writes_a_recipe_once(tmp_path: Path) -> None:
    assert run_json("init", "fashion", cwd=tmp_path) == {"written": "fashion.yaml"}
    assert run_json("plan", "fashion.yaml", cwd=tmp_path)["requested"] == 10 * PER_LABEL
    before = (tmp_path / "fashion.yaml").read_bytes()
    error = user_error(["init", "fashion"], cwd=tmp_path)
    assert (error.code, error.fields) == ("store", {"path": "fashion.yaml"})
    assert (tmp_path / "fashion.yaml").read_bytes() == before
    error = user_error(["init", "friut", "--to", "x.yaml"], cwd=tmp_path)
    assert (error.code, error.fields, "'fruit'" in error.hint) == ("recipe", {"name": "friut"}, True)
    error = user_error(["init", "fruit", "--to", "nowhere/x.yaml"], cwd=tmp_path)
    assert (error.code, error.fields) == ("store", {"path": "nowhere/x.yaml"})
    assert [path.name for path in tmp_path.iterdir()] == ["fashion.yaml"]


@pytest.mark.parametrize("words", [["recipes"], ["models"], ["doctor"], ["plan", "fashion"]])
def test_tables_in_text(words: list[str]) -> None:
    assert "fashion" in run_text(*words)


def test_status_in_text(finished: Path) -> None:
    assert re.search(r"generate +done +.*70 made", run_text("status", finished))


def test_mistakes_on_the_command_line() -> None:
    error = user_error(["recipe"])
    assert (error.code, "'recipes'" in error.hint) == ("user", True)
    option = usage_error(["run", "fashion", "--quik"])
    assert isinstance(option, click.NoSuchOption)
    assert option.option_name == "--quik"
    assert isinstance(usage_error(["run"]), click.MissingParameter)
    for words, name in ((["run", "fashion", "--engine", "rya"], "engine"), (["export", "a", "b", "--to", "csv"], "to")):
        choice = usage_error(words)
        assert isinstance(choice, click.BadParameter)
        assert choice.param is not None
        assert choice.param.name == name
        assert repr(words[-1]) in choice.message


def test_a_second_run_reports_complete_stages(finished: Path, small: list[str]) -> None:
    again = called(["run", "fashion", *small, "--out", finished])
    assert again.returncode == 0
    assert again.stderr.count(COMPLETE) == 22


def test_every_command_has_help() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert all(name in result.output for name in commands())
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
def test_the_shipped_recipe_runs_with_the_embedded_models(photos: Path, tmp_path: Path) -> None:
    source = f"{{use: ImageFolder, path: {photos}}}"
    changes = [
        "generate.per_label=4",
        "train.steps=2",
        "train.batch_size=4",
        f"prove.holdout={source}",
        f"prove.real={source}",
    ]
    words = [word for change in changes for word in ("--set", change)]
    result = called(["run", "fashion", "--quick", *words, "--out", tmp_path / "run", "--json"])
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    flow = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["funnel"]
    assert flow["requested"] == 40
    assert 10 <= flow["kept"] <= 40
