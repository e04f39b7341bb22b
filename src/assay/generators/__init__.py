"""Samples out of samples, or out of nothing but a plan."""

from __future__ import annotations

from assay.core.roles import Generator
from assay.generators.arithmetic import Problems
from assay.generators.given import Given
from assay.generators.paint import Paint
from assay.generators.preferences import Preferences
from assay.generators.self_instruct import SelfInstruct
from assay.generators.write import Write

GENERATORS: tuple[type[Generator], ...] = (
    Given,
    Paint,
    Preferences,
    Problems,
    SelfInstruct,
    Write,
)
