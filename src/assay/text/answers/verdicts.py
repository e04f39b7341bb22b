"""Judgment of a pair of answers in both orders."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.core.score import Outcome, Score


@dataclass(frozen=True)
class PairJudgment:
    """Outcomes of one pair in both orders, as scores of `output_a`: 1 win, 0 loss, 1/2 tie."""

    as_given: Outcome
    swapped: Outcome
    """With `output_a` in second position; also a score of `output_a`."""

    @property
    def orders(self) -> tuple[float, float] | None:
        """Scores of both orders; None if an order is unscored."""
        given, swapped = self.as_given, self.swapped
        return (given.value, swapped.value) if isinstance(given, Score) and isinstance(swapped, Score) else None

    @property
    def inconsistent(self) -> bool:
        """Position inconsistency: whether the orders disagree."""
        return self.orders is not None and self.orders[0] != self.orders[1]

    @property
    def preference(self) -> float | None:
        """Score of `output_a` over both orders; a position-inconsistent pair counts as a tie."""
        return None if self.orders is None else self.orders[0] if not self.inconsistent else 0.5

    @property
    def balanced(self) -> float | None:
        """Mean probability of `output_a` over both orders; None if no likelihoods were compared.

        Source: Wang et al. 2023, "Large language models are not fair evaluators", section 3.2, "Balanced position
        calibration"; there for grades, here for probabilities.
        """
        both = (self.as_given, self.swapped)
        probabilities = [one.evidence["first"] for one in both if isinstance(one, Score) and "first" in one.evidence]
        return sum(probabilities) / 2 if len(probabilities) == 2 else None


def other_order(outcome: Outcome) -> Outcome:
    """Convert a score of the first position to one of the second."""
    if not isinstance(outcome, Score):
        return outcome
    evidence = {name: 1 - value if name == "first" else value for name, value in outcome.evidence.items()}
    return replace(outcome, value=1 - outcome.value, evidence=evidence)
