"""What assay raises. One root, so a caller can catch everything with one `except`.

* AssayError
  x UserError          the user can fix it: shown without a traceback, exit code 2
    - RecipeError      a recipe names something that does not exist or cannot be built
    - FieldError       a component asked a sample for a field, or a table for a column, that is not there
    - ModelError       a model reference cannot be loaded, or the model cannot do what is asked of it
    - SourceError      real data cannot be had, or is not what it should be
    - StoreError       a folder, a disk or a file stands in the way
  x ContractError      a component broke the promise of its role: our bug, or the plug-in author's
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


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
