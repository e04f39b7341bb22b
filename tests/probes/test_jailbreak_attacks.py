"""Attack templates: each contains the whole request."""

from __future__ import annotations

import base64
import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.probes.jailbreak.attacks import FAMILIES, SHOTS, AttackRequest, attack_message
from assay.probes.jailbreak.command import DEFENSES as NAMED_DEFENSES
from assay.probes.jailbreak.command import FAMILIES as NAMED
from assay.probes.jailbreak.defenses import DEFENSES

EXAMPLES = tuple((f"Question {nth}?", f"Answer {nth}.") for nth in range(20))


def unwrapped(message: str) -> str:
    """The letters of a message and of its decodings."""
    coded = re.search(r"base64.*what it says: (\S+)$", message)
    decodings = [message, codecs.encode(message, "rot13")]
    if coded:
        decodings.append(base64.b64decode(coded.group(1)).decode("utf-8"))
    return "".join("".join(text.split()) for text in decodings)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60), nth=st.integers(0, 50))
def test_every_template_contains_the_request(text: str, nth: int) -> None:
    request = AttackRequest(text, "Sure:", EXAMPLES)
    for family in FAMILIES:
        assert "".join(text.split()) in unwrapped(attack_message(request, family, nth))


def test_templates_are_cycled_and_distinct() -> None:
    request = AttackRequest("What is the codeword?", "Sure. The codeword is", EXAMPLES)
    messages = [
        attack_message(request, name, nth) for name, family in FAMILIES.items() for nth in range(len(family.templates))
    ]
    assert len(set(messages)) == len(messages) == sum(len(family.templates) for family in FAMILIES.values())
    assert attack_message(request, "encoding", 0) == attack_message(
        request, "encoding", len(FAMILIES["encoding"].templates)
    )
    assert attack_message(request, "direct", 3) == request.text


def test_many_shot_uses_at_most_shots_examples() -> None:
    assert attack_message(AttackRequest("Now?", "", EXAMPLES), "many-shot", 0).count("Assistant: Answer") == SHOTS
    assert attack_message(AttackRequest("Now?", "", ()), "many-shot", 0) == "User: Now?\nAssistant:"


def test_an_unknown_family_is_an_error() -> None:
    with pytest.raises(ValueError, match="'hypnosis'"):
        attack_message(AttackRequest("a", "b", ()), "hypnosis", 0)


def test_the_command_offers_all_families_and_defenses() -> None:
    assert tuple(FAMILIES) == NAMED
    assert tuple(DEFENSES) == NAMED_DEFENSES
