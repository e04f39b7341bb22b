"""From what a model gives for the readable pictures of a shard to one outcome for each sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.model_kinds import Matrix, Pixels
from assay.core.score import Outcome, Unscored


def outcomes(
    pixels: Sequence[Pixels | Unscored],
    run: Callable[[Sequence[Pixels]], Matrix],
    judge: Callable[[int, Matrix], Outcome],
) -> list[Outcome]:
    """`judge(nth, row)` of each readable picture, and why there is none of the others.

    Shapes: the model `run` takes n pictures and gives (n, d); `row` is (d,), what it gave for one picture.
    """
    readable = [nth for nth, picture in enumerate(pixels) if not isinstance(picture, Unscored)]
    rows: Sequence[Matrix] | Matrix = (
        run([picture for picture in pixels if not isinstance(picture, Unscored)]) if readable else []
    )
    judged = {nth: judge(nth, row) for nth, row in zip(readable, rows, strict=True)}
    return [picture if isinstance(picture, Unscored) else judged[nth] for nth, picture in enumerate(pixels)]
