"""Work that a command does once: loading and planning the recipe, hashing files, decoding samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assay.cli.main import cli
from assay.pipeline import plan
from assay.pipeline.lineage import explain
from assay.pipeline.recipe import codec
from assay.pipeline.stages import context
from assay.report import api
from assay.report.api import run
from assay.store import receipts
from run_parts import recipe


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """Calls of the real functions, by name and first argument."""
    calls_by_file = Counter[tuple[str, str]]()

    def count(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*args: Any, **options: Any) -> Any:
            calls_by_file[name, str(args[0]) if isinstance(args[0], Path) else ""] += 1
            return real(*args, **options)

        monkeypatch.setattr(module, name, call)

    for module in (codec, explain, api):
        count(module, "load")
    for module, name in ((plan, "recipe_stages"), (receipts, "_sha256"), (context, "read_shard")):
        count(module, name)
    return calls_by_file


def test_a_run_plans_once_and_reads_each_file_once(tmp_path: Path, calls: Counter[tuple[str, str]]) -> None:
    run(recipe(), tmp_path / "run")
    assert calls["recipe_stages", ""] == 1
    hash_counts = {path: n for (name, path), n in calls.items() if name == "_sha256"}
    assert hash_counts
    assert set(hash_counts.values()) == {1}
    decode_counts = {path: n for (name, path), n in calls.items() if name == "read_shard"}
    assert decode_counts
    assert set(decode_counts.values()) == {1}


def test_a_completed_run_is_hashed_once_more(tmp_path: Path, calls: Counter[tuple[str, str]]) -> None:
    run(recipe(), tmp_path / "run")
    calls.clear()
    run(recipe(), tmp_path / "run")
    assert calls["recipe_stages", ""] == 1
    assert {n for (name, _), n in calls.items() if name == "_sha256"} == {1}


@pytest.mark.parametrize("command", ["report", "status"])
def test_commands_load_and_plan_a_recipe_once(command: str, tmp_path: Path, calls: Counter[tuple[str, str]]) -> None:
    folder = tmp_path / "run"
    run(recipe(), folder)
    calls.clear()
    result = CliRunner().invoke(cli, [command, str(folder)])
    assert result.exit_code == 0, result.output
    assert (calls["load", ""], calls["recipe_stages", ""]) == (1, 1)
