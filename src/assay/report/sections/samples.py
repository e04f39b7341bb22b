"""Sections on the generated samples: drop funnel, examples, score distributions."""

from __future__ import annotations

from base64 import b64encode

from markupsafe import Markup

from assay.analysis.format import NO_INTERVAL, count, percent
from assay.analysis.report_data import ReportData
from assay.analysis.samples.examples import SampleExample
from assay.analysis.samples.funnel import LabelFunnel, few_rules
from assay.analysis.samples.score_selection import ScorePairOverlap, ScoreSelection
from assay.analysis.samples.scores import ScoreColumn
from assay.core.score import UNSAFE_UNIT
from assay.report.charts import histogram_plot, parts
from assay.report.document import Section
from assay.report.template import fill

_SMALL = 64
"""Maximum width in pixels of an image that is enlarged without smoothing."""


def funnel(data: ReportData) -> Section | None:
    """Draw the counts of kept, dropped and failed samples in total, by rule and by label."""
    counts = data.funnel
    bar = parts(
        [
            ("kept", f"kept {count(counts.kept)}", counts.kept),
            *(("dropped", f"dropped by {rule}: {count(n)}", n) for rule, n in counts.dropped.items()),
            *(("failed", f"failed, {reason}: {count(n)}", n) for reason, n in counts.failed.items()),
        ],
        f"{count(counts.requested)} samples: {count(counts.kept)} kept, {count(counts.dropped_total)} dropped, "
        f"{count(counts.failed_total)} failed",
    )
    values = {
        "funnel": counts,
        "bar": bar,
        "rules": {rule: few_rules(rules) for rule, rules in counts.dropped_by_rule.items()},
        "labels": [(row, _label_bar(row)) for row in counts.by_label],
    }
    return Section("funnel", "Generated and kept samples", fill("samples/funnel.html", values))


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
            [_encoded(example) for example in data.examples if example.label == label and example.kept],
            [_encoded(example) for example in data.examples if example.label == label and not example.kept],
        )
        for label in labels
    ]
    noun = "texts" if data.only_texts else "images"
    values = {"data": data, "groups": groups, "what": noun}
    return Section("examples", f"Examples of kept and dropped {noun}", fill("samples/examples.html", values))


def _encoded(example: SampleExample) -> tuple[SampleExample, str, bool]:
    """Return an example with its PNG in base64, and whether to enlarge it without smoothing."""
    return example, b64encode(example.png).decode("ascii"), bool(example.png) and is_small(example.png)


def is_small(png: bytes) -> bool:
    """Return whether an image is enlarged without smoothing."""
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
    return Section("scores", "Score distributions", fill("samples/scores.html", {"rows": rows, "unsafe": UNSAFE_UNIT}))


def _bins(column: ScoreColumn) -> Markup | None:
    if column.histogram is None:
        return None
    thresholds = ", ".join(threshold.text for threshold in column.thresholds)
    label = f"Histogram of {column.name} for kept and dropped samples" + (f"; {thresholds}" if thresholds else "")
    return histogram_plot(column.histogram, column.thresholds, label)


def score_selection(data: ReportData) -> Section | None:
    """Draw one row per score and one row per pair of scores."""
    selection = data.score_selection
    if selection is None:
        return None
    values = {
        "selection": selection,
        "sentence": selection_sentence(selection),
        "pairs": [(pair, *_rho(pair)) for pair in selection.pairs],
    }
    return Section("score_selection", "Selection by each score", fill("samples/score_selection.html", values))


def selection_sentence(selection: ScoreSelection) -> str:
    """State the pairs of scores with the highest and the lowest overlap, relative to random selection."""
    overlaps = [(pair.overlap.share, pair.overlap.chance, pair) for pair in selection.pairs if pair.overlap is not None]
    if not overlaps:
        return "One of the scores selects nothing, so there is no overlap to compare."
    overlaps.sort(key=lambda overlap: overlap[0] - overlap[1])
    lowest, highest = _overlap(*overlaps[0]), _overlap(*overlaps[-1])
    return f"Overlap of {highest}." if len(overlaps) == 1 else f"Highest overlap: {highest}. Lowest: {lowest}."


def _overlap(fraction: float, chance: float, pair: ScorePairOverlap) -> str:
    return f"{pair.first} and {pair.second}, {percent(fraction, 0)} (random selection: {percent(chance, 0)})"


def _rho(pair: ScorePairOverlap) -> tuple[str, str]:
    rho = pair.rho
    if rho is None:
        return "not defined", "one of the scores is constant"
    interval = (
        f"{_two_decimals(rho.low)} to {_two_decimals(rho.high)}"
        if rho.low is not None and rho.high is not None
        else NO_INTERVAL
    )
    return _two_decimals(rho.estimate), interval


def _two_decimals(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")
