"""Summary printed after a run."""

from __future__ import annotations

import click

from assay.analysis.format import count, dollars, percent, percent_between, plural, seconds
from assay.analysis.report_data import ReportData
from assay.analysis.samples.funnel import few_rules
from assay.analysis.verdict import answer_sentence
from assay.report.api import Done
from assay.terminal.options import table


def print_summary(done: Done) -> None:
    """Print the funnel, the arms, the verdict and the path of the report."""
    facts = done.facts
    click.echo()
    _funnel(facts)
    if facts.arms:
        click.echo()
        _arms(facts)
        _also(facts)
    click.echo()
    click.echo(answer_sentence(facts))
    click.echo()
    paid = f", cost: {dollars(facts.cost.dollars)}" if any(stage.dollars != 0 for stage in facts.cost.stages) else ""
    click.echo(f"Compute time: {seconds(facts.cost.seconds)}{paid}. Report: {done.page}")


def _funnel(facts: ReportData) -> None:
    """Counts of requested, kept, dropped and failed samples."""
    flow = facts.funnel
    dropped, failed = sum(flow.dropped.values()), sum(flow.failed.values())
    click.echo(
        f"{count(flow.requested)} requested = {count(flow.kept)} kept + {count(dropped)} dropped + "
        f"{count(failed)} failed"
    )
    for rule, number in flow.dropped.items():
        click.echo(f"    dropped by {rule}: {count(number)}")
        for one, part in few_rules(flow.dropped_by_rule.get(rule, {})):
            click.echo(f"        rule {one}: {count(part)}")
    for reason, number in flow.failed.items():
        click.echo(f"    failed: {reason}: {count(number)}")


def _arms(facts: ReportData) -> None:
    """Results by arm."""
    measure = facts.measure
    rows = [
        [arm.name, count(arm.n_samples), count(arm.steps), measure.value(arm.result), measure.between(arm.result)]
        for arm in facts.arms
    ]
    measured = f"{measure.name} on {count(facts.arms[0].result.n)} {'real' if measure.proportion else 'held-out'} items"
    table(["arm", "samples", "steps", measured, "95% CI"], rows)


def _also(facts: ReportData) -> None:
    """Main comparison by other metrics, and pairwise comparisons by a judge."""
    pairs = [
        (one, pair) for one in (*facts.other_measures, *facts.auxiliary_evaluation) for pair in one.comparisons[:1]
    ]
    if pairs:
        click.echo()
        rows = [
            [one.measure.name, one.measure.gap(pair.difference), one.measure.gap_between(pair.difference), pair.verdict]
            for one, pair in pairs
        ]
        table(["metric", f"{pairs[0][1].ours} - {pairs[0][1].theirs}", "95% CI", ""], rows)
    if facts.pairwise_comparisons:
        click.echo()
        rows = [
            [
                f"{one.ours} vs. {one.theirs}",
                percent(one.wins.estimate),
                percent(one.equal_length.estimate) if one.equal_length else "-",
                percent_between(one.equal_length or one.wins),
                one.verdict,
            ]
            for one in facts.pairwise_comparisons
        ]
        table([f"judge {facts.pairwise_comparisons[0].judge}", "wins", "at equal length", "95% CI", ""], rows)
    if facts.other_measures and (lacking := sum(one.unscored for one in facts.other_measures)):
        click.echo(f"{plural(lacking, 'answer')} without a value of a metric; see the report.")
