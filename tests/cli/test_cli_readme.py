"""Every `assay ...` that the README shows is one that assay takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from assay.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_in(text: str) -> list[list[str]]:
    """Every `assay ...` line of the code blocks and inline code of a page, as words."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(assay [^`\n]+)`", text)
    calls = []
    for line in lines:
        match = re.match(r"\s*(?:\$ )?(?:[\w./]*/)?assay (.*)", line)
        if match and not match[1].startswith(("=", ":", "-> ")):
            calls.append(shlex.split(match[1], comments=True))
    return calls


def example_of(words: list[str]) -> list[str]:
    """The longest call that a synopsis such as `run RECIPE [--quick] [--engine local|ray]...` allows."""
    call = words[: next((nth for nth, word in enumerate(words) if word in ("|", ">", "&&")), None)]
    if any(word.startswith("[") for word in call):
        call = [word.replace("[", "").replace("]", "").replace("...", "") for word in call]
    return [word.split("|")[0] for word in call if word]


def parses(words: list[str]) -> bool:
    """Whether click takes these words; placeholders in capitals stand for anything, nothing is run."""
    command = cli.get_command(click.Context(cli), words[0])
    if command is None:
        return False
    try:
        command.make_context(
            words[0], [word for word in words[1:] if word not in ("...", "…")], resilient_parsing=False
        )
    except click.exceptions.Exit:  # --help
        return True
    except click.ClickException:
        return False
    return True


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.name)
def test_commands_in_the_documentation_exist(page: Path) -> None:
    for words in commands_in(page.read_text(encoding="utf-8")):
        if words and words[0] not in ("--help", "--version", "-h"):
            assert parses(example_of(words)), f"{page.name} says `assay {' '.join(words)}`, which assay does not take."


def test_commands_are_parsed_and_checked() -> None:
    text = (
        "```\n$ assay run fashion --quick  # note\n.venv/bin/assay plan fashion \\\n  --out X\n```\nor `assay rnu x`."
    )
    assert commands_in(text) == [["run", "fashion", "--quick"], ["plan", "fashion", "--out", "X"], ["rnu", "x"]]
    assert [parses(words) for words in commands_in(text)] == [True, True, False]
    assert not parses(["run", "fashion", "--quik"])
    synopsis = ["run", "RECIPE", "[--quick]", "[--engine", "local|ray]", "[--set", "key=value]..."]
    assert example_of(synopsis) == ["run", "RECIPE", "--quick", "--engine", "local", "--set", "key=value"]
    assert not parses(example_of([*synopsis, "[--fast]"]))
