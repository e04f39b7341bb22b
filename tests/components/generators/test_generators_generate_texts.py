from __future__ import annotations

from dataclasses import replace

import pytest

from assay.components.generators.generate_images import GenerateImages
from assay.components.generators.generate_texts import GenerateTexts
from assay.core.completions import Message
from assay.core.decoding import Decoding
from assay.core.sample import Failure, Sample
from labs import tiny_lab

WRITE = GenerateTexts(
    "tiny:author", ("praise", "blame"), per_label=3, templates=("Write {size} {label}.",), slots={"size": ("a",)}
)


def test_the_same_prompt_gives_different_texts_by_its_own_stream() -> None:
    lab = tiny_lab()
    samples = WRITE.generate(WRITE.seeds(), lab)
    assert all(isinstance(sample, Sample) for sample in samples)
    texts = [sample.text("text") for sample in samples if isinstance(sample, Sample)]
    assert len(set(texts)) > 3
    assert texts == [text.strip() for text in texts]
    again = WRITE.generate(list(reversed(WRITE.seeds())), lab)
    assert list(reversed(again)) == list(samples)


def test_requests_match_the_estimate() -> None:
    write = replace(WRITE, system="Be brief.", decoding=Decoding("sample", max_tokens=12))
    ((model, requests),) = write.asks(write.seeds(), tiny_lab()).items()
    assert model == "tiny:author"
    assert len(requests) == 6
    assert requests[0].prompt == (Message("system", "Be brief."), Message("user", "Write a praise."))
    assert len({request.decoding.seed for request in requests}) == 6
    assert {replace(request.decoding, seed=0) for request in requests} == {write.decoding}


def test_no_text_is_a_failure_with_a_reason() -> None:
    prompts = ("nothing", "void", "never", "long", "short")
    seeds = [Sample({"label": "praise", "prompt": prompt}) for prompt in prompts]
    unavailable, empty, refusal, truncated, good = WRITE.generate(seeds, tiny_lab())
    assert unavailable == Failure(seeds[0].id, "the server is down")
    for failure, seed, word in ((empty, seeds[1], "empty"), (refusal, seeds[2], "refusal")):
        assert isinstance(failure, Failure)
        assert failure.seed == seed.id
        assert failure.reason.endswith(word)
    assert isinstance(truncated, Sample)
    assert isinstance(good, Sample)
    assert (truncated.text("end"), good.text("end")) == ("length", "stop")


def test_plan_equals_that_of_images() -> None:
    paint = GenerateImages("x", WRITE.labels, WRITE.per_label, WRITE.templates, slots=WRITE.slots)
    assert [dict(seed.fields) for seed in paint.seeds()] == [dict(seed.fields) for seed in WRITE.seeds()]
    assert not {seed.id for seed in paint.seeds()} & {seed.id for seed in WRITE.seeds()}


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"GenerateTexts\.labels"):
        GenerateTexts("m", (), 1)
    with pytest.raises(ValueError, match=r"GenerateTexts\.per_label .*0"):
        GenerateTexts("m", ("a",), 0)
    with pytest.raises(ValueError, match=r"GenerateTexts\.templates .*\{tone\}"):
        GenerateTexts("m", ("a",), 1, ("{tone} {label}",))
    with pytest.raises(ValueError, match=r"GenerateTexts\.decoding .*\b3\b"):
        GenerateTexts("m", ("a",), 1, decoding=Decoding("sample", answers=3))
