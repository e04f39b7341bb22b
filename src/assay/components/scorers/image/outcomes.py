"""Outcomes of samples from model outputs for their readable images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.core.model_kinds import Matrix, Pixels
from assay.core.score import Outcome, Unscored


def outcomes(
    pixels: Sequence[Pixels | Unscored],
    run: Callable[[Sequence[Pixels]], Matrix],
    outcome: Callable[[int, Matrix], Outcome],
) -> list[Outcome]:
    """Return `outcome(nth, row)` of each readable image, and the reason of each other one.

    Shapes: `run` maps n images to (n, d); `row` is (d,), its output for one image.
    """
    readable = [nth for nth, image in enumerate(pixels) if not isinstance(image, Unscored)]
    rows: Sequence[Matrix] | Matrix = (
        run([image for image in pixels if not isinstance(image, Unscored)]) if readable else []
    )
    scored = {nth: outcome(nth, row) for nth, row in zip(readable, rows, strict=True)}
    return [image if isinstance(image, Unscored) else scored[nth] for nth, image in enumerate(pixels)]
