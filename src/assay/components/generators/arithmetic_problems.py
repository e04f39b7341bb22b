"""Arithmetic problems with worked answers, which a program can verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from assay.core.errors import RecipeError
from assay.core.lab import Lab
from assay.core.sample import Made, Sample
from assay.text.instructions.arithmetic import LEVELS, ArithmeticPart, Problem, check_options, problems, task_fields


@dataclass(frozen=True)
class ArithmeticProblems:
    """Generate `count` problems of the source `Arithmetic`, with the same fields except `origin`.

    No problem of part "train" is a problem of part "held-out" of that source.
    """

    count: int
    part: ArithmeticPart = "train"
    level: int = 2
    seed: int = 0
    wrong: float = 0.0
    """Fraction of problems with a wrong answer, as in `Arithmetic`."""
    worked: float = 1.0
    """Fraction of problems whose output shows the steps, as in `Arithmetic`."""

    version: ClassVar[int] = 1
    maker: ClassVar[str] = "Problems"
    """Value of `made_by`. It is part of the ids of the samples, on which later sampling depends."""

    def __post_init__(self) -> None:
        check_options("ArithmeticProblems", self.part, self.level, self.wrong, self.worked)
        if self.count < 1:
            raise ValueError(f"ArithmeticProblems.count must be at least 1, was {self.count}.")

    def seeds(self) -> Sequence[Sample]:
        """Return the questions; a longer plan starts with the same questions.

        Raises:
            RecipeError: The level has fewer than `count` problems.
        """
        return [
            Sample({"instruction": problem.question, "nth": str(nth)}, made_by=self.maker)
            for nth, problem in enumerate(self._problems())
        ]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """Return each problem with its answer."""
        by_question = {problem.question: problem for problem in self._problems()} if seeds else {}
        return [
            Sample(
                task_fields(by_question[seed.text("instruction")], self.level, wrong=self.wrong, worked=self.worked),
                parents=(seed.id,),
                made_by=self.maker,
            )
            for seed in seeds
        ]

    def _problems(self) -> list[Problem]:
        selection = list(islice(problems(self.level, self.part, self.seed), self.count))
        if len(selection) < self.count:
            raise RecipeError(
                f"There are {len(selection)} problems of level {self.level} ({LEVELS[self.level].description}) in part "
                f"{self.part!r}, and ArithmeticProblems.count is {self.count}.",
                hint="Lower count, or raise level.",
            )
        return selection
