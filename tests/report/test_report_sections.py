"""The registry of sections: a section of a plug-in is on the page, and its data in results.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from assay.core.errors import UserError
from assay.core.recipe import Recipe
from assay.report.api import report
from assay.report.sections import all_sections
from page_parts import words
from run_parts import run
from task_parts import Tasks, task, write_tasks

PLUGIN = """
from dataclasses import dataclass
from pathlib import Path

from assay.analysis.finished_run import FinishedRun
from assay.report.template import fill


@dataclass(frozen=True)
class WordCount:
    words: int
    samples: int

    @property
    def mean(self) -> float:
        return self.words / self.samples


class WordCounts:
    name = "word_count"
    title = "Words of the answers"

    def analyze(self, run: FinishedRun) -> WordCount | None:
        answers = [sample.text("output") for sample in run.samples]
        return WordCount(sum(len(answer.split()) for answer in answers), len(answers)) if answers else None

    def render(self, data: WordCount) -> str:
        return fill("word_count.html", {"count": data}, folder=Path(__file__).parent)
"""
TEMPLATE = "<p>{{ count.mean|number }} words per answer, n = {{ count.samples|count }}.</p>\n"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, module: str, code: str = PLUGIN) -> None:
    """Make a distribution with one section importable."""
    folder.mkdir()
    info = folder / "assay_words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-words\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[assay.sections]\nword_count = {value}\n", encoding="utf-8")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    (folder / "word_count.html").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)


def test_a_section_of_a_plug_in_is_on_the_page_and_in_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "plugin", monkeypatch, "assay_words:WordCounts", "assay_words")
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task("Say it.", "a b c"), task("Say that.", "a")])
    run(Recipe("words", Tasks(str(tasks))), tmp_path / "run")
    report(tmp_path / "run")
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["word_count"] == {"words": 4, "samples": 2, "mean": 2.0}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<section id="word_count"' in page
    assert "Words of the answers 2 words per answer, n = 2." in words(page)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ImportError('no such library')", "no such library"),
        ("class WordCounts:\n    name = 'word_count'\n", "analyze"),
        (PLUGIN.replace('"word_count"', '"funnel"', 1), "'funnel'"),
    ],
    ids=["not-loadable", "no-section", "name-taken"],
)
def test_a_section_that_cannot_be_used_is_an_error_of_the_user(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "plugin", monkeypatch, "assay_wrong_words:WordCounts", "assay_wrong_words", code)
    with pytest.raises(UserError, match=message):
        all_sections()
