"""Diversity of the kept texts, for tasks with known diversity."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.components.filters.cluster_quota import ClusterQuota
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.components.scorers.text.embeddings import TextEmbedding
from assay.core.recipe import Recipe
from assay.report.api import report
from page_parts import words
from run_parts import run
from task_parts import Length, Tasks, task, write_tasks

THINGS = ("river", "cake", "dog", "poem", "city", "song", "tree", "game", "planet", "book")
VERBS = ("Name", "Describe", "Draw", "Explain", "Find")
MANY = [task(f"{verb} a {thing}.", "a") for verb in VERBS for thing in THINGS]
ALIKE = [task("Write a poem about the sea.", "a b c", given=f"line {nth}") for nth in range(50)]


def reported(tmp_path: Path, rows: Sequence[dict[str, str]], keep: Any, **score: Any) -> tuple[dict[str, Any], str]:
    tasks = write_tasks(tmp_path / "tasks.jsonl", rows)
    run(Recipe("diversity", Tasks(str(tasks)), score=score, keep=keep), tmp_path / "run")
    report(tmp_path / "run")
    found = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["diversity"]
    return found, words((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))


def test_a_score_that_selects_one_kind_of_task_lowers_every_measure(tmp_path: Path) -> None:
    score = {"long": Length(), "place": TextEmbedding(text="instruction")}
    found, page = reported(tmp_path, [*MANY, *ALIKE], (TopFraction("long", 0.5, per=None),), **score)
    generated, kept, random = found["sets"]
    assert (found["text_field"], found["column"], found["draws"]) == ("instruction", "place", 40)
    assert (generated["n"], kept["n"], random["n"]) == (100, 50, 50)
    assert generated["measures"]["verbs"] == 6
    assert generated["measures"]["pairs"] == 51
    assert kept["measures"]["verbs"] == kept["measures"]["pairs"] == 1
    assert kept["measures"]["clusters"] == pytest.approx(1.0)
    assert kept["measures"]["vendi"] == pytest.approx(1.0, abs=1e-3)
    assert kept["measures"]["distinct_2"] == 5 / 250
    for name, (low, high) in found["spread"].items():
        assert low <= random["measures"][name] <= high
        assert kept["measures"][name] < low
    assert found["verbs"] == [["write", 50, [["poem", 50]]]]
    assert "less diverse in verbs, verb-object pairs, words, distinct-2, clusters and Vendi score than random" in page


def test_a_quota_per_cluster_raises_the_number_of_clusters(tmp_path: Path) -> None:
    score = {"place": TextEmbedding(text="instruction")}
    found, page = reported(tmp_path, [*MANY, *ALIKE], (ClusterQuota("place", 10, 6),), **score)
    _, kept, _ = found["sets"]
    assert kept["measures"]["clusters"] > found["spread"]["clusters"][1]
    assert "more diverse in" in page


def test_a_random_subset_is_within_the_range_of_random_subsets(tmp_path: Path) -> None:
    found, page = reported(tmp_path, MANY, (RandomSubset(keep=25, per=None, seed=4),))
    assert set(found["spread"]) == {"verbs", "pairs", "words", "distinct_2"}
    assert "more diverse in" not in page
    assert "less diverse in" not in page


def test_without_dropped_samples_there_is_no_comparison(tmp_path: Path) -> None:
    found, _ = reported(tmp_path, MANY, ())
    assert found["draws"] == 0
    assert [row["name"] for row in found["sets"]] == ["generated", "kept"]
    assert found["spread"] == {}


def test_tasks_in_korean_have_words_and_no_verbs(tmp_path: Path) -> None:
    rows = [task(f"{thing}에 대해 설명해 주세요.", "네") for thing in ("강", "산", "바다", "하늘", "별")] * 4
    found, page = reported(tmp_path, [{**row, "name": str(nth)} for nth, row in enumerate(rows)], ())
    assert found["sets"][0]["with_verb"] == 0
    assert found["sets"][0]["measures"]["verbs"] == 0
    assert found["sets"][0]["measures"]["words"] > 5
    assert found["verbs"] == []
    assert "20 of 20 generated instructions" in page


def test_too_few_texts_have_no_section(tmp_path: Path) -> None:
    found, page = reported(tmp_path, MANY[:9], ())
    assert found is None
    assert "Vendi" not in page
