"""What a stage cost: of what was paid in the run's folder, the part that no other stage's receipt has claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from assay.models.remote.budget import Account
from assay.store.receipts import Receipt, read_receipt

UNPRICED = "unpriced"
"""The count of a receipt that says how many tries cost nobody knows how much."""
MICRO = "microdollars"
"""The count of what is known of a cost that is unknown as a whole."""
LEAST = 1e-6
"""Dollars; sums of floats and roundings miss their own total by less."""


@dataclass(frozen=True)
class Paid:
    """As a receipt has it."""

    tokens: int | None = None
    cost_usd: float | Literal["unknown"] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def costs(account: Account, folders: Sequence[Path]) -> Paid:
    """What the stage that has just been done cost, with what its earlier sessions cost that were stopped.

    `folders` are those of all stages; its own must have no receipt yet. Stages are done one after the other, so what
    nobody else has claimed is its own.
    """
    if account == Account():
        return Paid()
    claims = [receipt for receipt in map(read_receipt, folders) if receipt is not None]
    tokens = account.tokens - sum(claim.tokens or 0 for claim in claims)
    unpriced = account.unpriced - sum(claim.counts.get(UNPRICED, 0) for claim in claims)
    dollars = max(0.0, account.dollars - sum(map(_known, claims)))
    if unpriced > 0:
        return Paid(tokens, "unknown", {UNPRICED: unpriced, MICRO: round(dollars * 1e6)})
    if tokens <= 0 and dollars < LEAST:
        return Paid()
    return Paid(tokens, dollars)


def _known(claim: Receipt) -> float:
    if isinstance(claim.cost_usd, str):
        return claim.counts.get(MICRO, 0) / 1e6
    return claim.cost_usd or 0.0
