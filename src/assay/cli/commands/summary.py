"""Summary printed after a run."""

from __future__ import annotations

import click

from assay.analysis.format import count, dollars, percent, percent_between, plural, seconds
from assay.analysis.report_data import ReportData
from assay.analysis.samples.funnel import few_rules
from assay.analysis.verdict import answer_sentence
from assay.report.api import Done
from assay.terminal.options import table


def print_summary(result: Done) -> None:
    """Print the funnel, the arms, the verdict and the path of the report."""
    data = result.facts
    click.echo()
    _funnel(data)
    if data.arms:
        click.echo()
        _arms(data)
        _other_comparisons(data)
    click.echo()
    click.echo(answer_sentence(data))
    click.echo()
    paid = f", cost: {dollars(data.cost.dollars)}" if any(stage.dollars != 0 for stage in data.cost.stages) else ""
    click.echo(f"Compute time: {seconds(data.cost.seconds)}{paid}. Report: {result.page}")


def _funnel(data: ReportData) -> None:
    """Counts of requested, kept, dropped and failed samples."""
    flow = data.funnel
    dropped, failed = sum(flow.dropped.values()), sum(flow.failed.values())
    click.echo(
        f"{count(flow.requested)} requested = {count(flow.kept)} kept + {count(dropped)} dropped + "
        f"{count(failed)} failed"
    )
    for rule, number in flow.dropped.items():
        click.echo(f"    dropped by {rule}: {count(number)}")
        for filter_rule, part in few_rules(flow.dropped_by_rule.get(rule, {})):
            click.echo(f"        rule {filter_rule}: {count(part)}")
    for reason, number in flow.failed.items():
        click.echo(f"    failed: {reason}: {count(number)}")


def _arms(data: ReportData) -> None:
    """Results by arm."""
    measure = data.measure
    rows = [
        [arm.name, count(arm.n_samples), count(arm.steps), measure.value(arm.result), measure.between(arm.result)]
        for arm in data.arms
    ]
    measured = f"{measure.name} on {count(data.arms[0].result.n)} {'real' if measure.proportion else 'held-out'} items"
    table(["arm", "samples", "steps", measured, "95% CI"], rows)


def _other_comparisons(data: ReportData) -> None:
    """Main comparison by other metrics, and pairwise comparisons by a judge."""
    pairs = [
        (result, pair)
        for result in (*data.other_measures, *data.auxiliary_evaluation)
        for pair in result.comparisons[:1]
    ]
    if pairs:
        click.echo()
        rows = [
            [
                result.measure.name,
                result.measure.gap(pair.difference),
                result.measure.gap_between(pair.difference),
                pair.verdict,
            ]
            for result, pair in pairs
        ]
        table(["metric", f"{pairs[0][1].ours} - {pairs[0][1].theirs}", "95% CI", ""], rows)
    if data.pairwise_comparisons:
        click.echo()
        rows = [
            [
                f"{pair.ours} vs. {pair.theirs}",
                percent(pair.wins.estimate),
                percent(pair.equal_length.estimate) if pair.equal_length else "-",
                percent_between(pair.equal_length or pair.wins),
                pair.verdict,
            ]
            for pair in data.pairwise_comparisons
        ]
        table([f"judge {data.pairwise_comparisons[0].judge}", "wins", "at equal length", "95% CI", ""], rows)
    if data.other_measures and (unscored := sum(result.unscored for result in data.other_measures)):
        click.echo(f"{plural(unscored, 'answer')} without a value of a metric; see the report.")
