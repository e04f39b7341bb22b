"""assay scale: scaling laws of accuracy or loss with data and model size."""

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
@click.option("--arm", help="Arm to fit.  [default: real, or all rows of a table without arms]")
@click.option("--target-accuracy", "goal", type=float, default=0.9, show_default=True, help="Target accuracy.")
@click.option("--target-loss", "loss_goal", type=float, help="Target loss, instead of an accuracy.")
@click.option("--chinchilla", is_flag=True, help="Fit E + A/N^a + B/D^b to a table of parameters, tokens and loss.")
@click.option("--flops", type=float, help="Compute budget for the optimal split of --chinchilla.")
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
    """Fit scaling laws to runs or tables.

    PATHS are finished run folders, or .csv or .jsonl tables of size and loss or accuracy.
    """
    from assay.scaling.scaling import chinchilla_of, points_of, scaling

    if chinchilla:
        fit = chinchilla_of(paths[0], flops)
        show(fit) if as_json else _print_chinchilla(fit)
        return
    points = points_of(paths)
    chosen = arm if arm is not None else ("real" if any(point.arm for point in points) else "")
    fitted = scaling(points, chosen, loss_goal if loss_goal is not None else 1 - goal)
    if as_json:
        show(asdict(fitted) | {"arm": chosen})
        return
    goal_in_words = f"an accuracy of {goal:.4g}" if loss_goal is None else f"a loss of {loss_goal:.4g}"
    rows = [
        ("irreducible loss", fitted.floor, 3),
        ("exponent", fitted.exponent, 3),
        (f"samples for {goal_in_words}", fitted.needed, 0),
        ("additional samples needed", fitted.more, 0),
        ("samples from which doubling gains less than 1 pp", fitted.stops, 0),
        *((f"equivalent number of samples of {name}", reach, 0) for name, reach in fitted.worth.items()),
    ]
    click.echo(f"{chosen or 'all rows'}: {len(fitted.points)} measurements, loss = irreducible + scale x n^-exponent")
    table(
        ["quantity", "estimate", "95% CI"],
        [[name, _text(reach.estimate, digits), _interval(reach, digits)] for name, reach, digits in rows],
    )
    if fitted.jump is not None:
        real = {
            True: "and the smoother metric shows it too",
            False: "but the smoother metric does not: an artifact of the discontinuous metric",
            None: "and without a column 'smoother' it may be an artifact of the metric",
        }
        click.echo(f"Possible emergence: a jump after {fitted.jump.at:,.0f}, {real[fitted.jump.real]}.")


def _interval(reach: CurveEstimate, digits: int) -> str:
    if not reach.interval:
        return "none: too few measurements"
    return _span(_text(reach.low, digits), _text(reach.high, digits))


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _text(value: float | None, digits: int) -> str:
    return "never" if value is None else f"{value:,.{digits}f}"


def _print_chinchilla(fit: dict[str, Any]) -> None:
    click.echo("loss = {floor:.3f} + {a:.4g} / N^{alpha:.3f} + {b:.4g} / D^{beta:.3f}".format(**fit))
    click.echo(f"N parameters, D tokens, {fit['measurements']} measurements; split of --flops")
    words = {name: f"optimal {name}" for name in ("parameters", "tokens")}
    table(
        ["parameter", "estimate", "95% CI"],
        [
            [words.get(name, name), _round(effect["estimate"]), _span(_round(effect["low"]), _round(effect["high"]))]
            for name, effect in fit["intervals"].items()
        ],
    )


def _round(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:.4g}"
