"""Verifiable rewards: scorers that return 1 for a correct answer and 0 for an incorrect one."""

from __future__ import annotations

from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.scorers.verifiers.passes_tests import PassesTests
from assay.core.roles import Scorer

VERIFIERS: tuple[type[Scorer], ...] = (FollowsFormat, JsonMatches, NumberEquals, PassesTests)
