"""One page of an evaluation: what was shown, every number with all that moves it, and answers to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from markupsafe import Markup

from assay.analysis.format import count, dollars, percent, plural, seconds, tokens
from assay.analysis.measures import between, drawn, gap, gap_between, value
from assay.core.effect import Effect
from assay.evaluation.page.examples import examples
from assay.evaluation.page.groups import by_subject, cut_off
from assay.evaluation.page.settings import settings
from assay.evaluation.page.text import explained, is_share, measure, names, shared, sides, told
from assay.evaluation.page.verdict import GUESSED, TONES, WORDS, beside_chance, caution, finding
from assay.evaluation.plan import Cell
from assay.evaluation.results import UNSEEN, CellResult, Comparison, over_tasks
from assay.evaluation.run import Filled
from assay.report.axis import Axis, axis_over
from assay.report.charts import Strip, ruler, strip, strip_axis
from assay.report.document import Head, Section, Tile, with_head
from assay.report.template import fill

SHOWN = 12
"""Cells whose answers are shown; those of the others lie in the folder."""
BESIDE = {
    "better": "better than guessing",
    "worse": "worse than guessing",
    "no better": "not shown to be better than guessing",
}
One = TypeVar("One", CellResult, Comparison)


def render_eval(
    filled: Sequence[Filled],
    results: Sequence[CellResult],
    compared: Sequence[Comparison],
    versions: Mapping[str, str],
) -> str:
    """The whole page as HTML, with nothing to fetch. Write it with UTF-8."""
    head = Head("eval", _question(results), finding(filled, results, compared), _tiles(results))
    made = (_cells(filled, results), _compared(compared), _subjects(filled), _spread(results), _examples(filled))
    return with_head(head, [*filter(None, made), settings(filled, compared, versions)])


def _question(results: Sequence[CellResult]) -> str:
    cells = [one.cell for one in results]
    alike = shared(cells)
    many = {name: plural(len({names(cell)[name] for cell in cells}), name) for name in ("model", "task")}
    ways = len({(names(cell)["prompt"], names(cell)["decoding"]) for cell in cells})
    does = "does" if "model" in alike else "do"
    asked = f", asked in {ways} ways" if ways > 1 else ""
    return f"How well {does} {alike.get('model', many['model'])} answer {alike.get('task', many['task'])}{asked}?"


def _tiles(results: Sequence[CellResult]) -> tuple[Tile, ...]:
    asked, scored = sum(one.n for one in results), sum(one.scored for one in results)
    lost, failed = sum(one.unread for one in results), sum(one.failed for one in results)
    paid = [one.dollars for one in results]
    known = [one for one in paid if one is not None]
    counts = [one.tokens for one in results]
    written = [one for one in counts if one is not None]
    of = f"of {count(asked)}: {count(lost)} unreadable, {count(failed)} without answer"
    told_tokens = tokens(sum(written) if len(written) == len(counts) else None)
    return (
        Tile("answers read", count(scored), of),
        Tile("took", seconds(sum(one.seconds for one in results)), f"{told_tokens} tokens written"),
        Tile("cost", dollars(sum(known) if len(known) == len(paid) else None), "paid to services"),
    )


def _by_measure(found: Sequence[One], cell: Callable[[One], Cell]) -> list[tuple[str, bool, list[One]]]:
    """Numbers of one unit stand together: what they are, and whether they are shares."""
    groups: dict[tuple[str, bool], list[One]] = {}
    for one in found:
        groups.setdefault((measure(cell(one)), is_share(one)), []).append(one)
    return [(name, share, own) for (name, share), own in groups.items()]


def _cells(filled: Sequence[Filled], results: Sequence[CellResult]) -> Section:
    alike = shared([one.cell for one in results])
    tables = []
    for name, share, own in _by_measure(results, lambda one: one.cell):
        axis = _axis(own, share)
        rows = [
            (one, told(one.cell, alike), BESIDE.get(beside_chance(one) or ""), *_numbers(one), _plot(one, axis))
            for one in own
        ]
        tables.append((name, explained(own[0].cell), rows, ruler(axis, "%" if share else "")))
    cuts = {id(one.cell): cut_off(one) for one in filled}
    values = {
        "tables": tables,
        "alike": [f"{name} {part}" for name, part in alike.items()],
        "level": next((one.accuracy for one in results if one.accuracy is not None), None),
        "unseen": UNSEEN,
        "chance": any(one.chance is not None for one in results),
        "lines": [(one, names(one.cell), measure(one.cell), *_numbers(one), cuts.get(id(one.cell))) for one in results],
    }
    return Section("cells", "Every line", fill("eval_cells.html", values))


def _numbers(one: CellResult) -> tuple[str, str]:
    """The number and its interval."""
    if one.accuracy is None:
        return "none", "none"
    return value(one.accuracy.estimate, is_share(one)), between(one.accuracy, is_share(one))


def _axis(results: Sequence[CellResult], share: bool) -> Axis:
    """All of them, whichever way they lie, and guessing."""
    known = [drawn(one.accuracy, share) for one in results if one.accuracy is not None]
    bounds = [100 * x for one in known for x in (one.low, one.estimate, one.high) if x is not None]
    return axis_over([*bounds, *(100 * one.chance for one in results if one.chance is not None)] or [0.0, 100.0])


def _plot(one: CellResult, axis: Axis) -> Markup:
    if one.accuracy is None:
        return Markup("")
    state = beside_chance(one)
    beside = f", guessing {percent(one.chance)}" if one.chance is not None else ""
    shown, interval = _numbers(one)
    label = f"{shown} {measure(one.cell)}, interval {interval}{beside}"
    css = GUESSED[state] if state is not None else "arm-filtered"
    row = Strip(label, drawn(one.accuracy, is_share(one)), css)
    return strip(row, axis, None if one.chance is None else 100 * one.chance)


def _compared(compared: Sequence[Comparison]) -> Section | None:
    if not compared:
        return None
    tables = []
    for name, share, own in _by_measure(compared, lambda one: one.ours):
        axis = strip_axis([drawn(one.compared.effect, share) for one in own], signed=True)
        tables.append((name, [_compared_row(one, axis) for one in own], ruler(axis, "")))
    values = {"tables": tables, "count": len(compared), "effect": compared[0].compared.effect}
    return Section("compared", "Compared on the same questions", fill("eval_compared.html", values))


def _compared_row(one: Comparison, axis: Axis) -> tuple[object, ...]:
    ours, theirs, alike = sides(one)
    effect, share, verdict = one.compared.effect, is_share(one), one.verdict
    size = gap(effect, share), gap_between(effect, share)
    label = f"{ours} minus {theirs}: {size[0]}, interval {size[1]}"
    plot = strip(Strip(label, drawn(effect, share), TONES[verdict]), axis, zero=0.0)
    return one, ours, theirs, alike, WORDS[verdict], TONES[verdict], caution(one), *size, plot


def _subjects(filled: Sequence[Filled]) -> Section | None:
    alike = shared([one.cell for one in filled])
    found = [(one, subjects) for one in filled if (subjects := by_subject(one))]
    if not found:
        return None
    panels = []
    for one, subjects in found:
        share = all(0 <= own.accuracy.estimate <= 1 for own in subjects)
        axis = axis_over([0.0, 100.0]) if share else strip_axis([drawn(own.accuracy, False) for own in subjects])
        rows = [
            (own, value(own.accuracy.estimate, share), _slim(own.name, own.accuracy, share, axis)) for own in subjects
        ]
        panels.append((told(one.cell, alike), measure(one.cell), rows, ruler(axis, "%" if share else "")))
    every = [own.accuracy for _, subjects in found for own in subjects]
    single = all(one.n < 2 and one.estimate in (0, 1) for one in every)
    most = max(len(subjects) for _, subjects in found)
    values = {"panels": panels, "single": single, "missed": round(0.05 * most), "most": most}
    return Section("subjects", "Subject by subject", fill("eval_subjects.html", values))


def _slim(name: str, effect: Effect, share: bool, axis: Axis) -> Markup:
    label = f"{name}: {value(effect.estimate, share)}, interval {between(effect, share)}"
    return strip(Strip(label, drawn(effect, share), "arm-filtered"), axis)


def _spread(results: Sequence[CellResult]) -> Section | None:
    alike = shared([one.cell for one in results])
    shares = {id(one.cell): is_share(one) for one in results}
    found = [(one.cell, told(one.cell, alike), "subject", one.subjects) for one in results if one.subjects is not None]
    found += [(cell, told(cell, {**alike, "task": ""}), "task", own) for cell, own in over_tasks(results)]
    if not found:
        return None
    rows = [
        (
            name,
            plural(own.groups, of),
            measure(cell),
            [None if x is None else value(x, shares[id(cell)]) for x in (own.mean, own.low, own.high, own.sd)],
        )
        for cell, name, of, own in found
    ]
    return Section("spread", "Means over subjects and tasks", fill("eval_spread.html", {"rows": rows}))


def _examples(filled: Sequence[Filled]) -> Section:
    alike = shared([one.cell for one in filled])
    groups = [(told(one.cell, alike), len(one.items), examples(one)) for one in filled[:SHOWN]]
    values = {"groups": groups, "left_out": len(filled) - len(groups)}
    return Section("examples", "Answers to look at", fill("eval_examples.html", values))
