"""Pure numbers: intervals, paired tests and the verdict. numpy and scipy only."""

from assay.stats.confidence.calibration import Calibration, calibration, temperature
from assay.stats.confidence.detection import Detection, detection
from assay.stats.inference.bootstrap import PairedDifference, paired_bootstrap
from assay.stats.inference.compare import FamilyComparison, Verdict, compare, verdict
from assay.stats.inference.intervals import mean_of_proportions, wilson
from assay.stats.inference.paired_tests import McNemar, holm, mcnemar, minimum_detectable_difference
from assay.stats.ratings.agreement import (
    JudgePositionConsistency,
    accuracy,
    cohen_kappa,
    correlation,
    position_consistency,
)
from assay.stats.ratings.leaderboard import Intervals, Leaderboard, RatingScale, Standing, elo_leaderboard, leaderboard
from assay.stats.ratings.length_control import LengthAudit, LengthControlled, length_audit, length_controlled
from assay.stats.ratings.rating_models import BradleyTerry, bradley_terry, elo
from assay.stats.ratings.votes import PairwiseVotes, votes
from assay.stats.scaling.chinchilla import Chinchilla, chinchilla
from assay.stats.scaling.power_law import PowerLaw, power_law

__all__ = [
    "BradleyTerry",
    "Calibration",
    "Chinchilla",
    "Detection",
    "FamilyComparison",
    "Intervals",
    "JudgePositionConsistency",
    "Leaderboard",
    "LengthAudit",
    "LengthControlled",
    "McNemar",
    "PairedDifference",
    "PairwiseVotes",
    "PowerLaw",
    "RatingScale",
    "Standing",
    "Verdict",
    "accuracy",
    "bradley_terry",
    "calibration",
    "chinchilla",
    "cohen_kappa",
    "compare",
    "correlation",
    "detection",
    "elo",
    "elo_leaderboard",
    "holm",
    "leaderboard",
    "length_audit",
    "length_controlled",
    "mcnemar",
    "mean_of_proportions",
    "minimum_detectable_difference",
    "paired_bootstrap",
    "position_consistency",
    "power_law",
    "temperature",
    "verdict",
    "votes",
    "wilson",
]
