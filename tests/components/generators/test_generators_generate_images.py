from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from assay.components.generators.generate_images import GenerateImages
from assay.core.sample import Failure, Sample
from labs import tiny_lab

PAINT = GenerateImages(
    "tiny:painter",
    labels=("black", "white"),
    per_label=4,
    templates=("a {size} {label} square", "{label}"),
    words={"white": ("white", "white as snow")},
    slots={"size": ("", "small", "ample")},
)


def test_plan_alternates_labels_and_grows_at_the_end() -> None:
    seeds = PAINT.seeds()
    assert [seed.text("label") for seed in seeds[:3]] == ["black", "white", "black"]
    assert len({seed.id for seed in seeds}) == 8
    longer = replace(PAINT, per_label=9).seeds()
    assert longer[:8] == seeds
    wider = replace(PAINT, labels=("grey", "black", "white")).seeds()
    assert {seed.id for seed in seeds} <= {seed.id for seed in wider}


def test_prompts_vary_and_name_the_label() -> None:
    prompts = Counter(replace(PAINT, per_label=200).prompt("white", nth) for nth in range(200))
    assert {"white", "white as snow", "a white square", "a small white square", "an ample white square"} <= set(prompts)
    assert all("white" in prompt for prompt in prompts)


def test_same_prompt_gives_different_images_by_seed() -> None:
    lab = tiny_lab()
    plain = GenerateImages("tiny:painter", ("black",), per_label=3)
    samples = plain.generate(plain.seeds(), lab)
    assert all(isinstance(sample, Sample) for sample in samples)
    assert len({sample.image().digest for sample in samples if isinstance(sample, Sample)}) == 3
    assert [s.parents for s in samples if isinstance(s, Sample)] == [(seed.id,) for seed in plain.seeds()]
    assert {s.made_by for s in samples if isinstance(s, Sample)} == {"GenerateImages"}


def test_lab_seed_changes_images_not_prompts() -> None:
    first, second = (PAINT.generate(PAINT.seeds(), tiny_lab(seed=seed)) for seed in (1, 2))
    for sample_a, sample_b in zip(first, second, strict=True):
        assert isinstance(sample_a, Sample)
        assert isinstance(sample_b, Sample)
        assert sample_a.text("prompt") == sample_b.text("prompt")
        assert sample_a.image() != sample_b.image()


def test_no_image_is_a_failure_with_a_reason() -> None:
    seeds = [Sample({"label": "black", "prompt": prompt}) for prompt in ("nothing", "a black square", "void")]
    bad, good, flat = PAINT.generate(seeds, tiny_lab())
    assert bad == Failure(seeds[0].id, "the latents are not finite")
    assert isinstance(good, Sample)
    assert isinstance(flat, Failure)
    assert flat.seed == seeds[2].id
    assert "0" in flat.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ()}, r"GenerateImages\.labels\b"),
        ({"labels": ("black", "white", "black")}, r"GenerateImages\.labels .*: black\b"),
        ({"templates": ()}, r"GenerateImages\.templates\b"),
        ({"templates": ("a photo",)}, r"GenerateImages\.templates .*\{label\}.*'a photo'"),
        ({"templates": ("{labl} {label}",)}, r"GenerateImages\.templates .*\{labl\}.*'label'"),
        ({"templates": ("{label",)}, r"GenerateImages\.templates .*'\{label'"),
        ({"templates": ("{label!r}",)}, r"GenerateImages\.templates .*label!r"),
        ({"slots": {"size": ()}}, r"GenerateImages: 'size'"),
        ({"slots": {"label": ("x",)}}, r"GenerateImages\.slots .*'label'"),
        ({"words": {"whit": ("x",)}}, r"words .*'whit'.*'white'"),
        ({"per_label": 0}, r"per_label .*\b1\b.*\b0\b"),
        ({"steps": 0}, r"steps .*\b1\b.*\b0\b"),
        ({"guidance": float("nan")}, r"guidance .*\b0.0\b.*\bnan\b"),
    ],
)
def test_invalid_arguments_raise(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PAINT, **change)  # type: ignore[arg-type]
