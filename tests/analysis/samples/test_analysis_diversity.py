"""Diversity of the kept texts, for tasks with known diversity."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.format import listed
from assay.analysis.samples.diversity import MEASURES
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
    data = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["diversity"]
    return data, words((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))


def test_a_score_that_selects_one_kind_of_task_lowers_every_measure(tmp_path: Path) -> None:
    score = {"long": Length(), "place": TextEmbedding(text="instruction")}
    data, page = reported(tmp_path, [*MANY, *ALIKE], (TopFraction("long", 0.5, per=None),), **score)
    generated, kept, random = data["sets"]
    assert (data["text_field"], data["column"], data["draws"]) == ("instruction", "place", 40)
    assert (generated["n"], kept["n"], random["n"]) == (100, 50, 50)
    assert generated["measures"]["verbs"] == 6
    assert generated["measures"]["pairs"] == 51
    assert kept["measures"]["verbs"] == kept["measures"]["pairs"] == 1
    assert kept["measures"]["clusters"] == pytest.approx(1.0)
    assert kept["measures"]["vendi"] == pytest.approx(1.0, abs=1e-3)
    assert kept["measures"]["distinct_2"] == 5 / 250
    for name, (low, high) in data["spread"].items():
        assert low <= random["measures"][name] <= high
        assert kept["measures"][name] < low
    assert data["verbs"] == [["write", 50, [["poem", 50]]]]
    assert listed(list(MEASURES.values())) in page
    assert "less diverse" in page
    assert "more diverse" not in page


def test_a_quota_per_cluster_raises_the_number_of_clusters(tmp_path: Path) -> None:
    score = {"place": TextEmbedding(text="instruction")}
    data, page = reported(tmp_path, [*MANY, *ALIKE], (ClusterQuota("place", 10, 6),), **score)
    _, kept, _ = data["sets"]
    assert kept["measures"]["clusters"] > data["spread"]["clusters"][1]
    assert "more diverse" in page


def test_a_random_subset_is_within_the_range_of_random_subsets(tmp_path: Path) -> None:
    data, page = reported(tmp_path, MANY, (RandomSubset(keep=25, per=None, seed=4),))
    assert set(data["spread"]) == {"verbs", "pairs", "words", "distinct_2"}
    assert "more diverse" not in page
    assert "less diverse" not in page


def test_without_dropped_samples_there_is_no_comparison(tmp_path: Path) -> None:
    data, _ = reported(tmp_path, MANY, ())
    assert data["draws"] == 0
    assert [row["name"] for row in data["sets"]] == ["generated", "kept"]
    assert data["spread"] == {}


def test_tasks_in_korean_have_words_and_no_verbs(tmp_path: Path) -> None:
    rows = [task(f"{thing}에 대해 설명해 주세요.", "네") for thing in ("강", "산", "바다", "하늘", "별")] * 4
    data, page = reported(tmp_path, [{**row, "name": str(nth)} for nth, row in enumerate(rows)], ())
    assert data["sets"][0]["with_verb"] == 0
    assert data["sets"][0]["measures"]["verbs"] == 0
    assert data["sets"][0]["measures"]["words"] > 5
    assert data["verbs"] == []
    assert "20 of 20" in page


def test_too_few_texts_have_no_section(tmp_path: Path) -> None:
    data, page = reported(tmp_path, MANY[:9], ())
    assert data is None
    assert "Vendi" not in page
