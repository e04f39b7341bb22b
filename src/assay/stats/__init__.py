"""Pure numbers: intervals, paired tests and the verdict. numpy and scipy only."""

from assay.stats.bootstrap import paired_bootstrap
from assay.stats.intervals import wilson
from assay.stats.mcnemar import McNemar, mcnemar
from assay.stats.verdict import Verdict, verdict

__all__ = ["McNemar", "Verdict", "mcnemar", "paired_bootstrap", "verdict", "wilson"]
