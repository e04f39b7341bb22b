"""What probes with a page share: where it may be written, and how a probe ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.money import paid_data, paid_line
from assay.terminal.options import show

if TYPE_CHECKING:
    from assay.models.remote.budget import Budget


def check_folder(html: Path | None) -> None:
    """Before anything is asked.

    Raises:
        UserError: The page's folder is not there.
    """
    if html is not None and not html.parent.is_dir():
        raise UserError(f"{html} cannot be written: there is no folder {html.parent}.")


def end(
    data: dict[str, Any] | None, shown: Callable[[], None], budget: Budget, html: Path | None, page: Callable[[], str]
) -> None:
    """Writes the page where one is wanted, then `data` as JSON or, where that is None, what is `shown` to a reader."""
    from assay.models.remote.budget import Account

    if html is not None:
        from assay.store.atomic import write_bytes

        write_bytes(html, page().encode("utf-8"))
    if data is not None:
        show({**data, "cost": paid_data(budget, Account())})
        return
    shown()
    if budget.account != Account():
        click.echo(paid_line(budget, Account()))
    if html is not None:
        click.echo(f"Page: {html}")
