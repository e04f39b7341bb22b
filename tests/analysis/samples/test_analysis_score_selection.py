"""Selection by each score alone, for known scores."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assay.components.filters.fractions import RandomSubset
from assay.components.filters.threshold import Threshold
from assay.core.recipe import Recipe
from assay.report.api import report
from run_parts import run
from task_parts import Length, Tasks, task, write_tasks

SECTION = '<section id="score_selection"'
ANSWERS = ["a " * n for n in range(1, 20)] + ["?"]


def reported(tmp_path: Path, keep: Any, **score: Any) -> tuple[dict[str, Any], str]:
    """The section's data and the whole page."""
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task(f"Say {n}.", answer) for n, answer in enumerate(ANSWERS)])
    run(Recipe("selection", Tasks(str(tasks)), score=score, keep=keep), tmp_path / "run")
    report(tmp_path / "run")
    data = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["score_selection"]
    return data, (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_each_score_selects_as_many_samples_as_the_filters_kept(tmp_path: Path) -> None:
    data, page = reported(
        tmp_path,
        (Threshold("long", low=10.0, high=14.0),),
        long=Length(), short=Length("lower"), odd=Length("neither"), flat=Length(same=True),
    )  # fmt: skip
    assert (data["samples"], data["kept"], data["words"], data["words_kept"]) == (20, 5, pytest.approx(9.55), 12.0)
    long, short = data["scores"]
    # Answers of 15 to 19 words are above the filter's threshold.
    assert (long["name"], long["kept"], long["outside"], long["words"]) == ("long", 5, 5, 12.0)
    assert long["with_filters"] == {"share": 1.0, "chance": 0.25}
    assert (short["name"], short["kept"], short["outside"], short["words"]) == ("short", 5, 0, 3.0)
    assert short["with_filters"] == {"share": 0.0, "chance": 0.25}
    (pair,) = data["pairs"]
    assert pair["overlap"] == {"share": 0.0, "chance": 0.25}
    assert (pair["rho"]["estimate"], pair["rho"]["n"]) == (-1.0, 19)
    assert data["left_out"].keys() == {"odd", "flat"}
    assert "direction" in data["left_out"]["odd"]
    assert "constant" in data["left_out"]["flat"]
    assert SECTION in page


@pytest.mark.parametrize(
    ("score", "keep"),
    [
        ({"long": Length()}, (RandomSubset(fraction=0.5, per=None),)),
        ({"long": Length(), "odd": Length("neither")}, (RandomSubset(fraction=0.5, per=None),)),
        ({"long": Length(), "short": Length("lower")}, ()),
        ({"long": Length(), "short": Length("lower")}, (Threshold("long", low=1000.0),)),
    ],
    ids=["one-score", "one-score-with-direction", "all-kept", "none-kept"],
)
def test_fewer_than_two_usable_scores_give_no_section(tmp_path: Path, score: Any, keep: Any) -> None:
    data, page = reported(tmp_path, keep, **score)
    assert data is None
    assert SECTION not in page


def test_ties_at_the_cutoff_are_reported(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task(f"Say {n}.", "a " * (1 + n % 2)) for n in range(20)])
    score = {"long": Length(), "short": Length("lower")}
    run(
        Recipe("tied", Tasks(str(tasks)), score=score, keep=(RandomSubset(keep=4, per=None),)), tmp_path / "run"
    )  # fmt: skip
    report(tmp_path / "run")
    selections = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["score_selection"][
        "scores"
    ]
    assert [(selection["tied"], selection["tied_kept"]) for selection in selections] == [(10, 4), (10, 4)]
    assert re.search(r"\b10\b[^.]* tied\b", (tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
