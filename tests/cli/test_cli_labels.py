"""assay run labels --quick: two label names become a classifier of texts, proved on reviews that people wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import assay


@pytest.mark.full
def test_results_and_page_of_a_run(tmp_path: Path) -> None:
    result = assay(["run", "labels", "--quick", "--out", tmp_path / "run", "--json"])
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    flow = results["funnel"]
    assert flow["requested"] == 120
    assert flow["kept"] + sum(flow["dropped"].values()) + sum(flow["failed"].values()) == 120
    first = results["comparisons"][0]
    assert (first["ours"], first["theirs"]) == ("real+synthetic", "real-few-shot")
    assert first["difference"]["n"] == 300
    assert first["difference"]["low"] <= first["difference"]["estimate"] <= first["difference"]["high"]
    floor = next(arm for arm in results["arms"] if arm["name"] == "permuted-labels")
    assert 0 <= floor["result"]["low"] <= floor["result"]["high"] <= 1
    assert {example["kept"] for example in results["examples"]} <= {True, False}
    assert all(example["text"] for example in results["examples"])
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<section id="examples"' in page
    assert "photograph" not in page
