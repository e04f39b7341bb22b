"""assay run instruct on the embedded model, with few tasks and steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import assay

TASKS, STEPS, HELD_OUT = 20, 4, 8
SMALL = (
    f"generate.count={TASKS}",
    f"generate.per_round={TASKS // 2}",
    f"train.steps={STEPS}",
    f"prove.holdout.limit={HELD_OUT}",
    "prove.evaluate.decoding.max_tokens=16",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instruct") / "run"
    changes = [word for change in SMALL for word in ("--set", change)]
    result = assay(["run", "instruct", "--quick", *changes, "--out", folder, "--json"], seconds=1800)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder


@pytest.mark.full
def test_the_verdict_follows_from_the_interval(run: Path) -> None:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    flow = results["funnel"]
    assert flow["requested"] == TASKS
    assert flow["kept"] + sum(flow["dropped"].values()) + sum(flow["failed"].values()) == TASKS
    assert flow["kept"] > 0
    assert [arm["name"] for arm in results["arms"]] == ["base", "unfiltered", "filtered", "random-subset"]
    assert [arm["steps"] for arm in results["arms"]] == [0, STEPS, STEPS, STEPS]
    first = results["comparisons"][0]
    assert (first["ours"], first["theirs"], first["difference"]["n"]) == ("filtered", "base", HELD_OUT)
    low, high, p = first["difference"]["low"], first["difference"]["high"], first["adjusted_p"]
    significant = p <= 0.05 and (high < 0 or low > 0)
    assert results["verdict"] == first["verdict"]
    assert (results["verdict"] in ("helped", "hurt")) == significant
    assert {row["measure"]["name"] for row in results["other_measures"]} == {"rouge-l", "cosine"}
    assert [row["ours"] for row in results["pairwise_comparisons"]] == ["unfiltered", "filtered", "random-subset"]
    assert all(set(row["answers"]) == {arm["name"] for arm in results["arms"]} for row in results["example_answers"])
    page = (run / "report.html").read_text(encoding="utf-8")
    for anchor in ("other_measures", "pairwise_comparisons", "example_answers"):
        assert f'<section id="{anchor}"' in page
    assert "photograph" not in page


@pytest.mark.full
def test_the_tuned_model_differs_and_answers(run: Path) -> None:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    losses = {arm["name"]: arm["result"]["estimate"] for arm in results["arms"]}
    assert losses["filtered"] != losses["base"]
    (model,) = run.glob("train-filtered-0-*/model")
    answered = assay(["ask", "Name a color.", "--model", str(model), "--method", "zero-shot", "--max-tokens", "8"])
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.strip()


@pytest.mark.full
@pytest.mark.parametrize("layout", ["alpaca", "sharegpt", "messages", "hf"])
def test_exports_of_kept_samples_open_with_datasets(run: Path, tmp_path: Path, layout: str) -> None:
    import datasets

    count = json.loads((run / "results.json").read_text(encoding="utf-8"))["funnel"]["kept"]
    result = assay(["export", run, tmp_path / layout, "--to", layout])
    assert result.returncode == 0, result.stderr
    opened = datasets.load_dataset(str(tmp_path / layout), split="train", cache_dir=str(tmp_path / "cache"))
    assert opened.num_rows == count
    card = (tmp_path / layout / "README.md").read_text(encoding="utf-8")
    assert f"{TASKS} requested" in card
    assert "embedded:smollm2" in card
