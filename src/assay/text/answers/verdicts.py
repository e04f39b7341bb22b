"""What a judge says of two answers that it is shown in both orders."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.core.score import Outcome, Score


@dataclass(frozen=True)
class PairJudgment:
    """What a judge said of one pair; values are what it gives to `output_a`: 1 better, 0 worse, 1/2 a tie."""

    as_given: Outcome
    swapped: Outcome
    """Mapped back: also of `output_a`, which was shown second."""

    @property
    def orders(self) -> tuple[float, float] | None:
        """Both values; None where an order has none."""
        given, swapped = self.as_given, self.swapped
        return (given.value, swapped.value) if isinstance(given, Score) and isinstance(swapped, Score) else None

    @property
    def conflict(self) -> bool:
        """Whether the orders disagree."""
        return self.orders is not None and self.orders[0] != self.orders[1]

    @property
    def worth(self) -> float | None:
        """What both say of `output_a`; a conflict counts as a tie, 1/2."""
        return None if self.orders is None else self.orders[0] if not self.conflict else 0.5

    @property
    def balanced(self) -> float | None:
        """The mean probability of `output_a` over both orders; None where no probabilities were compared.

        Source: Wang et al. 2023, "Large language models are not fair evaluators", section 3.2, "Balanced position
        calibration"; there of grades, here of probabilities.
        """
        both = (self.as_given, self.swapped)
        soft = [one.evidence["first"] for one in both if isinstance(one, Score) and "first" in one.evidence]
        return sum(soft) / 2 if len(soft) == 2 else None


def other_order(outcome: Outcome) -> Outcome:
    """What is said of the first place, as said of the second."""
    if not isinstance(outcome, Score):
        return outcome
    evidence = {name: 1 - value if name == "first" else value for name, value in outcome.evidence.items()}
    return replace(outcome, value=1 - outcome.value, evidence=evidence)
