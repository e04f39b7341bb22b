"""Sections on the reference classifier and the trained classifier."""

from __future__ import annotations

from math import sqrt

from markupsafe import Markup

from assay.analysis.format import count
from assay.analysis.models.classifiers import Confusion
from assay.analysis.proof import readable
from assay.analysis.report_data import ReportData
from assay.report.document import Section
from assay.report.template import fill

SHADING = "Shading: fraction of the row; blue: the same label."


def reference_classifier(data: ReportData) -> Section | None:
    """Draw the reference classifier's answers to the generated images."""
    reference = data.reference_classifier
    if reference is None:
        return None
    caption = f"Generated images: requested label (row) and answer of the reference classifier (column). {SHADING}"
    values = {
        "reference": reference,
        "data": data,
        "overall": reference.confusion.overall,
        "matrix": _matrix(reference.confusion, caption, "requested", "agreement"),
    }
    body = fill("models/reference_classifier.html", values)
    return Section("reference_classifier", "Reference classifier on generated images", body)


def label_agreement(data: ReportData) -> Section | None:
    """Draw agreement with the requested label, by label."""
    if not data.label_agreement:
        return None
    rows = sorted(data.label_agreement, key=lambda row: row.agrees.estimate)
    body = fill("models/label_agreement.html", {"rows": rows, "arms": list(rows[0].trained)})
    return Section("label_agreement", "Agreement with the requested label", body)


def trained_classifier(data: ReportData) -> Section | None:
    """Draw the confusion matrix of the trained classifier."""
    trained = data.trained_classifier
    if trained is None:
        return None
    caption = (
        f"Classifier trained on {readable(trained.arm)}, {data.test_items}: true label (row) and answer (column). "
        f"{SHADING}"
    )
    values = {
        "errors": _most_frequent_error(trained.confusion),
        "matrix": _matrix(trained.confusion, caption, "true label", "recall"),
    }
    body = fill("models/trained_classifier.html", values)
    return Section("trained_classifier", "Confusion matrix of the trained classifier", body)


def _most_frequent_error(confusion: Confusion) -> tuple[int, str, str, int] | None:
    """Return (count, true label, answer, samples of the label) of the most frequent wrong answer; None without one."""
    errors = [
        (n, label, answer, sum(counts))
        for label, counts in zip(confusion.rows, confusion.counts, strict=True)
        for answer, n in zip(confusion.columns, counts, strict=True)
        if answer != label and n
    ]
    return max(errors, key=lambda error: error[0], default=None)


def reference_vs_trained(data: ReportData) -> Section | None:
    """Draw the paired accuracy of both classifiers."""
    pair = data.reference_vs_trained
    if pair is None:
        return None
    caption = (
        f"{data.test_items.capitalize()}: answer of the reference classifier (row) and of the trained classifier "
        f"(column). {SHADING}"
    )
    rates = pair.images_per_second.items()
    values = {
        "data": data,
        "pair": pair,
        "matrix": _matrix(pair.answers, caption, "reference", "agreement"),
        "sizes": [(name, count(pair.parameters[name]), count(round(rate))) for name, rate in rates],
    }
    body = fill("models/reference_vs_trained.html", values)
    return Section("reference_vs_trained", "Reference classifier and trained classifier", body)


def _matrix(confusion: Confusion, caption: str, row_name: str, rate_name: str) -> Markup:
    """Draw counts, shaded by their fraction of the row, with the fraction of each row that has the same label."""
    rows = []
    for (label, agreeing), counts in zip(confusion.agreement.items(), confusion.counts, strict=True):
        whole = sum(counts) or 1
        cells = [
            (n, _shade(n / whole, same=column == label), column == label)
            for column, n in zip(confusion.columns, counts, strict=True)
        ]
        rows.append((label, cells, agreeing))
    values = {
        "caption": caption,
        "row_name": row_name,
        "rate_name": rate_name,
        "columns": confusion.columns,
        "rows": rows,
    }
    return fill("models/confusion_matrix.html", values)


def _shade(fraction: float, *, same: bool) -> float:
    """Shade of a cell, 0 to 1: the square root for errors, so that 4% of a row is visible."""
    return round(fraction if same else sqrt(fraction), 3)
