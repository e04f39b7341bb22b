"""The entry point: finds the command, and turns a user's mistake into one message and exit code 2."""

from __future__ import annotations

import errno
import importlib
import json
import sys

import click

from assay import __version__
from assay.core.errors import ContractError, UserError, did_you_mean

COMMANDS = (
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
    "perplexity",
    "novelty",
    "models",
    "doctor",
)
"""In the order of the help; each is the attribute `command` of the module of its name."""


class Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"assay.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name in the message."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UserError(f"There is no command {args[0]!r}.", hint=did_you_mean(args[0], COMMANDS))
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="assay")
def cli() -> None:
    """Makes synthetic data, keeps what passes, trains on what is left, and proves whether it helped.

    Start with: assay run fashion --quick
    """


def main() -> None:
    """Runs the command line; 0 done, 2 the user's mistake, 1 ours, 130 interrupted."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _stop("Stopped. What is finished stays; the same command goes on from there.", 130)
    except KeyboardInterrupt:
        _stop("Stopped. What is finished stays; the same command goes on from there.", 130)
    except click.ClickException as error:
        _stop(error.format_message(), 2)
    except UserError as error:
        _stop(str(error), 2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _stop(f"The disk is full: {error.filename or 'a file'} could not be written.", 2)
    except ContractError as error:
        _stop(f"A component broke its promise, which is a bug in it: {error}", 1)


def _stop(message: str, code: int) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": message, "exit_code": code}, ensure_ascii=False))
    click.echo(f"assay: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
