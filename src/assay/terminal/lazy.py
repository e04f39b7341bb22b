"""Command group with lazily imported commands, for a fast start."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from assay.core.errors import UserError, did_you_mean


class LazyGroup(click.Group):
    """Click group whose commands are given as `module:attribute`."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        """Args: `modules` maps a command's name to `module:attribute`, in the order of the help."""
        super().__init__(*args, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Command names in the order of the help."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None if the name is unknown."""
        if cmd_name not in self._modules:
            return None
        module, _, attribute = self._modules[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command, with a suggestion for unknown names."""
        if args and args[0] not in self._modules and not args[0].startswith("-"):
            raise UserError(f"Unknown command {args[0]!r}.", hint=did_you_mean(args[0], self._modules))
        return super().resolve_command(ctx, args)
