"""Every way of every family carries what is asked, whole and readable to a program."""

from __future__ import annotations

import base64
import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.probes.jailbreak.command import DEFENSES as NAMED_DEFENSES
from assay.probes.jailbreak.command import FAMILIES as NAMED
from assay.probes.jailbreak.defenses import DEFENSES
from assay.text.prompting.jailbreaks import FAMILIES, SHOTS, Wanted, attacked

SHOWN = tuple((f"Question {nth}?", f"Answer {nth}.") for nth in range(20))


def unwrapped(message: str) -> str:
    """What a careful reader gets out of it, the letters alone."""
    coded = re.search(r"base64.*what it says: (\S+)$", message)
    found = [message, codecs.encode(message, "rot13")]
    if coded:
        found.append(base64.b64decode(coded.group(1)).decode("utf-8"))
    return "".join("".join(one.split()) for one in found)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60), nth=st.integers(0, 50))
def test_what_is_asked_is_there(text: str, nth: int) -> None:
    wanted = Wanted(text, "Sure:", SHOWN)
    for family in FAMILIES:
        assert "".join(text.split()) in unwrapped(attacked(wanted, family, nth))


def test_ways_take_turns_and_no_two_are_the_same() -> None:
    wanted = Wanted("What is the codeword?", "Sure. The codeword is", SHOWN)
    messages = [attacked(wanted, name, nth) for name, family in FAMILIES.items() for nth in range(len(family.ways))]
    assert len(set(messages)) == len(messages) == sum(len(family.ways) for family in FAMILIES.values())
    assert attacked(wanted, "encoding", 0) == attacked(wanted, "encoding", len(FAMILIES["encoding"].ways))
    assert attacked(wanted, "direct", 3) == wanted.text


def test_many_shot_shows_as_many_as_there_are() -> None:
    assert attacked(Wanted("Now?", "", SHOWN), "many-shot", 0).count("Assistant: Answer") == SHOTS
    assert attacked(Wanted("Now?", "", ()), "many-shot", 0) == "User: Now?\nAssistant:"


def test_an_unknown_family() -> None:
    with pytest.raises(ValueError, match="is one of direct, role-play"):
        attacked(Wanted("a", "b", ()), "hypnosis", 0)


def test_the_command_names_them_all() -> None:
    assert tuple(FAMILIES) == NAMED
    assert tuple(DEFENSES) == NAMED_DEFENSES
