"""The page of a proof by `MultipleChoice`: questions have choices of their own and no label."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import checkpoints
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.sources.tasks.truthful_qa import Misconceptions
from assay.components.trainers.sft.sft import SFT
from assay.core.recipe import Proof, Recipe
from assay.report.api import report
from assay.stats.inference.compare import Verdict
from page_parts import words
from run_parts import run
from task_parts import Tasks, task, write_tasks


def test_a_proof_by_choice_has_a_page(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    tasks = write_tasks(tmp_path / "tasks.jsonl", [task(f"Name a {thing}.", thing) for thing in ("river", "cake")])
    proof = Proof(Misconceptions(limit=8), MultipleChoice(), arms=("base", "unfiltered"))
    trainer = SFT(start, steps=1, batch_size=1, max_length=64)
    run(Recipe("choices", Tasks(str(tasks)), train=trainer, prove=proof), tmp_path / "run")
    finished = report(tmp_path / "run")
    assert finished.results["verdict"] in get_args(Verdict)
    assert "n = 8" in words((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
