from __future__ import annotations

from typing import Any

import pytest

from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.core.errors import RecipeError, SourceError
from assay.core.sample import Sample
from labs import tiny_lab


def test_problems_are_tasks_with_an_answer_to_check() -> None:
    samples = Arithmetic("held-out", 5, level=4, seed=3).read(tiny_lab())
    assert len({sample.id for sample in samples}) == 5
    for sample in samples:
        assert set(sample.fields) == {"instruction", "input", "output", "answer", "level", "key", "origin"}
        assert sample.text("output").endswith(f"The answer is {sample.text('answer')}.")
        assert (sample.text("level"), sample.text("key"), sample.text("input")) == ("4", "right", "")
        assert sample.text("origin").startswith("arithmetic/held-out/4/3/0000")
    assert Arithmetic("held-out", 9, level=4, seed=3).read(tiny_lab())[:5] == samples


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_the_generator_makes_what_the_source_has(wrong: float) -> None:
    own = ArithmeticProblems(20, "train", 4, 2, wrong, 0.5)
    made = own.generate(own.seeds(), tiny_lab())
    read = Arithmetic("train", 20, 4, 2, wrong, 0.5).read(tiny_lab())
    for one, other in zip(made, read, strict=True):
        assert isinstance(one, Sample)
        assert {**one.fields, "origin": other.text("origin")} == dict(other.fields)
        assert (one.made_by, len(one.parents)) == ("Problems", 1)
    assert ArithmeticProblems(30, "train", 4, 2, wrong, 0.5).seeds()[:20] == own.seeds()


def test_too_many_are_refused() -> None:
    every = Arithmetic("warm-up", None, 1).read(tiny_lab())
    assert Arithmetic("warm-up", len(every), 1).read(tiny_lab()) == every
    said = rf"There are {len(every)} problems of level 1 \(adding and subtracting numbers up to 20\) in part 'warm-up'"
    with pytest.raises(SourceError, match=said):
        Arithmetic("warm-up", len(every) + 1, 1).read(tiny_lab())
    with pytest.raises(RecipeError, match=rf"{said}, and ArithmeticProblems.count is 5000"):
        ArithmeticProblems(5000, "warm-up", 1).seeds()


@pytest.mark.parametrize(
    ("wrong", "said"),
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
def test_wrong_arguments_are_refused(kind: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{said}"):
        kind(**{"count": 5, **wrong})


def test_there_is_no_end_of_stories() -> None:
    with pytest.raises(ValueError, match=r"Arithmetic\.count .*None"):
        Arithmetic("train", None, 5)
