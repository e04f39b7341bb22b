"""Confusion matrix as an HTML table."""

from __future__ import annotations

from math import sqrt

from markupsafe import Markup

from assay.analysis.classifiers import Confusion
from assay.report.template import fill


def matrix(confusion: Confusion, caption: str, row_name: str) -> Markup:
    """Draw counts, shaded by their fraction of the row, with the agreement of each row."""
    rows = []
    for (label, agreeing), counts in zip(confusion.agreement.items(), confusion.counts, strict=True):
        whole = sum(counts) or 1
        cells = [
            (n, _shade(n / whole, same=column == label), column == label)
            for column, n in zip(confusion.columns, counts, strict=True)
        ]
        rows.append((label, cells, agreeing))
    values = {"caption": caption, "row_name": row_name, "columns": confusion.columns, "rows": rows}
    return fill("matrix.html", values)


def _shade(fraction: float, *, same: bool) -> float:
    """Shade of a cell, 0 to 1: the square root for errors, so that 4% of a row is visible."""
    return round(fraction if same else sqrt(fraction), 3)
