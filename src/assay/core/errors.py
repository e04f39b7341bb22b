"""Exceptions of assay, and import of libraries of optional extras.

* AssayError
  x UserError              can be fixed by the user: shown without a traceback, exit code 2
    - RecipeError          a recipe is invalid
    - FieldError           a field of a sample or a column of a table is missing
    - ModelError           a model cannot be loaded, or does not support a request
    - SourceError          source data are missing or invalid
    - StoreError           a folder or file cannot be read or written
    - MissingLibraryError  a library of an optional extra is not installed
  x ContractError          a component violates the contract of its role: a bug in assay or in a plug-in
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import ClassVar


class AssayError(Exception):
    """Base class of all exceptions of assay."""

    code: ClassVar[str] = "assay"
    """Kind of the error, for programs."""


class UserError(AssayError):
    """Error that the user can fix.

    Args:
        message: What is wrong, where, and what was expected.
        hint: What to do.
        fields: Values that the message names, for programs and tests, such as `place`, `value` or `name`.
    """

    code = "user"

    def __init__(self, message: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.fields = fields


class RecipeError(UserError):
    """Invalid recipe."""

    code = "recipe"


class FieldError(UserError):
    """Missing field or column."""

    code = "field"


class ModelError(UserError):
    """Model that cannot be loaded or does not support a request."""

    code = "model"


class SourceError(UserError):
    """Missing or invalid source data."""

    code = "source"


class StoreError(UserError):
    """Folder or file that cannot be read or written."""

    code = "store"


class ContractError(AssayError):
    """Component that violates the contract of its role."""

    code = "contract"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Hint for an unknown name: the nearest known name, and all known names."""
    known = sorted(known)
    folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), folded, n=1)
    return (f"Did you mean {folded[near[0]]!r}? " if near else "") + (
        f"Known: {', '.join(known)}." if known else "There are none."
    )


class MissingLibraryError(UserError):
    """A library of an optional extra is not installed.

    Args:
        library: Name of the package that cannot be imported.
        extra: The extra of assay that installs it.
    """

    code = "missing-library"

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(
            f"The library {library!r} is not installed.",
            hint=f'Install it with: pip install "assay[{extra}]"',
            library=library,
            extra=extra,
        )

    def __reduce__(self) -> tuple[type[MissingLibraryError], tuple[str, str]]:
        """Rebuild from the two fields, as the engines pass errors between processes."""
        return type(self), (self.library, self.extra)


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs.

    Raises:
        MissingLibraryError: Its package is not installed.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingLibraryError(package, extra) from error
