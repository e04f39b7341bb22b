"""Components that generate samples, from other samples or from a plan."""

from __future__ import annotations

from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_images import GenerateImages
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.generators.preferences import Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.core.roles import Generator

GENERATORS: tuple[type[Generator], ...] = (
    FromSource,
    GenerateImages,
    Preferences,
    ArithmeticProblems,
    SelfInstruct,
    GenerateTexts,
)
