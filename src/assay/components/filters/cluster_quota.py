"""Maximum number of samples per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.filters.columns import Best, Unscoreds, check_choice, column_of, rank_rows, unit_vectors, unscored
from assay.core.roles import Decision, ScoreTable
from assay.core.score import Fingerprint, Unscored
from assay.stats.distributions.clusters import clusters


@dataclass(frozen=True)
class ClusterQuota:
    """Keep at most `max_per_cluster` samples of each of `clusters` clusters of embeddings.

    The clusters are those of spherical k-means (`assay.stats.distributions.clusters`) over the samples sorted by id, so
    the order of rows has no effect. There are fewer clusters if there are fewer distinct embeddings. The best samples
    of a cluster by the score column `prefer` stay, or those with the lowest ids.

    Source: Li et al. 2024, "From Quantity to Quality", section 2.1: ten of each of a hundred clusters of instructions.
    """

    column: str
    clusters: int = 100
    max_per_cluster: int = 10
    prefer: str | None = None
    best: Best = "highest"
    """Which scores of `prefer` come first."""
    seed: int = 0
    unscored: Unscoreds = "drop"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_choice("ClusterQuota", "unscored", self.unscored, ("drop", "keep"))
        check_choice("ClusterQuota", "best", self.best, ("highest", "lowest"))
        for name, least in (("clusters", 1), ("max_per_cluster", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"ClusterQuota.{name} must be {least} or more, was {getattr(self, name)}.")

    def decide(self, table: ScoreTable) -> Sequence[Decision]:
        outcomes = column_of(table, self.column, Fingerprint, "ClusterQuota")
        by_id = sorted(range(len(table)), key=lambda row: table.ids[row])
        rows = [row for row in by_id if isinstance(outcomes[row], Fingerprint)]
        clustering = clusters(unit_vectors([outcomes[row] for row in rows], self.column), self.clusters, self.seed)
        members: dict[int, list[int]] = {}
        for row, group in zip(rows, clustering.of.tolist(), strict=True):
            members.setdefault(group, []).append(row)
        decisions: dict[int, Decision] = {}
        rule = f"at most {self.max_per_cluster} of each of {len(clustering.centers)} clusters of {self.column}"
        for group, cluster in members.items():
            for rank, row in enumerate(rank_rows(table, cluster, self.prefer, self.best, "ClusterQuota"), start=1):
                reason = f"number {rank} of {len(cluster)} in cluster {group + 1}"
                decisions[row] = Decision(rank <= self.max_per_cluster, rule, reason)
        return [
            unscored(outcome, self.column, self.unscored) if isinstance(outcome, Unscored) else decisions[row]
            for row, outcome in enumerate(outcomes)
        ]
