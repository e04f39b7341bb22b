"""A run over tasks: instruction, input and output, scored by a judge on a server."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from assay.components.filters.threshold import Threshold
from assay.core.recipe import Recipe
from assay.core.score import Outcome, Score, Unscored
from assay.report.api import report
from assay.store.export.cards import NO_PROOF
from assay.store.rows import read_decisions, read_outcomes
from assay.text.prompting.delimiters import delimited_texts
from command_line import called
from fault_answers import SAY
from fault_server import FaultServer
from remote_parts import KEY
from run_parts import folder_of, run
from task_parts import Length, Tasks, task, write_tasks

CASES: dict[str, tuple[str, float | str]] = {
    "Name a sea.": ("ID {own}: 5", 5.0),
    "Name a lake.": ("**ID {own}: 4.5**", 4.5),
    "Name a hill.": ("Well made.\nID {own}: 4", 4.0),
    "Name a well.": ("ID {own}: 4.5/5", 4.5),
    "Name a ford.": ("ID {own}: 0", 0.0),
    "Name a pond.": ("ID {own}: 4.7", "unparsed"),
    "Name a moor.": ("ID {own}: 6", "unparsed"),
    "Name a bay.": ("ID {own}: -1", "unparsed"),
    "Name a cape.": ("ID {own}: NaN", "unparsed"),
    "Name a reef.": ("Score: 5", "unparsed"),
    "Name a cove.": ("ID 00000000: 5", "unparsed"),
    "Name a spit.": ("five", "unparsed"),
    "Name a gulf.": ("5 5 5 \u0000 {{}} \ud55c", "unparsed"),
}
FAULTS = {"Name a cliff.": "refusal", "Name a creek.": "400", "Name a marsh.": "empty", "Name a delta.": "filter"}
RECIPE = """
name: rated
generate: {{use: "task_parts:Tasks", path: {tasks}}}
score:
  quality:
    use: Judge
    model: {model}
    criteria: "Accuracy: the answer is right and does what the instruction asks."
    dimension: accuracy
    low: 0
    step: 0.5
keep: [{{use: Threshold, column: quality, low: 4.5}}]
"""


def judge_answer(text: str, nth: int) -> str | None:
    """Answer of the judge to a prompt with one task."""
    sample_id, parts = delimited_texts(text)
    instruction = parts["INSTRUCTION"].strip()
    return FAULTS.get(instruction) or SAY + CASES[instruction][0].format(own=sample_id)


def test_judge_scores_are_parsed_and_filtered_by_a_threshold(tmp_path: Path) -> None:
    rows = [task(name, f"an answer to {name}", given="the map") for name in (*CASES, *FAULTS)]
    path = write_tasks(tmp_path / "tasks.jsonl", rows)
    with FaultServer(judge_answer) as server:
        recipe = tmp_path / "rated.yaml"
        recipe.write_text(RECIPE.format(tasks=path, model=f"{server.base}/v1#judge"), encoding="utf-8")
        result = called(["run", recipe, "--out", tmp_path / "run", "--json"], ASSAY_API_KEY=KEY, HOME=str(tmp_path))
        prompts = [request.text for request in server.received]
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert all("an answer to" in text and "the map" in text and "0, 0.5, 1" in text for text in prompts)
    folder = folder_of(tmp_path / "run", "generate")
    outcomes = outcomes_by_task(tmp_path / "run", folder)
    for instruction, (_, expected) in CASES.items():
        outcome = outcomes[instruction]
        value = outcome.value if isinstance(outcome, Score) else outcome.cause  # type: ignore[union-attr]
        assert value == expected, (instruction, outcome)
    for instruction in FAULTS:
        outcome = outcomes[instruction]
        assert isinstance(outcome, Unscored), instruction
        assert outcome.cause == "failed"
    decisions = read_decisions(folder_of(tmp_path / "run", "keep") / "decisions.parquet")
    assert Counter("4.5" in row.rule for row in decisions if not row.keep) == {True: 2, False: 12}
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert (results["funnel"]["requested"], results["funnel"]["kept"]) == (17, 3)
    assert results["scores"][0]["unscored"] == {"unparsed": 8, "failed": 4}


def outcomes_by_task(run: Path, folder: Path) -> dict[str, Outcome]:
    from assay.pipeline.stages.parts import parts, samples_of

    outcomes = dict(row for path in parts(folder_of(run, "score-quality")) for row in read_outcomes(path))
    return {sample.text("instruction"): outcomes[sample.id] for sample in samples_of(folder)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_run_of_tasks_is_exported_with_a_card_and_its_parts_open_in_datasets(tmp_path: Path) -> None:
    import datasets

    rows = [task(f"Say {n}.", "a " * n, language="en") for n in range(1, 12)]
    tasks = write_tasks(tmp_path / "tasks.jsonl", [*rows, {"name": "nobody"}])
    recipe = Recipe(
        "exported", Tasks(str(tasks)), "Are they long?", score={"long": Length()}, keep=(Threshold("long", low=4.0),)
    )
    run(recipe, tmp_path / "run")
    report(tmp_path / "run")
    for layout, file in (("alpaca", "data.json"), ("sharegpt", "data.json"), ("messages", "data.jsonl")):
        result = called(["export", tmp_path / "run", tmp_path / layout, "--to", layout, "--license", "cc0-1.0"])
        assert result.returncode == 0, result.stderr
        assert re.search(r"\b8\b", result.stdout.replace(str(tmp_path), ""))
        assert str(tmp_path / layout) in result.stdout
        data_files, cache = str(tmp_path / layout / file), str(tmp_path / "cache")
        assert len(datasets.load_dataset("json", data_files=data_files, split="train", cache_dir=cache)) == 8
    card = (tmp_path / "alpaca" / "README.md").read_text(encoding="utf-8")
    for text in (
        "license: cc0-1.0\nlanguage:\n- en\n",
        "Are they long?",
        "| dropped: 1. Threshold | 3 |",
        "| generator | Tasks |",
        NO_PROOF,
        "name: exported",
    ):
        assert text in card, text
    assert re.search(r"\b12 \w+ = 8 \w+ \+ 3 \w+ \+ 1 \w+", card)
    files = sorted(map(str, folder_of(tmp_path / "run", "generate").glob("part-*.parquet")))
    table = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert [row["output"] for row in table] == [row["output"] for row in rows] + [None]
    assert table[11]["failure"] == "nothing came"
