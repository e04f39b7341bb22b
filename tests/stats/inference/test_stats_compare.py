import numpy as np
import pytest

from assay.stats import compare, holm, mcnemar


@pytest.mark.full
@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (3, 0.01)])
def test_a_family_is_not_wrong_more_often_than_one_pair(seeds: int, luck: float) -> None:
    """Five arms that are all alike, four compared with the first: any verdict in at most 5 of 100 runs."""
    wrong = 0
    for repeat in range(1_000):
        rng = np.random.default_rng(repeat)
        chance = np.clip(rng.beta(4, 0.6, 500), 0, 1)
        arms = (rng.random((5, seeds, 500)) < chance + rng.normal(0, luck, (5, seeds, 1))).astype(float)
        family = compare([(arms[0], other) for other in arms[1:]], [repeat] * 4, resamples=500)
        wrong += any(pair.verdict != "no significant difference" for pair in family)
    assert wrong <= 50


def test_each_pair_keeps_its_own_interval_and_shares_the_adjustment() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(1_000)
    arms = [(base < share).astype(float) for share in (0.80, 0.79, 0.70)]
    family = compare([(arms[0], arms[1]), (arms[0], arms[2])], [1, 2])
    assert [pair.p for pair in family] == [mcnemar(arms[0], other).p for other in arms[1:]]
    assert tuple(pair.adjusted_p for pair in family) == holm([pair.p or 0 for pair in family])
    assert family[1].verdict == "helped"
    alone = compare([(arms[0], arms[1])], [1])[0]
    assert alone.effect == family[0].effect
    assert alone.adjusted_p == alone.p


def test_what_is_shown_alone_may_not_be_shown_among_many() -> None:
    ours, theirs = np.zeros(500), np.zeros(500)
    ours[:7] = 1  # p = 1 / 64
    same = np.ones(500)
    alone = compare([(ours, theirs)], [0])[0]
    assert alone.verdict == "helped"
    family = compare([(ours, theirs), *[(same, same)] * 4], [0] * 5)
    assert family[0].effect == alone.effect
    assert family[0].verdict == "no significant difference"


def test_values_that_are_no_right_and_wrong_have_no_mcnemar() -> None:
    rng = np.random.default_rng(0)
    (pair,) = compare([(rng.normal(1, 1, 50), rng.normal(0, 1, 50))], [0])
    assert pair.mcnemar is None
    assert pair.verdict == "helped"


def test_one_item_says_nothing() -> None:
    (pair,) = compare([(np.ones(1), np.zeros(1))], [0])
    assert (pair.p, pair.adjusted_p, pair.verdict) == (None, None, "no significant difference")
