"""What the cells of an evaluation are called, what is counted in them, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.evaluation.plan import Cell
from assay.evaluation.results import CellResult, Comparison

MEASURES = {"right": "right", "mass": "probability on right choices"}
"""Names of measures in words; any other is called what it is."""


def names(cell: Cell) -> dict[str, str]:
    """Model, task, prompt and decoding of a cell."""
    parts = {"model": cell.model, "task": cell.task.name, "prompt": cell.manner.name}
    return {**parts, "decoding": decoding_name(cell)}


def decoding_name(cell: Cell) -> str:
    """As the command line has it: "beam:4", "sample,top-p:0.9"; else what stands in its place."""
    decoding = cell.decoding
    if decoding is None:
        return "the task's" if cell.task.harness is not None else "likelihood"
    parts = [decoding.strategy if decoding.strategy != "beam" else f"beam:{decoding.beams}"]
    parts += [f"{name.replace('_', '-')}:{getattr(decoding, name):g}" for name in sorted(decoding.controls - {"stop"})]
    return ",".join(parts)


def shared(cells: Sequence[Cell]) -> dict[str, str]:
    """What all cells have alike."""
    named = [names(cell) for cell in cells]
    return {name: value for name, value in named[0].items() if all(row[name] == value for row in named)}


def told(cell: Cell, known: Mapping[str, str]) -> str:
    """A cell in as few words as tell it from the others; `known` is what all have alike."""
    return " · ".join(value for name, value in names(cell).items() if name not in known) or cell.task.name


def measure(cell: Cell) -> str:
    """What the number of a cell is, in a word or two."""
    return MEASURES.get(cell.measure.name, cell.measure.name)


def explained(cell: Cell) -> str:
    """What the measure is, in a sentence; empty where its name says it."""
    return cell.measure.told + (" Less is better." if cell.measure.better == "lower" else "")


def is_share(one: CellResult | Comparison) -> bool:
    """Whether its number is a share, to be written in per cent; other measures have their own unit."""
    return one.kind == "share"


def sides(one: Comparison) -> tuple[str, str, str]:
    """What is compared with what, and on what both were alike."""
    ours, theirs = names(one.ours), names(one.theirs)
    differ = [name for name in ours if ours[name] != theirs[name] and name in (one.what, "decoding")]
    alike = " · ".join(part for name, part in ours.items() if name not in differ)
    return " ".join(ours[name] for name in differ), " ".join(theirs[name] for name in differ), alike
