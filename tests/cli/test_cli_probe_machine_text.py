"""assay probe machine-text, on the embedded language model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import checkpoints
from assay.probes.machine_text.command import LIMITS
from command_line import called, user_error

TEXT = (
    "The old harbour was quiet in the morning. Two boats had come in during the night, and the men who sailed them "
    "sat on the wall and ate bread with cheese. Nobody asked where they came from. A dog ran along the water, stopped, "
    "looked at a gull for a long time and ran back to the houses."
)


@pytest.mark.full
def test_the_threshold_is_calibrated_on_human_texts(tmp_path: Path) -> None:
    texts, people = tmp_path / "texts.txt", tmp_path / "people.jsonl"
    texts.write_text(f"{TEXT}\nToo short.\n", encoding="utf-8")
    human_texts = [f"{TEXT} {'And then it rained again, which nobody minded. ' * nth}" for nth in range(5)]
    people.write_text("".join(json.dumps({"words": text}) + "\n" for text in human_texts), encoding="utf-8")
    error = user_error(["probe", "machine-text", texts, "--human", people, "--column", "words"])
    assert (error.code, "--column" in error.message) == ("user", True)
    plain = tmp_path / "people.txt"
    plain.write_text("\n".join(human_texts), encoding="utf-8")
    error = user_error(["probe", "machine-text", texts, "--human", plain])
    assert (error.code, re.search(r"\b23\b.*\b5\b", str(error)) is not None) == ("user", True)
    result = called(["probe", "machine-text", texts, "--human", plain, "--false-positive-rate", "0.3"])
    assert result.returncode == 0, result.stderr
    printed = " ".join(result.stdout.split())
    assert "undecided" in printed
    assert "n = 5)" in printed
    assert " ".join(LIMITS.split()) in printed


def test_pairs_are_evaluated(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"original": [TEXT, "No."], "sampled": [TEXT[::-1], TEXT]}), encoding="utf-8")
    model = f"transformers:{checkpoints.chat(tmp_path / 'model')}"
    result = called(["probe", "machine-text", pairs, "--model", model, "--json"])
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["people"] == data["machine"] == 1
    assert data["values"]["original"][1] is None
    assert data["values"]["sampled"][1] == data["values"]["original"][0]
    assert data["line"] is None
