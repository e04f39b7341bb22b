"""Budget option, cost estimates and cost reports of commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from assay.models.remote.budget import Account, Budget
    from assay.pipeline.cost import CostEstimate

Function = TypeVar("Function", bound=Callable[..., Any])


def _amount(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not an amount in dollars; omit the option for no limit.", context, option)
    return value


def _budget(over: str) -> Callable[[Function], Function]:
    text = f"Maximum cost of remote models in dollars, {over}."
    return click.option("--budget", type=click.FloatRange(0), callback=_amount, help=text)


BUDGET = _budget("over all sessions")
"""Budget option of commands with a ledger in their folder."""
BUDGET_NOW = _budget("for this invocation")
"""Budget option of commands without a ledger."""


def announce(estimates: Sequence[CostEstimate], budget: Budget) -> None:
    """Print the cost estimate to standard error, with a warning if the budget may be insufficient."""
    from assay.analysis.format import count, dollars, plural

    pending = [(row.model, row.estimate) for row in estimates if row.estimate is not None and row.estimate.askings]
    for model, estimate in pending:
        about = f"about {count(estimate.prompt_tokens)} prompt tokens"
        most = f"at most {count(estimate.answer_tokens)} answer tokens"
        price = "cost unknown" if estimate.dollars is None else f"at most about {dollars(estimate.dollars)}"
        click.echo(f"{model}: {plural(estimate.askings, 'request')}, {about}, {most}: {price}.", err=True)
    for note in dict.fromkeys(estimate.note for _, estimate in pending):
        click.echo(note, err=True)
    if is_insufficient(estimates, budget.dollars, budget.account.dollars):
        text = "The budget may be insufficient: requests stop when it is spent, and all answers are kept."
        click.secho(text, fg="yellow", err=True)


def is_insufficient(estimates: Sequence[CostEstimate], budget: float | None, spent: float) -> bool:
    """Whether the estimated cost exceeds the remaining budget."""
    costs = [row.estimate.dollars for row in estimates if row.estimate and row.estimate.dollars is not None]
    return budget is not None and bool(costs) and sum(costs) > budget - spent


def paid_data(budget: Budget, before: Account) -> dict[str, Any]:
    """Cost as JSON: over all sessions and in this one; None if a price is unknown."""
    account = budget.account
    now = account.since(before)
    return {"dollars": account.known, "this_session": now.known, "tokens": account.tokens, "budget": budget.dollars}


def paid_line(budget: Budget, before: Account) -> str:
    """Cost in a sentence."""
    from assay.analysis.format import dollars

    account = budget.account
    now = account.since(before)
    earlier = f" now, {dollars(account.known)} over all sessions" if now != account else ""
    bound = f", of a budget of {dollars(budget.dollars)}" if budget.dollars is not None else ""
    return f"Cost: {dollars(now.known)}{earlier}{bound}."
