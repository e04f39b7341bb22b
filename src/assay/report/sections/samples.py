"""Sections on the generated samples: drop funnel, examples, score distributions."""

from __future__ import annotations

from base64 import b64encode

from markupsafe import Markup

from assay.analysis.format import count
from assay.analysis.report_data import ReportData
from assay.analysis.samples import Example, LabelFunnel, ScoreColumn, few_rules
from assay.core.score import UNSAFE_UNIT
from assay.report.charts import bins, parts
from assay.report.sections.section import Section
from assay.report.template import fill

_SMALL = 64
"""Pixels. An image up to this wide is enlarged with square pixels; a larger one is smoothed."""


def funnel(data: ReportData) -> Section | None:
    """Draw the counts of kept, dropped and failed samples in total, by rule and by label."""
    whole = data.funnel
    bar = parts(
        [
            ("kept", f"kept {count(whole.kept)}", whole.kept),
            *(("dropped", f"dropped by {rule}: {count(n)}", n) for rule, n in whole.dropped.items()),
            *(("failed", f"failed, {reason}: {count(n)}", n) for reason, n in whole.failed.items()),
        ],
        f"Of {count(whole.requested)} samples, {count(whole.kept)} kept, {count(whole.dropped_total)} dropped, "
        f"{count(whole.failed_total)} failed",
    )
    values = {
        "funnel": whole,
        "bar": bar,
        "rules": {rule: few_rules(rules) for rule, rules in whole.dropped_by_rule.items()},
        "labels": [(row, _label_bar(row)) for row in whole.by_label],
    }
    return Section("funnel", "Generated and kept samples", fill("funnel.html", values))


def _label_bar(row: LabelFunnel) -> Markup:
    counts = [("kept", "kept", row.kept), ("dropped", "dropped", row.dropped), ("failed", "failed", row.failed)]
    return parts(counts, f"{row.label}: kept {row.kept}, dropped {row.dropped}, failed {row.failed}")


def examples(data: ReportData) -> Section | None:
    """Show kept and dropped images or texts by label, with scores and reasons."""
    if not data.examples:
        return None
    labels = list(dict.fromkeys(example.label for example in data.examples))
    groups = [
        (
            label,
            [_drawn(one) for one in data.examples if one.label == label and one.kept],
            [_drawn(one) for one in data.examples if one.label == label and not one.kept],
        )
        for label in labels
    ]
    what = "texts" if data.only_texts else "images"
    values = {"data": data, "groups": groups, "what": what}
    return Section("examples", f"Examples of kept and dropped {what}", fill("examples.html", values))


def _drawn(example: Example) -> tuple[Example, str, bool]:
    """Return an example with its PNG in base64, and whether to enlarge its pixels."""
    return example, b64encode(example.png).decode("ascii"), bool(example.png) and is_small(example.png)


def is_small(png: bytes) -> bool:
    """Return whether an image is drawn with square pixels."""
    return _png_width(png) <= _SMALL


def _png_width(png: bytes) -> int:
    """Read the width from the header of a PNG file (ISO 15948, section 11.2.2).

    Raises:
        ValueError: The bytes are not a PNG file.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise ValueError(f"An image of the report must be a PNG file; its bytes begin with {png[:8]!r}.")
    return int.from_bytes(png[16:20], "big")


def scores(data: ReportData) -> Section | None:
    """Draw the distribution of every score with the filters' thresholds."""
    if not data.scores:
        return None
    rows = [(column, _bins(column)) for column in data.scores]
    return Section("scores", "Score distributions", fill("scores.html", {"rows": rows, "unsafe": UNSAFE_UNIT}))


def _bins(column: ScoreColumn) -> Markup | None:
    if column.histogram is None:
        return None
    thresholds = ", ".join(threshold.text for threshold in column.thresholds)
    label = f"Histogram of {column.name} for kept and dropped samples" + (f"; {thresholds}" if thresholds else "")
    return bins(column.histogram, column.thresholds, label)
