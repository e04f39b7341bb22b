"""Errors: codes, fields, and passage between processes."""

from __future__ import annotations

import pickle

import pytest

from assay.core.errors import AssayError, FieldError, ModelError, RecipeError, SourceError, StoreError, UserError
from assay.core.extras import MissingLibraryError


@pytest.mark.parametrize("kind", [UserError, RecipeError, FieldError, ModelError, SourceError, StoreError])
def test_an_error_keeps_its_parts_between_processes(kind: type[UserError]) -> None:
    error = kind("It is wrong.", hint="Mend it.", place="a.csv, line 2", value=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.message, again.hint) == (str(error), "It is wrong.", "Mend it.")
    assert again.fields == {"place": "a.csv, line 2", "value": 3}


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    kinds, waiting = list[type[AssayError]](), [AssayError]
    while waiting:
        kinds.append(kind := waiting.pop())
        waiting += [one for one in kind.__subclasses__() if one.__module__.startswith("assay.")]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
    assert MissingLibraryError("ray", "ray").fields == {"library": "ray", "extra": "ray"}
