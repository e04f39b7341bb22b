"""A confusion matrix as a table."""

from __future__ import annotations

from math import sqrt

from markupsafe import Markup

from assay.analysis import derived
from assay.analysis.report_data import Confusion
from assay.report.template import fill


def matrix(confusion: Confusion, caption: str, row_name: str) -> Markup:
    """Counts, shaded by their share of the row; where row and column agree in another color, with the share beside."""
    rows = []
    for (label, agreeing), counts in zip(derived.agreement(confusion), confusion.counts, strict=True):
        whole = sum(counts) or 1
        cells = [
            (n, _shade(n / whole, same=column == label), column == label)
            for column, n in zip(confusion.columns, counts, strict=True)
        ]
        rows.append((label, cells, agreeing))
    values = {"caption": caption, "row_name": row_name, "columns": confusion.columns, "rows": rows}
    return fill("matrix.html", values)


def _shade(share: float, *, same: bool) -> float:
    """How dark a cell is, 0 to 1. Mistakes are rare, so they go by the root: 4 % of a row can still be seen."""
    return round(share if same else sqrt(share), 3)
