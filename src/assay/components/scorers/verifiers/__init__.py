"""Rewards that a program can check: scorers that say of an answer that it is right, 1, or wrong, 0."""

from __future__ import annotations

from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.scorers.verifiers.passes_tests import PassesTests
from assay.core.roles import Scorer

VERIFIERS: tuple[type[Scorer], ...] = (FollowsFormat, JsonMatches, NumberEquals, PassesTests)
