"""assay scale: how accuracy or loss grows with the number of samples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.analysis.models.exchange_rate import CurveEstimate


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--arm", help="Which arm's curve; real in runs, all rows in a table without arms.")
@click.option("--goal", type=float, default=0.9, show_default=True, help="The accuracy to ask for.")
@click.option("--loss-goal", type=float, help="The loss to ask for instead.")
@click.option("--chinchilla", is_flag=True, help="Fit E + A/N^a + B/D^b to one table of parameters, tokens and loss.")
@click.option("--flops", type=float, help="With --chinchilla: a budget to split into parameters and tokens.")
@JSON
def command(
    paths: tuple[Path, ...],
    arm: str | None,
    goal: float,
    loss_goal: float | None,
    chinchilla: bool,
    flops: float | None,
    as_json: bool,
) -> None:
    """Fit a scaling law to PATHS: finished run folders, or .csv and .jsonl tables of size and loss or accuracy."""
    from assay.scaling.scaling import chinchilla_of, points_of, scaling

    if chinchilla:
        found = chinchilla_of(paths[0], flops)
        show(found) if as_json else _print_chinchilla(found)
        return
    points = points_of(paths)
    chosen = arm if arm is not None else ("real" if any(point.arm for point in points) else "")
    fitted = scaling(points, chosen, loss_goal if loss_goal is not None else 1 - goal)
    if as_json:
        show(asdict(fitted) | {"arm": chosen})
        return
    goal_in_words = f"an accuracy of {goal:.4g}" if loss_goal is None else f"a loss of {loss_goal:.4g}"
    rows = [
        ("floor of the loss", fitted.floor, 3),
        ("exponent", fitted.exponent, 3),
        (f"samples for {goal_in_words}", fitted.needed, 0),
        ("how many more that is than were tried", fitted.more, 0),
        ("samples from which doubling brings less than a point", fitted.stops, 0),
        *((f"what {name} is worth, in samples of this curve", reach, 0) for name, reach in fitted.worth.items()),
    ]
    click.echo(f"{chosen or 'all rows'}: {len(fitted.points)} measurements, loss = floor + scale x n^-exponent")
    table(
        ["question", "answer", "95 % interval"],
        [[name, _text(reach.estimate, digits), _interval(reach, digits)] for name, reach, digits in rows],
    )
    if fitted.jump is not None:
        real = {
            True: "and the smoother metric springs there too",
            False: "but the smoother metric does not, so the hard metric makes the jump",
            None: "and without a column 'smoother' nobody can tell whether the metric alone makes the jump",
        }
        click.echo(f"It looks like emergence: it springs after {fitted.jump.at:,.0f}, {real[fitted.jump.real]}.")


def _interval(reach: CurveEstimate, digits: int) -> str:
    if not reach.interval:
        return "none: too few measurements"
    return _span(_text(reach.low, digits), _text(reach.high, digits))


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _text(value: float | None, digits: int) -> str:
    return "never" if value is None else f"{value:,.{digits}f}"


def _print_chinchilla(found: dict[str, Any]) -> None:
    click.echo("loss = {floor:.3f} + {a:.4g} / N^{alpha:.3f} + {b:.4g} / D^{beta:.3f}".format(**found))
    click.echo(f"N parameters, D tokens, {found['measurements']} measurements; the split is of --flops")
    words = {name: f"best split: {name}" for name in ("parameters", "tokens")}
    table(
        ["number", "answer", "95 % interval"],
        [
            [words.get(name, name), _round(one["estimate"]), _span(_round(one["low"]), _round(one["high"]))]
            for name, one in found["intervals"].items()
        ],
    )


def _round(value: float | None) -> str:
    return "without end" if value is None else f"{value:.4g}"
