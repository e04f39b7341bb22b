"""Specs of components: numbers that Python and YAML write in two ways."""

from __future__ import annotations

from typing import Any

import pytest

from assay.components.filters.clear_preference import ClearPreference
from assay.components.scorers.language_model.judge import Judge
from assay.components.scorers.reference.metrics import ChrF
from assay.components.trainers.reinforcement.ppo import PPO
from assay.components.trainers.sft.sft import SFT
from assay.core.decoding import Decoding
from assay.pipeline.recipe.spec import build, describe


@pytest.mark.parametrize(
    ("role", "component"),
    [
        ("trainers", PPO(rewards={"like": ChrF()}, weights={"like": 2}, kl_coef=0, held_out=0)),
        ("trainers", SFT(learning_rate=1, alpha=8, mixture={"human": 1})),
        ("filters", ClearPreference(margin=1)),
    ],
)
def test_a_whole_number_is_described_as_it_is_read_back(role: str, component: Any) -> None:
    """0 in a program and 0.0, as a recipe reads it, are one value: as two, each would have a stage of its own."""
    spec = describe(component)
    assert repr(spec) == repr(describe(build(role, spec, "it")))


def test_integers_stay_integers_where_the_annotation_is_int() -> None:
    spec = describe(PPO(rewards={"like": ChrF()}, steps=3, kl_coef=0))
    assert (repr(spec["steps"]), repr(spec["kl_coef"])) == ("3", "0.0")
    judge = describe(Judge("embedded:smollm2", "Is it right?", decoding=Decoding("sample", temperature=2)))
    assert repr(judge["decoding"]["temperature"]) == "2.0"
