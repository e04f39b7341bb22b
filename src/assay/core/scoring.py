"""Scoring with error isolation for third-party scorers."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import ContractError, UserError
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Unscored


def score_isolated(scorer: Scorer, samples: Sequence[Sample], lab: Lab) -> list[Outcome]:
    """Score samples; a sample at which the scorer raises is Unscored("failed") with the error.

    After an error in a batch, its samples are scored one by one. The caller checks the number of outcomes.

    Raises:
        UserError: Raised by the scorer.
        ContractError: Raised by the scorer.
    """
    try:
        return list(scorer.score(samples, lab))
    except (UserError, ContractError):
        raise
    except Exception as error:  # third-party scorers may raise anything
        if len(samples) == 1:
            return [Unscored("failed", f"{type(error).__name__}: {error}")]
        return [outcome for sample in samples for outcome in score_isolated(scorer, [sample], lab)]
