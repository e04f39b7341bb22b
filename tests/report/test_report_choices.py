"""What each score would keep: of a run whose scores are known to the last sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.components.filters.random_subset import RandomSubset
from assay.components.filters.threshold import Threshold
from assay.core.recipe import Recipe
from assay.report.api import report
from page_parts import words
from run_parts import run
from task_parts import Length, Tasks, task, write_tasks

ANSWERS = ["a " * n for n in range(1, 20)] + ["?"]


def reported(tmp_path: Path, keep: Any, **score: Any) -> tuple[dict[str, Any], str]:
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task(f"Say {n}.", answer) for n, answer in enumerate(ANSWERS)])
    run(Recipe("choosing", Tasks(str(tasks)), score=score, keep=keep), tmp_path / "run")
    report(tmp_path / "run")
    found = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["choices"]
    return found, words((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))


def test_each_score_keeps_its_best_as_many_as_the_filters_kept(tmp_path: Path) -> None:
    found, page = reported(
        tmp_path,
        (Threshold("long", low=10.0, high=14.0),),
        long=Length(), short=Length("lower"), odd=Length("neither"), flat=Length(same=True),
    )  # fmt: skip
    assert (found["samples"], found["kept"], found["words"], found["words_kept"]) == (20, 5, pytest.approx(9.55), 12.0)
    long, short = found["scores"]
    # Answers of 15 to 19 words lie beyond the line that the filter draws at the good end.
    assert (long["name"], long["kept"], long["beyond"], long["words"]) == ("long", 5, 5, 12.0)
    assert long["filters"] == {"share": 1.0, "chance": 0.25}
    assert (short["name"], short["kept"], short["beyond"], short["words"]) == ("short", 5, 0, 3.0)
    assert short["filters"] == {"share": 0.0, "chance": 0.25}
    (pair,) = found["pairs"]
    assert pair["shared"] == {"share": 0.0, "chance": 0.25}
    assert (pair["rho"]["estimate"], pair["rho"]["n"]) == (-1.0, 19)
    assert found["left_out"] == {
        "odd": "its scale does not say which way is better",
        "flat": "it gives every sample the same",
    }
    assert "What each score would keep" in page
    assert "long and short: 0 % of what they would keep is the same, where picking blindly gives 25 %." in page
    assert "Left out is odd: its scale does not say which way is better." in page


@pytest.mark.parametrize(
    ("score", "keep"),
    [
        ({"long": Length()}, (RandomSubset(fraction=0.5, per=None),)),
        ({"long": Length(), "odd": Length("neither")}, (RandomSubset(fraction=0.5, per=None),)),
        ({"long": Length(), "short": Length("lower")}, ()),
        ({"long": Length(), "short": Length("lower")}, (Threshold("long", low=1000.0),)),
    ],
    ids=["one", "one-that-chooses", "all-kept", "none-kept"],
)
def test_there_is_no_such_section_where_nothing_is_to_be_compared(tmp_path: Path, score: Any, keep: Any) -> None:
    found, page = reported(tmp_path, keep, **score)
    assert found is None
    assert "What each score would keep" not in page


def test_samples_that_only_their_ids_tell_apart_are_owned_up_to(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task(f"Say {n}.", "a " * (1 + n % 2)) for n in range(20)])
    score = {"long": Length(), "short": Length("lower")}
    run(
        Recipe("tied", Tasks(str(tasks)), score=score, keep=(RandomSubset(keep=4, per=None),)), tmp_path / "run"
    )  # fmt: skip
    report(tmp_path / "run")
    page = words((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "of 10 samples with one value at the end, 4 are taken by their ids" in page
