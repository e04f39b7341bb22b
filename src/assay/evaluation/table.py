"""What `assay eval` prints: the table, what its numbers are, and the comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assay.terminal.options import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.evaluation.plan import Cell
    from assay.evaluation.results import CellResult, Comparison, Kind, Spread


def print_table(results: Sequence[CellResult]) -> None:
    """Each cell, and under the table what was counted, what guessing gives, and means over subjects and tasks."""
    from assay.evaluation.results import over_tasks

    named = [_names(one.cell) for one in results]
    same = [name for name in named[0] if len({row[name] for row in named}) == 1]
    told = [name for name in same if (name, named[0][name]) != ("measure", "right")]
    click.echo("\n" + ", ".join(f"{name} {named[0][name]}" for name in told))
    heads = [name for name in named[0] if name not in same]
    rows = [[row[name] for name in heads] + _numbers(one) for row, one in zip(named, results, strict=True)]
    paid = any(one.dollars != 0 for one in results)
    number = "right" if {row["measure"] for row in named} == {"right"} else "mean"
    numbers = ["scored", number, "95 % interval", "prompts", "time", "tokens", *(["cost"] if paid else [])]
    table([*heads, *numbers], [row[: len(heads) + len(numbers)] for row in rows])
    _print_counting(results, same)
    kinds = {id(one.cell): one.kind for one in results}
    for one in results:
        if one.subjects is not None:
            what = "tasks" if one.cell.task.harness is not None else "subjects"
            click.echo(f"{_told(one.cell, same)}: over {_spread(one.subjects, what, one.kind)}")
    for cell, found in over_tasks(results):
        click.echo(f"{_told(cell, [*same, 'task'])}: over {_spread(found, 'tasks', kinds[id(cell)])}")


def _print_counting(results: Sequence[CellResult], same: Sequence[str]) -> None:
    from assay.analysis.format import percent
    from assay.evaluation.results import EMPTY, UNSEEN

    owners = {one.cell.measure.owner for one in results}
    if any(one.cell.measure.name == "right" for one in results):
        click.echo(f"Right: {UNSEEN}.")
    told: dict[str, dict[str, None]] = {}
    for measure in (one.cell.measure for one in results if one.cell.measure.told):
        words = f"{measure.told}{' Less is better.' if measure.better == 'lower' else ''}"
        told.setdefault(words, {})[measure.name] = None
    for words, names in told.items():
        click.echo(f"{', '.join(names)}: {words}")
    if "text" in owners:
        click.echo(f"Of texts: {EMPTY}.")
    for one in results:
        if lost := _lost(one):
            click.echo(f"{_told(one.cell, same)}: {lost}.")
    for name, share in {one.cell.task.name: one.chance for one in results if one.chance is not None}.items():
        click.echo(f"Guessing gives {percent(share)} on {name}.")


def _lost(one: CellResult) -> str:
    unread = "were empty" if one.cell.measure.owner == "text" else "could not be read"
    parts = [f"{one.unread} of {one.n} answers {unread}"] if one.unread else []
    if one.failed:
        parts.append(f"{one.failed} of {one.n} questions left out ({one.lacking})")
    return ", ".join(parts)


def _names(cell: Cell) -> dict[str, str]:
    from assay.evaluation.page.text import names

    return {**names(cell), "measure": cell.measure.name}


def _told(cell: Cell, same: Sequence[str]) -> str:
    return ", ".join(value for name, value in _names(cell).items() if name not in same) or cell.task.name


def _numbers(one: CellResult) -> list[str]:
    from assay.analysis.format import count, dollars, seconds, tokens
    from assay.analysis.measures import between, value

    return [
        f"{count(one.scored)} of {count(one.n)}",
        value(one.accuracy.estimate, one.kind == "share") if one.accuracy else "-",
        between(one.accuracy, one.kind == "share") if one.accuracy else "-",
        one.prompt,
        seconds(one.seconds),
        tokens(one.tokens),
        dollars(one.dollars),
    ]


def _spread(found: Spread, of: str, kind: Kind) -> str:
    from assay.analysis.measures import value

    share = kind == "share"
    mean, low, high = (value(one, share) for one in (found.mean, found.low, found.high))
    apart = f", standard deviation {value(found.sd, share)}" if found.sd is not None else ""
    return f"{found.groups} {of} a mean of {mean} ({low} to {high}{apart})"


def print_comparisons(compared: Sequence[Comparison]) -> None:
    """Each pair of cells that differ in one thing."""
    from assay.analysis.format import number_between, points_between, signed, signed_number
    from assay.evaluation.page.verdict import caution

    rows = []
    several = len({one.ours.measure for one in compared}) > 1
    for one in compared:
        ours, theirs = _names(one.ours), _names(one.theirs)
        differ = [name for name in ours if ours[name] != theirs[name] and name in (one.what, "decoding")]
        on = [value for name, value in ours.items() if name not in differ and (name != "measure" or several)]
        difference, share = one.compared.effect, one.kind == "share"
        rows.append(
            [
                " against ".join(", ".join(side[name] for name in differ) for side in (ours, theirs)),
                ", ".join(on),
                str(one.n),
                signed(difference.estimate) if share else signed_number(difference.estimate),
                points_between(difference) if share else number_between(difference, sign=True),
                one.verdict,
            ]
        )
    if rows:
        by = "points" if all(one.kind == "share" for one in compared) else "difference"
        click.echo()
        table(["compared", "on", "questions", by, "95 % interval", "verdict"], rows)
        if len({one.kind for one in compared}) > 1:
            click.echo("Differences of shares are in percentage points, of other numbers in their own unit.")
        for said in dict.fromkeys(filter(None, map(caution, compared))):
            click.echo(said)
