"""Assertion on the type, code and fields of an error for users, instead of on its message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from assay.core.errors import UserError


@contextmanager
def raises(error: type[UserError], /, **fields: object) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expect an error of this type with these values among its fields."""
    with pytest.raises(error) as caught:
        yield caught
    assert caught.value.code == error.code
    assert {name: caught.value.fields.get(name, "no such field") for name in fields} == fields
