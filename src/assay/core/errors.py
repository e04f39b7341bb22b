"""Exceptions that assay raises. One root, so a caller can catch everything with one `except`.

* AssayError
  x UserError          the user can correct it: shown without a traceback, exit code 2
    - RecipeError      a recipe names something that does not exist or cannot be built
    - FieldError       a sample lacks a field, or a table a column
    - ModelError       a model reference cannot be loaded, or the model does not support a request
    - SourceError      real data is missing or not in the expected format
    - StoreError       a folder, a disk or a file cannot be used
  x ContractError      a component broke the contract of its role: a bug in assay or in a plug-in
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class AssayError(Exception):
    """Root of every exception that assay raises on purpose."""

    code: ClassVar[str] = "assay"
    """Identifies the kind of error to programs."""


class UserError(AssayError):
    """A mistake that the user can correct.

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
    """A recipe names something that does not exist or cannot be built."""

    code = "recipe"


class FieldError(UserError):
    """A sample lacks a field, or a table a column."""

    code = "field"


class ModelError(UserError):
    """A model reference cannot be loaded, or the model does not support a request."""

    code = "model"


class SourceError(UserError):
    """Real data is missing or not in the expected format."""

    code = "source"


class StoreError(UserError):
    """A folder, a disk or a file cannot be used."""

    code = "store"


class ContractError(AssayError):
    """A component broke the contract of its role."""

    code = "contract"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Hint of a name error: the nearest known name, then all of them."""
    known = sorted(known)
    folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), folded, n=1)
    return (f"Did you mean {folded[near[0]]!r}? " if near else "") + (
        f"Known: {', '.join(known)}." if known else "There are none."
    )
