"""What assay raises. One root, so a caller can catch everything with one `except`.

* AssayError
  x UserError          the user can fix it: shown without a traceback, exit code 2
    - RecipeError      a recipe names something that does not exist or cannot be built
    - FieldError       a component asked a sample for a field, or a table for a column, that is not there
    - ModelError       a model reference cannot be loaded, or the model cannot do what is asked of it
    - SourceError      real data cannot be had, or is not what it should be
    - StoreError       a folder, a disk or a file stands in the way
  x ContractError      a component broke the promise of its role: our bug, or the plug-in author's

Import of libraries that come with an optional extra of assay.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType


class AssayError(Exception):
    """Root of everything assay raises on purpose."""


class UserError(AssayError):
    """A mistake the user can fix. `hint` says how."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)


class RecipeError(UserError):
    """A recipe names something that does not exist or cannot be built."""


class FieldError(UserError):
    """A component asked for a field or a column that is not there."""


class ModelError(UserError):
    """A model reference cannot be loaded, or the model cannot do what is asked of it."""


class SourceError(UserError):
    """Real data cannot be had, or is not what it should be."""


class StoreError(UserError):
    """A folder, a disk or a file stands in the way."""


class ContractError(AssayError):
    """A component broke the promise of its role."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """One line that lists what exists, nearest first: the hint of every name error."""
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
            f"The library {library!r} is not installed.", hint=f'Install it with: pip install "assay[{extra}]"'
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
