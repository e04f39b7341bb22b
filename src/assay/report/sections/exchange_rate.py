"""Section on the exchange rate between generated and real samples."""

from __future__ import annotations

from assay.analysis.format import count, percent
from assay.analysis.models.exchange_rate import CurveEstimate, ExchangeRate
from assay.analysis.proof import readable
from assay.analysis.report_data import ReportData
from assay.report.charts import exchange_rate_plot
from assay.report.document import Section
from assay.report.template import fill

NOT_REACHED = "not reached"
"""A number of samples that the fitted curve does not give."""


def exchange_rate(data: ReportData) -> Section | None:
    """Draw the equivalent number of real samples and the fitted curve."""
    rate = data.exchange_rate
    if rate is None:
        return None
    rows = [
        ("Equivalent number of real samples", *_estimate(rate.equivalent)),
        ("Real samples per generated sample", *_estimate(rate.rate, digits=2)),
        (f"Real samples needed for {percent(rate.goal)} accuracy", *_estimate(rate.needed)),
        ("Real samples beyond which doubling gains less than 1 percentage point", *_estimate(rate.saturation)),
    ]
    values = {"rate": rate, "sentence": sentence(rate), "rows": rows, "chart": exchange_rate_plot(rate)}
    return Section("exchange_rate", "Exchange rate", fill("models/exchange_rate.html", values))


def sentence(rate: ExchangeRate) -> str:
    """State the equivalent number of real samples."""
    arm = f"{count(rate.samples)} {readable(rate.arm)} samples"
    if rate.equivalent.estimate is None:
        return f"Accuracy with {arm}: {percent(rate.accuracy)}. The fitted curve of real samples does not reach it."
    interval = (
        f"{100 * rate.equivalent.level:.4g}% CI {_estimate(rate.equivalent)[1]}, " if rate.equivalent.interval else ""
    )
    size = f"{interval}n = {count(len(rate.curve))} trainings"
    equivalent = f"{_samples(rate.equivalent.estimate)} real samples ({size})"
    return f"{arm} are equivalent to {equivalent}: accuracy {percent(rate.accuracy)}."


def _estimate(estimate: CurveEstimate, digits: int = 0) -> tuple[str, str]:
    if not estimate.interval:
        return _samples(estimate.estimate, digits), "no interval: too few trainings"
    point, low, high = (_samples(value, digits) for value in (estimate.estimate, estimate.low, estimate.high))
    if estimate.high is None:
        return point, f"{low} or more" if estimate.low is not None else NOT_REACHED
    return point, low if low == high else f"{low}\u2013{high}"


def _samples(value: float | None, digits: int = 0) -> str:
    return NOT_REACHED if value is None else f"{value:,.{digits}f}"
