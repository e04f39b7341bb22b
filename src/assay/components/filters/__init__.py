"""Components that decide from the score table which samples to keep."""

from __future__ import annotations

from assay.components.filters.clear_preference import ClearPreference
from assay.components.filters.cluster_quota import ClusterQuota
from assay.components.filters.duplicates import Duplicates
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.components.filters.heuristics import Heuristics
from assay.components.filters.languages import Languages
from assay.components.filters.length import Length
from assay.components.filters.near_duplicates import NearDuplicates
from assay.components.filters.novel import Novel
from assay.components.filters.threshold import LabelIs, Threshold
from assay.core.roles import Filter

FILTERS: tuple[type[Filter], ...] = (
    LabelIs,
    ClusterQuota,
    Duplicates,
    FuzzyDuplicates,
    Heuristics,
    Languages,
    Length,
    NearDuplicates,
    Novel,
    ClearPreference,
    RandomSubset,
    Threshold,
    TopFraction,
)
