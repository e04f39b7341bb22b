"""Asks a scorer that may break: a checker of somebody else's costs the samples that it raises at, and no run."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import ContractError, UserError
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Outcome, Unscored


def scored(scorer: Scorer, samples: Sequence[Sample], lab: Lab) -> list[Outcome]:
    """What `scorer` says of each sample; "failed", with what it raised, where it raises.

    Where it raises at several samples, each is asked about alone, so that a bad one costs itself. How many outcomes
    there are is left for the caller to check.

    Raises:
        UserError: Whatever of this kind the scorer raises: the user can mend it.
        ContractError: Likewise.
    """
    try:
        return list(scorer.score(samples, lab))
    except (UserError, ContractError):
        raise
    except Exception as error:  # whatever a checker of somebody else's raises
        if len(samples) == 1:
            return [Unscored("failed", f"{type(error).__name__}: {error}")]
        return [outcome for one in samples for outcome in scored(scorer, [one], lab)]
