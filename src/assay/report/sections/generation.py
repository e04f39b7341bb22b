"""The making: what became of every sample, what it looks like, what the scorers and the expert said of it."""

from __future__ import annotations

from base64 import b64encode

from markupsafe import Markup

from assay.analysis import derived
from assay.analysis.format import count
from assay.analysis.report_data import LabelFunnel, ReportFacts, ScoreColumn, Specimen
from assay.core.score import UNSAFE
from assay.report.charts import bins, parts
from assay.report.sections.confusion_matrix import matrix
from assay.report.sections.section import Section
from assay.report.template import fill

_SMALL = 64
"""Pixels. An image up to this wide is enlarged with square pixels; a larger one is shown smooth."""


def funnel(facts: ReportFacts) -> Section | None:
    """What became of every sample asked for, in total, by rule and by label."""
    whole = facts.funnel
    dropped, failed = sum(whole.dropped.values()), sum(whole.failed.values())
    bar = parts(
        [
            ("kept", f"kept {count(whole.kept)}", whole.kept),
            *(("dropped", f"dropped by {rule}: {count(n)}", n) for rule, n in whole.dropped.items()),
            *(("failed", f"failed, {reason}: {count(n)}", n) for reason, n in whole.failed.items()),
        ],
        f"Of {count(whole.requested)}: {count(whole.kept)} kept, {count(dropped)} dropped, {count(failed)} failed",
    )
    values = {
        "funnel": whole,
        "dropped": dropped,
        "failed": failed,
        "kept_share": derived.kept_share(facts),
        "bar": bar,
        "rules": {rule: derived.few_rules(rules) for rule, rules in whole.rules.items()},
        "labels": [(row, _label_bar(row)) for row in whole.by_label],
    }
    return Section("funnel", "What was made, and what was kept", fill("funnel.html", values))


def _label_bar(row: LabelFunnel) -> Markup:
    shown = [("kept", "kept", row.kept), ("dropped", "dropped", row.dropped), ("failed", "failed", row.failed)]
    return parts(shown, f"{row.label}: kept {row.kept}, dropped {row.dropped}, failed {row.failed}")


def specimens(facts: ReportFacts) -> Section | None:
    """Kept and dropped images or texts side by side, a row a label, with scores and reasons."""
    if not facts.specimens:
        return None
    labels = list(dict.fromkeys(one.label for one in facts.specimens))
    groups = [
        (
            label,
            [_shown(one) for one in facts.specimens if one.label == label and one.kept],
            [_shown(one) for one in facts.specimens if one.label == label and not one.kept],
        )
        for label in labels
    ]
    what = "texts" if facts.of_texts else "images"
    values = {"facts": facts, "groups": groups, "what": what}
    return Section(what, f"{what.capitalize()} kept and dropped", fill("specimens.html", values))


def _shown(one: Specimen) -> tuple[Specimen, str, bool]:
    """An image with its pixels as base64, and whether they are few enough to be shown as squares."""
    return one, b64encode(one.png).decode("ascii"), bool(one.png) and is_small(one.png)


def is_small(png: bytes) -> bool:
    """Whether an image is so small that its pixels are shown as squares."""
    return _png_width(png) <= _SMALL


def _png_width(png: bytes) -> int:
    """The width in the header of a PNG file (ISO 15948, section 11.2.2).

    Raises:
        ValueError: These are not the bytes of a PNG.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise ValueError(f"An image of the report must be a PNG, its bytes begin {png[:8]!r}.")
    return int.from_bytes(png[16:20], "big")


def scores(facts: ReportFacts) -> Section | None:
    """How the scores lie, and where the filters cut."""
    if not facts.scores:
        return None
    rows = [(column, _bins(column), derived.beyond(column)) for column in facts.scores]
    return Section("scores", "Where the filters cut", fill("scores.html", {"rows": rows, "unsafe": UNSAFE}))


def _bins(column: ScoreColumn) -> Markup | None:
    found = derived.histogram(column)
    if found is None:
        return None
    lines = ", ".join(f"{line.text} at {line.value:g}" for line in column.thresholds)
    label = f"Histogram of {column.name}, kept and dropped samples" + (f"; {lines}" if lines else "")
    return bins(found, column.thresholds, label)


def expert(facts: ReportFacts) -> Section | None:
    """What a classifier trained on real data says of the generated images."""
    found = facts.expert
    if found is None:
        return None
    caption = (
        "Generated images: the label that was asked for (row) and what the expert saw (column). "
        "The stronger the color, the larger the share of the row; blue is where both agree."
    )
    values = {
        "expert": found,
        "facts": facts,
        "overall": derived.overall_agreement(found.confusion),
        "matrix": matrix(found.confusion, caption, "asked for"),
    }
    return Section("expert", "What an expert says of the images", fill("expert.html", values))
