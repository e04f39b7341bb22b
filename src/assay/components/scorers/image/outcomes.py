"""Outcomes of all samples of a shard from the results for its readable images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.model_kinds import Matrix, Pixels
from assay.core.score import Outcome, Unscored


def outcomes(
    pixels: Sequence[Pixels | Unscored],
    run: Callable[[Sequence[Pixels]], Matrix],
    judge: Callable[[int, Matrix], Outcome],
) -> list[Outcome]:
    """`judge(nth, row)` of each readable image, and why there is none of the others.

    Shapes: the model `run` takes n images and gives (n, d); `row` is (d,), what it gave for one image.
    """
    readable = [nth for nth, image in enumerate(pixels) if not isinstance(image, Unscored)]
    rows: Sequence[Matrix] | Matrix = (
        run([image for image in pixels if not isinstance(image, Unscored)]) if readable else []
    )
    judged = {nth: judge(nth, row) for nth, row in zip(readable, rows, strict=True)}
    return [image if isinstance(image, Unscored) else judged[nth] for nth, image in enumerate(pixels)]
