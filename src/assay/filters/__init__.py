"""Pure decisions over the whole score table."""

from __future__ import annotations

from assay.core.roles import Filter
from assay.filters.agrees import Agrees
from assay.filters.cluster_quota import ClusterQuota
from assay.filters.duplicates import Duplicates
from assay.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.filters.heuristics import Heuristics
from assay.filters.languages import Languages
from assay.filters.length import Length
from assay.filters.near_duplicates import NearDuplicates
from assay.filters.novel import Novel
from assay.filters.preferred import Preferred
from assay.filters.random_share import RandomShare
from assay.filters.threshold import Threshold
from assay.filters.top_share import TopShare

FILTERS: tuple[type[Filter], ...] = (
    Agrees,
    ClusterQuota,
    Duplicates,
    FuzzyDuplicates,
    Heuristics,
    Languages,
    Length,
    NearDuplicates,
    Novel,
    Preferred,
    RandomShare,
    Threshold,
    TopShare,
)
