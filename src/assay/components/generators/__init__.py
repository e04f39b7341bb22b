"""Samples out of samples, or out of nothing but a plan."""

from __future__ import annotations

from assay.components.generators.arithmetic import Problems
from assay.components.generators.given import Given
from assay.components.generators.paint import Paint
from assay.components.generators.preferences import Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.generators.write import Write
from assay.core.roles import Generator

GENERATORS: tuple[type[Generator], ...] = (
    Given,
    Paint,
    Preferences,
    Problems,
    SelfInstruct,
    Write,
)
