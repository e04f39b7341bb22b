"""Samples out of samples, or out of nothing but a plan."""

from __future__ import annotations

from assay.core.roles import Generator
from assay.generators.paint import Paint

GENERATORS: tuple[type[Generator], ...] = (Paint,)
