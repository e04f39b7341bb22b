"""Generated arithmetic problems, which a program can verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from assay.components.sources.files.records import check_limit
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.text.instructions.arithmetic import LEVELS, ArithmeticPart, check_options, problems, task_fields


@dataclass(frozen=True)
class Arithmetic:
    """The first `count` problems of a part and a level, or all if None; parts have no sum in common.

    Levels: 1 adds and subtracts numbers up to 20, 2 from 10 to 99, 3 also multiplies up to 12; 4 has two steps with
    numbers up to 12, 5 two steps as a word problem, 6 with numbers up to 60. `3 + 4`, `4 + 3` and `7 - 4` are one sum.

    Fields: instruction; input, always ""; output, a worked answer that ends in "The answer is 7."; answer, "7"; level;
    key, "right", or "wrong" for an incorrect answer by `wrong`; origin. Problem n depends only on part, level, seed and
    n, and whether its key is wrong only on its words.
    """

    part: ArithmeticPart = "train"
    """"train", "held-out" for evaluation, or "warm-up" for fine-tuning before reinforcement learning."""
    count: int | None = 500
    level: int = 2
    seed: int = 0
    """Selects other problems of the same part."""
    wrong: float = 0.0
    """Fraction of problems with a wrong answer, not for held-out ones. What a model learns from such rewards, it had in
    it before (Shao et al. 2025, "Spurious rewards").
    """
    worked: float = 1.0
    """Fraction of problems with two steps whose output shows them; the others have only the answer. A model fine-tuned
    on both can learn by reinforcement to show the steps.
    """

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_options("Arithmetic", self.part, self.level, self.wrong, self.worked)
        check_limit("Arithmetic", "count", self.count)
        if self.count is None and self.level > 4:
            raise ValueError(f"Arithmetic.count must be a number at level {self.level}, was None: there are too many.")

    def read(self, lab: Lab) -> Sequence[Sample]:
        selection = list(islice(problems(self.level, self.part, self.seed), self.count))
        if self.count is not None and len(selection) < self.count:
            raise SourceError(
                f"There are {len(selection)} problems of level {self.level} ({LEVELS[self.level].description}) in part "
                f"{self.part!r}, and Arithmetic.count is {self.count}.",
                hint="Lower count, or raise level.",
            )
        origin = f"arithmetic/{self.part}/{self.level}"
        return [
            Sample(
                {
                    **task_fields(problem, self.level, wrong=self.wrong, worked=self.worked),
                    "origin": f"{origin}/{self.seed}/{nth:05d}",
                }
            )
            for nth, problem in enumerate(selection)
        ]
