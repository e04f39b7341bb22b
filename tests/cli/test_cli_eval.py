"""assay eval: what is printed, on the embedded language model."""

from __future__ import annotations

import json
import re
from pathlib import Path

from assay.evaluation.results import EMPTY_RULE, UNPARSED_RULE
from command_line import called

ROWS = [
    {"question": "Translate into English: Der Hund schläft.", "answer": ["The dog is sleeping.", "The dog sleeps."]},
    {"question": "Write a short sentence about bread.", "answer": "Bread is baked from flour."},
]


def test_text_metrics_use_references_and_stored_answers(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    words = ["eval", "--model", "embedded:smollm2", "--task", file, "--max-tokens", 12, "--out", tmp_path / "run"]
    first = called([*words, "--metric", "rouge-l", "--metric", "chrf"])
    assert first.returncode == 0, first.stderr
    assert EMPTY_RULE in first.stdout
    assert UNPARSED_RULE not in first.stdout
    assert re.search(r"^rouge-l: .*\b0 to 1\b", first.stdout, re.MULTILINE)
    assert "Accuracy:" not in first.stdout
    assert "Chance level" not in first.stdout
    (part,) = (tmp_path / "run").glob("answers-*/part-00000.jsonl")
    before = part.stat().st_mtime_ns

    second = called([*words, "--metric", "rouge-l", "--metric", "accuracy", "--json"])
    assert second.returncode == 0, second.stderr
    near, right = json.loads(second.stdout)["cells"]
    assert part.stat().st_mtime_ns == before
    assert (near["metric"], near["kind"], near["n"], near["scored"]) == ("rouge-l", "mean", 2, 2)
    assert (right["metric"], right["kind"]) == ("accuracy", "proportion")
    assert 0 < near["accuracy"]["estimate"] <= 1


def test_an_interval_without_width_has_a_note(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {nth} times 7919?", "answer": 7919 * nth} for nth in (123457, 765431)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prompts = ["--prompt", "zero-shot", "--prompt", "zero-shot-cot"]
    words = ["eval", "--model", "embedded:smollm2", "--task", file, *prompts]
    result = called([*words, "--max-tokens", 8, "--out", tmp_path / "run"])
    assert result.returncode == 0, result.stderr
    assert "+0.0 to +0.0" in result.stdout
    assert "zero width" in result.stdout
