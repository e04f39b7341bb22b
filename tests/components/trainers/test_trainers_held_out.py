"""Held-out split: random by prompt, all pairs of a prompt together, never all prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay.components.trainers.checks import prompt_digest, split_held_out
from assay.core.sample import Sample


def pairs(prompts: list[int], each: int = 2) -> list[Sample]:
    return [Sample({"instruction": f"Say {n}.", "chosen": f"{n} {k}"}, nth=k) for n in prompts for k in range(each)]


@given(st.sets(st.integers(0, 99), min_size=1, max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_all_pairs_of_a_prompt_are_on_one_side_of_the_split(numbers: set[int], fraction: float, seed: int) -> None:
    samples = pairs(sorted(numbers))
    learned, held = split_held_out(samples, fraction, seed)
    assert not {prompt_digest(sample) for sample in learned} & {prompt_digest(sample) for sample in held}
    assert sorted(sample.id for sample in [*learned, *held]) == sorted(sample.id for sample in samples)
    assert learned
    if fraction == 0:
        assert not held
    elif len(numbers) > 1:
        assert held


def test_split_does_not_depend_on_order_or_other_fields() -> None:
    samples = pairs(list(range(30)))
    plain = [Sample({"instruction": sample.text("instruction"), "input": "", "text": "x"}) for sample in samples]
    _, held = split_held_out(samples, 0.2, 7)
    _, reversed_ = split_held_out(samples[::-1], 0.2, 7)
    _, other = split_held_out(plain, 0.2, 7)
    assert (
        {prompt_digest(sample) for sample in held}
        == {prompt_digest(sample) for sample in reversed_}
        == {prompt_digest(sample) for sample in other}
    )
    assert len({prompt_digest(sample) for sample in held}) == 6


def test_split_depends_on_the_seed() -> None:
    samples = pairs(list(range(30)))
    splits = {frozenset(prompt_digest(sample) for sample in split_held_out(samples, 0.2, seed)[1]) for seed in range(5)}
    assert len(splits) > 1


def test_history_is_part_of_the_prompt_digest() -> None:
    bare = Sample({"instruction": "And then?"})
    after = Sample({"instruction": "And then?", "history": '[{"role":"user","content":"Hi"}]'})
    assert prompt_digest(bare) != prompt_digest(after)
