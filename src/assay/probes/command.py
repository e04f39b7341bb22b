"""assay probe: risk and safety probes of models and data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError
from assay.terminal.lazy import LazyGroup
from assay.terminal.money import paid_data, paid_line
from assay.terminal.options import show

if TYPE_CHECKING:
    from assay.models.remote.budget import Budget


def check_folder(html: Path | None) -> None:
    """Check that the folder of the page exists, before any model is asked.

    Raises:
        UserError: The folder of the page does not exist.
    """
    if html is not None and not html.parent.is_dir():
        raise UserError(f"{html} cannot be written: the folder {html.parent} does not exist.")


def end(
    data: dict[str, Any] | None,
    print_result: Callable[[], None],
    budget: Budget,
    html: Path | None,
    page: Callable[[], str],
) -> None:
    """Write the page if `html` is given, then print `data` as JSON or, if it is None, call `shown`."""
    from assay.models.remote.budget import Account

    if html is not None:
        from assay.store.atomic import write_bytes

        write_bytes(html, page().encode("utf-8"))
    if data is not None:
        show({**data, "cost": paid_data(budget, Account())})
        return
    print_result()
    if budget.account != Account():
        click.echo(paid_line(budget, Account()))
    if html is not None:
        click.echo(f"Report: {html}")


PROBES = {
    "hallucination": "assay.probes.hallucination.command:command",
    "machine-text": "assay.probes.machine_text.command:command",
    "privacy": "assay.probes.privacy:command",
    "images": "assay.probes.images.command:command",
    "jailbreak": "assay.probes.jailbreak.command:command",
}
"""Module of each probe, in the order of the help."""


@click.group(cls=LazyGroup, modules=PROBES)
def command() -> None:
    """Measure risks of models and data.

    Hallucination, machine-generated text, privacy, unsafe images, jailbreaks.
    """
