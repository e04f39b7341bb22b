"""The one table that a run prints when it is done."""

from __future__ import annotations

import click

from assay.cli.options import table
from assay.report.answer import answer_sentence
from assay.report.api import Done
from assay.report.derived import few_rules, total_dollars, total_seconds
from assay.report.words import count, dollars, percent, percent_between, seconds


def print_summary(done: Done) -> None:
    """Prints the arms, the funnel, the answer and where the page is."""
    facts = done.facts
    flow = facts.funnel
    dropped, failed = sum(flow.dropped.values()), sum(flow.failed.values())
    click.echo()
    click.echo(
        f"{count(flow.requested)} requested = {count(flow.kept)} kept + {count(dropped)} dropped + "
        f"{count(failed)} failed"
    )
    for rule, number in flow.dropped.items():
        click.echo(f"    dropped by {rule}: {count(number)}")
        for one, part in few_rules(flow.rules.get(rule, {})):
            click.echo(f"        rule {one}: {count(part)}")
    for reason, number in flow.failed.items():
        click.echo(f"    failed: {reason}: {count(number)}")
    if facts.arms:
        click.echo()
        rows = [
            [
                arm.name,
                count(arm.n_samples),
                count(arm.steps),
                percent(arm.accuracy.estimate),
                percent_between(arm.accuracy),
            ]
            for arm in facts.arms
        ]
        n = count(facts.arms[0].accuracy.n)
        table(["arm", "samples", "steps", f"accuracy on {n} real", "95 % interval"], rows)
    click.echo()
    click.echo(answer_sentence(facts))
    click.echo()
    paid = f" and {dollars(total_dollars(facts))}" if any(stage.dollars != 0 for stage in facts.stages) else ""
    click.echo(f"Took {seconds(total_seconds(facts))} of work{paid}. Report: {done.page}")
