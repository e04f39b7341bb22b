"""assay probe hallucination, on the embedded language model and a few built-in questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import called, user_error


@pytest.mark.full
def test_table_page_and_json_agree(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["probe", "hallucination", "--limit", "6", "--samples", "2", "--max-tokens", "12"]
    result = called([*words, "--html", page])
    assert result.returncode == 0, result.stderr
    assert "AUROC" in result.stdout
    assert "semantic-entropy" in result.stdout
    html = page.read_text(encoding="utf-8")
    assert html.count("<polyline") == 8  # seven scores, and multiple choice
    assert "http" not in html.replace("http-equiv", "")
    data = json.loads(called([*words, "--json"]).stdout)
    assert len(data["items"]) == 6
    assert {score["name"] for score in data["scores"]} >= {"agreement", "semantic-entropy", "mean"}
    wrong = 1 - data["right"]["estimate"]
    for score in data["scores"]:
        assert abs(score["curve"]["risk"][-1] - wrong) < 1e-9
        assert score["curve"]["coverage"][-1] == 1.0
    assert data["chosen"]["n"] == 6


def test_invalid_options_are_named(tmp_path: Path) -> None:
    for words, code, value in (
        (["--equivalence", "nli"], "user", "--judge"),
        (["--questions", tmp_path / "none.json"], "source", "none.json"),
        (["--html", tmp_path / "no" / "page.html"], "user", "page.html"),
    ):
        error = user_error(["probe", "hallucination", *words])
        assert (error.code, value in str(error)) == (code, True)
