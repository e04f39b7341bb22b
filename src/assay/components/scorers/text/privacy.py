"""Personal data and secrets in texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.scorers.reference.comparison import check_one_of
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score
from assay.text.privacy.detectors import (
    DEFAULT_REGIONS,
    PERSONAL_DATA_KINDS,
    PrivacyFinding,
    check_regions,
    counts_by_kind,
    find_personal_data,
    find_secrets,
    findings_summary,
)


@dataclass(frozen=True)
class PersonalData:
    """Number of pieces of personal data in a text, by patterns with check digits (`text.privacy.personal_data`).

    Names and street addresses are not detected. Evidence: the count of each kind; the reason shows a few, masked. To
    drop texts with personal data: `{use: Threshold, column: NAME, high: 0}`.
    """

    text: str = "text"
    kinds: tuple[str, ...] = PERSONAL_DATA_KINDS
    regions: tuple[str, ...] = DEFAULT_REGIONS
    """ISO 3166 codes of countries whose phone numbers are detected without a country calling code."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="pieces of personal data", low=0.0, better="lower")

    def __post_init__(self) -> None:
        for kind in self.kinds:
            check_one_of("PersonalData.kinds", kind, PERSONAL_DATA_KINDS)
        check_regions(self.regions)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [_outcome(find_personal_data(sample.text(self.text), self.kinds, self.regions)) for sample in samples]


@dataclass(frozen=True)
class Secrets:
    """Number of keys, tokens and passwords in a text, by the formats of known services (`text.privacy.secrets`).

    Keys are not verified online. Evidence: the count of each kind; the reason shows a few, masked.
    """

    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="secrets", low=0.0, better="lower")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [_outcome(find_secrets(sample.text(self.text))) for sample in samples]


def _outcome(findings: Sequence[PrivacyFinding]) -> Outcome:
    evidence = {kind: float(n) for kind, n in counts_by_kind(findings).items()}
    return Score(float(len(findings)), findings_summary(findings), evidence)
