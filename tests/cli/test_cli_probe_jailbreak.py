"""assay probe jailbreak, on the embedded language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import called, user_error


@pytest.mark.full
def test_json_and_page_of_all_attacks_and_defenses(tmp_path: Path) -> None:
    page, harmless = tmp_path / "page.html", tmp_path / "harmless.txt"
    harmless.write_text("How do I boil an egg?\nWhat is a haiku?\nWho wrote Faust?\nWhy is the sky blue?\n")
    words = ["probe", "jailbreak", "--cases", "2", "--max-tokens", "12", "--copies", "2", "--harmless", harmless]
    words += ["--false-positive-rate", "0.3"]
    result = called([*words, "--json", "--html", page])
    assert result.returncode == 0, result.stderr
    html = page.read_text(encoding="utf-8")
    assert html.count('class="strip') == 10
    assert "http" not in html.replace("http-equiv", "")
    data = json.loads(result.stdout)
    assert [defense["name"] for defense in data["results"]] == ["none", "reminder", "perplexity", "vote", "guard"]
    for defense in data["results"]:
        assert len(defense["attacks"]) == 12
        assert defense["through"]["estimate"] == sum(bool(attack["how"]) for attack in defense["attacks"]) / 12
        assert len(defense["harmless"]) == 4


@pytest.mark.full
def test_user_prompts(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("Say moo.\nSay baa, please.\n")
    words = ["probe", "jailbreak", "--prompts", prompts, "--family", "direct", "--defense", "reminder"]
    result = called([*words, "--max-tokens", "8"])
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in ("without defense", "reminder", "direct"))


def test_invalid_options_are_named(tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("One?\n")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for words, code, value in (
        (["--harmless", few], "user", "--harmless"),
        (["--prompts", empty], "user", "empty.txt"),
        (["--prompts", tmp_path / "none.txt"], "source", "none.txt"),
        (["--system", "Be kind."], "user", "--prompts"),
        (["--defense", "none", "--defense", "vote"], "user", "--defense none"),
        (["--model", "openai:gpt-5"], "user", "--guard"),
        (["--reader", "openai:gpt-5"], "user", "--reader"),
        (["--html", tmp_path / "no" / "page.html"], "user", "page.html"),
    ):
        error = user_error(["probe", "jailbreak", *words])
        assert (error.code, value in str(error)) == (code, True)
