"""Which prompts are held back: by lot of the prompt alone, a prompt with all its pairs, never all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay.components.trainers.checks import prompt_digest, split_held_out
from assay.core.sample import Sample


def pairs(prompts: list[int], each: int = 2) -> list[Sample]:
    return [Sample({"instruction": f"Say {n}.", "chosen": f"{n} {k}"}, nth=k) for n in prompts for k in range(each)]


@given(st.sets(st.integers(0, 99), min_size=1, max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_a_prompt_is_learnt_from_or_held_back_with_all_its_pairs(numbers: set[int], share: float, seed: int) -> None:
    samples = pairs(sorted(numbers))
    learned, held = split_held_out(samples, share, seed)
    assert not {prompt_digest(one) for one in learned} & {prompt_digest(one) for one in held}
    assert sorted(one.id for one in [*learned, *held]) == sorted(one.id for one in samples)
    assert learned
    if share == 0:
        assert not held
    elif len(numbers) > 1:
        assert held


def test_the_order_of_samples_and_other_fields_change_nothing() -> None:
    samples = pairs(list(range(30)))
    plain = [Sample({"instruction": one.text("instruction"), "input": "", "text": "x"}) for one in samples]
    _, held = split_held_out(samples, 0.2, 7)
    _, turned = split_held_out(samples[::-1], 0.2, 7)
    _, other = split_held_out(plain, 0.2, 7)
    assert (
        {prompt_digest(one) for one in held}
        == {prompt_digest(one) for one in turned}
        == {prompt_digest(one) for one in other}
    )
    assert len({prompt_digest(one) for one in held}) == 6


def test_another_seed_holds_back_others() -> None:
    samples = pairs(list(range(30)))
    found = {frozenset(prompt_digest(one) for one in split_held_out(samples, 0.2, seed)[1]) for seed in range(5)}
    assert len(found) > 1


def test_what_was_said_before_is_part_of_the_prompt() -> None:
    bare = Sample({"instruction": "And then?"})
    after = Sample({"instruction": "And then?", "history": '[{"role":"user","content":"Hi"}]'})
    assert prompt_digest(bare) != prompt_digest(after)
