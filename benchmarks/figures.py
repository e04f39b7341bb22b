"""A published figure beside ours, and reading the files that figures come from; for published.py."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from assay.components.sources.files.records import Record, csv_records, shorten

NAME = 70
"""Characters of a name, so that columns stand below one another."""
WIDTH = 120


@dataclass(frozen=True)
class Figure:
    """One number."""

    name: str
    published: float | None
    """None where it is only reported."""
    ours: float
    bound: float | None = None
    """How far ours may lie from it; None where only the figures that sum others up have one."""
    at_least: float | None = None
    """What ours must reach, where that is what is promised."""
    note: str = ""
    """What else belongs to it, such as its interval; printed below it."""

    @property
    def difference(self) -> float | None:
        return None if self.published is None else self.ours - self.published

    @property
    def missed(self) -> bool:
        # `not <=`, so that a figure that is no number misses.
        far = self.difference is not None and self.bound is not None and not abs(self.difference) <= self.bound
        return far or (self.at_least is not None and not self.ours >= self.at_least)


Found: TypeAlias = Figure | str
"""A figure, or a sentence about what was left out."""
Family: TypeAlias = Callable[[Path], Iterable[Found]]
"""Figures of what lies in a folder."""


@dataclass(frozen=True)
class Sizes:
    """How much is asked of models."""

    tokens: int
    """Of WikiText-2; 0 for all."""
    problems: int
    """Of GSM8K; 0 for all."""
    mmlu_items: int
    """Questions of each subject; 0 for all."""
    harness_subjects: int
    """Subjects that are asked beside lm-evaluation-harness, of HARNESS_ITEMS questions each."""
    keep: Path
    """Where answers are kept."""


class Missing(Exception):
    """What a family of figures needs and the folder does not hold; the family is skipped then."""


def file(folder: Path, name: str) -> Path:
    """The path of a file of the folder, or `Missing`."""
    if not (folder / name).is_file():
        raise Missing(name)
    return folder / name


def table(path: Path, *columns: str) -> list[Record]:
    """The rows of a CSV file that has these columns."""
    return csv_records(path, columns, f"a table of {', '.join(columns)}")


def number(row: Record, name: str) -> float:
    """A cell; an empty one is not a number."""
    try:
        return float(row.values[name] or "nan")
    except ValueError:
        raise row.problem(f"{name} must be a number, was {shorten(row.values[name])}.") from None


def column(rows: Iterable[Record], name: str) -> npt.NDArray[np.float64]:
    return np.array([number(row, name) for row in rows])


def head() -> str:
    return f"{'figure':<{NAME}} {'published':>11} {'ours':>11} {'apart':>9} {'bound':>10}"


def line(figure: Figure) -> str:
    """In columns as `head`, with the note below."""
    published = "" if figure.published is None else f"{figure.published:.6g}"
    difference = "" if figure.difference is None else f"{figure.difference:+.1e}" if figure.difference else "0"
    missed = "  MISSED" * figure.missed
    first = f"{figure.name:<{NAME}} {published:>11} {figure.ours:>11.6g} {difference:>9} {_limit(figure):>10}{missed}"
    return "\n".join([first.rstrip(), *_below(figure.note)])


def _limit(figure: Figure) -> str:
    if figure.at_least is not None:
        return f">= {figure.at_least:g}"
    return "" if figure.bound is None else f"<= {figure.bound:.3g}"


def _below(note: str) -> Sequence[str]:
    return textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def as_json(figure: Figure) -> dict[str, object]:
    """For programs; a figure that is no number is null."""
    ours = figure.ours if math.isfinite(figure.ours) else None
    return {**vars(figure), "ours": ours, "difference": figure.difference, "missed": figure.missed}
