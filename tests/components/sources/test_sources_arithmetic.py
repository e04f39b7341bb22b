from __future__ import annotations

from typing import Any

import pytest

from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.core.errors import RecipeError, SourceError
from assay.core.sample import Sample
from labs import tiny_lab


def test_fields_of_problems() -> None:
    samples = Arithmetic("held-out", 5, level=4, seed=3).read(tiny_lab())
    assert len({sample.id for sample in samples}) == 5
    for sample in samples:
        assert set(sample.fields) == {"instruction", "input", "output", "answer", "level", "key", "origin"}
        assert sample.text("output").endswith(f"The answer is {sample.text('answer')}.")
        assert (sample.text("level"), sample.text("key"), sample.text("input")) == ("4", "right", "")
        assert sample.text("origin").startswith("arithmetic/held-out/4/3/0000")
    assert Arithmetic("held-out", 9, level=4, seed=3).read(tiny_lab())[:5] == samples


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_generator_equals_the_source(wrong: float) -> None:
    generator = ArithmeticProblems(20, "train", 4, 2, wrong, 0.5)
    generated = generator.generate(generator.seeds(), tiny_lab())
    tasks = Arithmetic("train", 20, 4, 2, wrong, 0.5).read(tiny_lab())
    for sample, task in zip(generated, tasks, strict=True):
        assert isinstance(sample, Sample)
        assert {**sample.fields, "origin": task.text("origin")} == dict(task.fields)
        assert (sample.made_by, len(sample.parents)) == ("Problems", 1)
    assert ArithmeticProblems(30, "train", 4, 2, wrong, 0.5).seeds()[:20] == generator.seeds()


def test_too_many_problems_raise() -> None:
    every = Arithmetic("warm-up", None, 1).read(tiny_lab())
    assert Arithmetic("warm-up", len(every), 1).read(tiny_lab()) == every
    numbers = rf"\b{len(every)}\b.*\b1\b.*'warm-up'"
    with pytest.raises(SourceError, match=rf"{numbers}.*Arithmetic\.count .*\b{len(every) + 1}\b"):
        Arithmetic("warm-up", len(every) + 1, 1).read(tiny_lab())
    with pytest.raises(RecipeError, match=rf"{numbers}.*ArithmeticProblems\.count .*\b5000\b"):
        ArithmeticProblems(5000, "warm-up", 1).seeds()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"part": "test"}, r"part .*\btrain, held-out, warm-up.*'test'"),
        ({"level": 7}, r"level .*\b1, 2, 3, 4, 5, 6.*\b7"),
        ({"wrong": 1.5}, r"wrong .*\b0\b.*\b1\b.*\b1.5\b"),
        ({"worked": -1.0}, r"worked .*\b0\b.*\b1\b.*-1\b"),
        ({"wrong": 0.1, "part": "held-out"}, r"wrong .*\b0 for part 'held-out'.*\b0.1\b"),
        ({"count": 0}, r"count .*\b1\b.*\b0\b"),
    ],
)
@pytest.mark.parametrize("kind", [Arithmetic, ArithmeticProblems])
def test_invalid_arguments_raise(kind: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{message}"):
        kind(**{"count": 5, **wrong})


def test_word_problems_need_a_count() -> None:
    with pytest.raises(ValueError, match=r"Arithmetic\.count .*None"):
        Arithmetic("train", None, 5)
