"""Section on the exchange rate between generated and real samples."""

from __future__ import annotations

from assay.analysis.format import count, percent
from assay.analysis.models.exchange_rate import CurveEstimate, ExchangeRate
from assay.analysis.proof import readable
from assay.analysis.report_data import ReportData
from assay.report.charts import exchange_curve
from assay.report.document import Section
from assay.report.template import fill


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
    values = {"rate": rate, "sentence": sentence(rate), "rows": rows, "chart": exchange_curve(rate)}
    return Section("exchange_rate", "Exchange rate", fill("models/exchange_rate.html", values))


def sentence(rate: ExchangeRate) -> str:
    """State the equivalent number of real samples."""
    estimate = rate.equivalent.estimate
    equivalent = (
        "more real samples than the curve reaches" if estimate is None else f"{_samples(estimate)} real samples"
    )
    if rate.equivalent.interval:
        equivalent += f" ({100 * rate.equivalent.level:.4g}% CI {_estimate(rate.equivalent)[1]})"
    arm = f"{count(rate.samples)} {readable(rate.arm)} samples"
    return f"{arm} are equivalent to {equivalent}: accuracy {percent(rate.accuracy)}."


def _estimate(estimate: CurveEstimate, digits: int = 0) -> tuple[str, str]:
    if not estimate.interval:
        return _samples(estimate.estimate, digits), "none: too few measurements"
    point, low, high = (_samples(value, digits) for value in (estimate.estimate, estimate.low, estimate.high))
    return point, low if low == high else f"{low}\u2013{high}" if "never" not in (low, high) else f"{low} to {high}"


def _samples(value: float | None, digits: int = 0) -> str:
    return "never" if value is None else f"{value:,.{digits}f}"
