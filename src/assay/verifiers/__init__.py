"""Rewards that a program can check: scorers that say of an answer that it is right, 1, or wrong, 0."""

from __future__ import annotations

from assay.core.roles import Scorer
from assay.verifiers.follows import Follows
from assay.verifiers.json_matches import JsonMatches
from assay.verifiers.number_equals import NumberEquals
from assay.verifiers.passes_tests import PassesTests

VERIFIERS: tuple[type[Scorer], ...] = (Follows, JsonMatches, NumberEquals, PassesTests)
