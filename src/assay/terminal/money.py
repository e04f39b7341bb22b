"""Money on the command line: how much it may be, how much it will be about, and how much it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from assay.models.remote.budget import Account, Budget
    from assay.pipeline.cost.asks import Asks

Function = TypeVar("Function", bound=Callable[..., Any])


def _amount(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no amount of dollars; leave it out for no bound.", context, option)
    return value


def _budget(over: str) -> Callable[[Function], Function]:
    text = f"Dollars that closed models may cost, {over}."
    return click.option("--budget", type=click.FloatRange(0), callback=_amount, help=text)


BUDGET = _budget("over all sessions")
"""For a command that keeps a ledger in its folder."""
BUDGET_NOW = _budget("in this call of the command")
"""For a command that keeps none."""


def announce(asked: Sequence[Asks], budget: Budget) -> None:
    """Says on standard error what is about to be asked, and whether the budget may be too little for it."""
    from assay.analysis.format import count, dollars, plural

    told = [(one.model, one.estimate) for one in asked if one.estimate is not None and one.estimate.askings]
    for model, estimate in told:
        about = f"about {count(estimate.prompt_tokens)} tokens of prompts"
        most = f"at most {count(estimate.answer_tokens)} of answers"
        price = "cost unknown" if estimate.dollars is None else f"at most about {dollars(estimate.dollars)}"
        click.echo(f"{model}: {plural(estimate.askings, 'answer')} to ask for, {about}, {most}: {price}.", err=True)
    for note in dict.fromkeys(estimate.note for _, estimate in told):
        click.echo(note, err=True)
    if too_little(asked, budget.dollars, budget.account.dollars):
        text = "The budget may be too little: asking would stop where it is spent, and keep every answer."
        click.secho(text, fg="yellow", err=True)


def too_little(asked: Sequence[Asks], budget: float | None, spent: float) -> bool:
    """Whether more may be asked for than a budget has left."""
    known = [one.estimate.dollars for one in asked if one.estimate is not None and one.estimate.dollars is not None]
    return budget is not None and bool(known) and sum(known) > budget - spent


def paid_data(budget: Budget, before: Account) -> dict[str, Any]:
    """What was paid, for programs: over all sessions and in this one; None where a price is not known."""
    account = budget.account
    now = account.since(before)
    return {"dollars": account.known, "this_session": now.known, "tokens": account.tokens, "budget": budget.dollars}


def paid_line(budget: Budget, before: Account) -> str:
    """The same in a sentence."""
    from assay.analysis.format import dollars

    account = budget.account
    now = account.since(before)
    earlier = f" now, {dollars(account.known)} over all sessions" if now != account else ""
    bound = f", of a budget of {dollars(budget.dollars)}" if budget.dollars is not None else ""
    return f"Paid: {dollars(now.known)}{earlier}{bound}."
