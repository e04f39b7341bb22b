"""Command-line entry point: dispatches commands and converts errors to messages and exit codes."""

from __future__ import annotations

import errno
import json
import sys
from importlib.metadata import entry_points

import click

from assay import __version__
from assay.core.errors import ContractError, UserError
from assay.terminal.lazy import LazyGroup

ORDER = (
    "run",
    "plan",
    "recipes",
    "init",
    "status",
    "report",
    "why",
    "export",
    "scale",
    "arena",
    "ask",
    "decode",
    "eval",
    "judge",
    "probe",
    "perplexity",
    "novelty",
    "models",
    "doctor",
)
"""Order of assay's own commands in the help; commands of plug-ins follow by name."""


def commands() -> dict[str, str]:
    """Name of each command to `module:attribute`, from the entry-point group `assay.commands`."""
    targets = {point.name: point.value for point in sorted(entry_points(group="assay.commands"))}
    builtin = {name: targets.pop(name) for name in ORDER if name in targets}
    return builtin | targets


@click.group(
    cls=LazyGroup,
    modules=commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="assay")
def cli() -> None:
    """Generate synthetic data, filter it, train on what is left, and measure whether it helps on real held-out data.

    Quick start: assay run fashion --quick
    """


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 internal error, 2 user error, 130 interrupted."""
    try:
        cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _stop("Interrupted. Finished work is kept; run the same command again to resume.", "interrupted", 130)
    except click.ClickException as error:
        _stop(error.format_message(), "usage", 2)
    except UserError as error:
        _stop(str(error), error.code, 2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _stop(f"The disk is full: {error.filename or 'a file'} could not be written.", "disk-full", 2)
    except ContractError as error:
        _stop(f"A component violates its contract (a bug in the component): {error}", error.code, 1)


def _stop(message: str, code: str, exit_code: int) -> None:
    """Print the error, with `--json` also as an object with its `code` (see `core/errors.py`), and exit."""
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": message, "code": code, "exit_code": exit_code}, ensure_ascii=False))
    click.echo(f"assay: {message}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
