"""Pure numbers: intervals, paired tests and the verdict. numpy and scipy only."""

from assay.stats.confidence.calibration import Calibration, calibration, temperature
from assay.stats.confidence.detection import Detection, detection
from assay.stats.inference.bootstrap import Paired, paired_bootstrap
from assay.stats.inference.compare import Compared, compare
from assay.stats.inference.holm import holm
from assay.stats.inference.intervals import mean_of_shares, wilson
from assay.stats.inference.mcnemar import McNemar, mcnemar
from assay.stats.inference.power import smallest_shown
from assay.stats.inference.verdict import Verdict, verdict
from assay.stats.ratings.agreement import Positions, accuracy, cohen_kappa, correlation, positions
from assay.stats.ratings.bradley_terry import BradleyTerry, bradley_terry
from assay.stats.ratings.elo import elo
from assay.stats.ratings.leaderboard import Intervals, Leaderboard, Scale, Standing, elo_leaderboard, leaderboard
from assay.stats.ratings.length_control import LengthAudit, LengthControlled, length_audit, length_controlled
from assay.stats.ratings.votes import Votes, votes
from assay.stats.scaling.chinchilla import Chinchilla, chinchilla
from assay.stats.scaling.power_law import Curve, power_law

__all__ = [
    "BradleyTerry",
    "Calibration",
    "Chinchilla",
    "Compared",
    "Curve",
    "Detection",
    "Intervals",
    "Leaderboard",
    "LengthAudit",
    "LengthControlled",
    "McNemar",
    "Paired",
    "Positions",
    "Scale",
    "Standing",
    "Verdict",
    "Votes",
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
    "mean_of_shares",
    "paired_bootstrap",
    "positions",
    "power_law",
    "smallest_shown",
    "temperature",
    "verdict",
    "votes",
    "wilson",
]
