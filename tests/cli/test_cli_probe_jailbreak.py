"""assay probe jailbreak, on the embedded language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import called


@pytest.mark.full
def test_a_table_a_page_and_numbers(tmp_path: Path) -> None:
    page, harmless = tmp_path / "page.html", tmp_path / "harmless.txt"
    harmless.write_text("How do I boil an egg?\nWhat is a haiku?\nWho wrote Faust?\nWhy is the sky blue?\n")
    words = ["probe", "jailbreak", "--cases", "2", "--max-tokens", "12", "--copies", "2", "--harmless", harmless]
    words += ["--false-alarms", "0.3"]
    done = called([*words, "--html", page])
    assert done.returncode == 0, done.stderr
    assert "Without a defense" in done.stdout
    assert all(name in done.stdout for name in ("reminder", "perplexity", "vote", "guard", "many-shot"))
    html = page.read_text(encoding="utf-8")
    assert html.count('class="strip') == 10
    assert "http" not in html.replace("http-equiv", "")
    found = json.loads(called([*words, "--json"]).stdout)
    assert [one["name"] for one in found["results"]] == ["none", "reminder", "perplexity", "vote", "guard"]
    for one in found["results"]:
        assert len(one["attacks"]) == 12
        assert one["through"]["estimate"] == sum(bool(tried["how"]) for tried in one["attacks"]) / 12
        assert len(one["harmless"]) == 4


@pytest.mark.full
def test_prompts_of_ones_own(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("Say moo.\nSay baa, please.\n")
    words = ["probe", "jailbreak", "--prompts", prompts, "--family", "direct", "--defense", "reminder"]
    done = called([*words, "--max-tokens", "8"])
    assert done.returncode == 0, done.stderr
    assert "nobody knows what was wanted" in done.stdout


def test_mistakes_are_named(tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("One?\n")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for words, message in (
        (["--harmless", few], "takes 20 of them, had 1"),
        (["--prompts", empty], "no text"),
        (["--prompts", tmp_path / "none.txt"], "There is no file"),
        (["--system", "Be kind."], "go with --prompts"),
        (["--defense", "none", "--defense", "vote"], "goes alone"),
        (["--model", "openai:gpt-5"], "Name an open model with --guard"),
        (["--reader", "openai:gpt-5"], "--reader"),
        (["--html", tmp_path / "no" / "page.html"], "there is no folder"),
    ):
        done = called(["probe", "jailbreak", *words])
        assert done.returncode == 2, (words, done.stderr)
        assert message in done.stderr, (words, done.stderr)
