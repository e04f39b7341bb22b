import numpy as np
import pytest

from assay.stats import compare, holm, mcnemar


@pytest.mark.full
@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (3, 0.01)])
def test_family_wise_error_rate_is_nominal(seeds: int, luck: float) -> None:
    """Five equal arms, four compared with the first: any verdict in at most 5% of the repeats."""
    wrong = 0
    for repeat in range(1_000):
        rng = np.random.default_rng(repeat)
        chance = np.clip(rng.beta(4, 0.6, 500), 0, 1)
        arms = (rng.random((5, seeds, 500)) < chance + rng.normal(0, luck, (5, seeds, 1))).astype(float)
        family = compare([(arms[0], other) for other in arms[1:]], [repeat] * 4, resamples=500)
        wrong += any(pair.verdict != "no significant difference" for pair in family)
    assert wrong <= 50


def test_pairs_have_their_own_intervals_and_adjusted_p_values() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(1_000)
    arms = [(base < accuracy).astype(float) for accuracy in (0.80, 0.79, 0.70)]
    family = compare([(arms[0], arms[1]), (arms[0], arms[2])], [1, 2])
    assert [pair.p for pair in family] == [mcnemar(arms[0], other).p for other in arms[1:]]
    assert tuple(pair.adjusted_p for pair in family) == holm([pair.p or 0 for pair in family])
    assert family[1].verdict == "helped"
    single = compare([(arms[0], arms[1])], [1])[0]
    assert single.effect == family[0].effect
    assert single.adjusted_p == single.p


def test_adjustment_can_remove_significance() -> None:
    ours, theirs = np.zeros(500), np.zeros(500)
    ours[:7] = 1  # p = 1 / 64
    same = np.ones(500)
    single = compare([(ours, theirs)], [0])[0]
    assert single.verdict == "helped"
    family = compare([(ours, theirs), *[(same, same)] * 4], [0] * 5)
    assert family[0].effect == single.effect
    assert family[0].verdict == "no significant difference"


def test_outcomes_that_are_not_binary_have_no_mcnemar_test() -> None:
    rng = np.random.default_rng(0)
    (pair,) = compare([(rng.normal(1, 1, 50), rng.normal(0, 1, 50))], [0])
    assert pair.mcnemar is None
    assert pair.verdict == "helped"


def test_one_item_has_no_p_value_and_no_verdict() -> None:
    (pair,) = compare([(np.ones(1), np.zeros(1))], [0])
    assert (pair.p, pair.adjusted_p, pair.verdict) == (None, None, "no significant difference")
