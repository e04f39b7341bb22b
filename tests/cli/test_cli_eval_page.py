"""assay eval leaves a page beside its numbers."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import called
from fault_server import FaultServer


def test_page_and_results_agree(tmp_path: Path) -> None:
    rows = [{"question": f"What is {nth} + 1?", "answer": nth + 1} for nth in range(3)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with FaultServer() as server:
        words = ["eval", "--model", f"{server.base}/v1#llama", "--task", tmp_path / "sums.jsonl"]
        result = called([*words, "--out", tmp_path / "run"], XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "results.json, report.html" in result.stdout
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["finding"]["headline"] in page
    assert results["cells"][0]["prompt"] in page
    assert "What is 0 + 1?" in page
    assert "token limit" in page
