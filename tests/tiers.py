"""Decide which tests are in the full tier, by what they use.

The code of a test and of its fixtures is followed through the helpers of this folder. A test that reaches a process,
Ray, Chromium (which is started as a process) or the name of a large embedded model belongs to the full tier. The marker
`fast` or `full` that is closest to a test overrides this.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = str(Path(__file__).parent)
PROCESSES = frozenset({"Popen", "run", "check_call", "check_output"})
"""Functions of `subprocess` that start one."""
LARGE = re.compile(r"(\w+:)?embedded:(smollm2|fashion-\w+|open-nsfw)")
"""References of embedded models that take seconds. The sentence encoder opens in a fraction of one."""

NUMBERS = ("tests/golden/", "tests/components/trainers/", "tests/analysis/models/test_analysis_negative_controls.py")
"""Trainings and stored numbers, whose last bits depend on the processor."""


def is_full(item: pytest.Item) -> bool:
    """Whether a test belongs to the full tier."""
    for marker in item.iter_markers():  # the closest first
        if marker.name in ("fast", "full"):
            return marker.name == "full"
    return _uses_slow(item)


def is_for_second_pass(item: pytest.Item) -> bool:
    """Whether `make test-full` runs a test again, on other instructions and with more examples of each property.

    OpenVINO, which opens the embedded language model, supports no processor as old as the second pass pretends.
    """
    property_test = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return (property_test or any(part in item.path.as_posix() for part in NUMBERS)) and not _names_large(item)


def _names_large(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    if not isinstance(function, types.FunctionType):
        return False
    return any(_is_large(value) for value in _references(function.__code__, function.__globals__))


def _is_large(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_is_large(each) for each in value)
    return isinstance(value, str) and LARGE.fullmatch(value) is not None


def _uses_slow(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    if function is None:
        return False
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    if any(_is_slow(value) for value in parameters):
        return True
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
    return any(_reaches(f) for f in (function, *(each.func for defined in fixtures for each in defined)))


def _is_slow(value: Any) -> bool:
    """Whether a value that a test refers to is a large model's name, or an engine of several processes."""
    if isinstance(value, tuple):
        return any(_is_slow(each) for each in value)
    return _is_large(value) or (type(value).__name__ in ("Ray", "Local") and getattr(value, "workers", 2) > 1)


_KNOWN: dict[types.CodeType, bool] = {}


def _reaches(function: Any) -> bool:
    """Whether the code of a function of this folder, or of what it calls there, reaches anything slow."""
    function = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    code = getattr(function, "__code__", None)
    if code is None or not code.co_filename.startswith(TESTS):
        return False
    if code not in _KNOWN:
        _KNOWN[code] = False  # a function that calls itself
        _KNOWN[code] = any(_slow_use(value) for value in _references(code, function.__globals__))
    return _KNOWN[code]


def _slow_use(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return _reaches(value) or (value.__module__ == "subprocess" and value.__name__ in PROCESSES)
    if isinstance(value, type):
        return value.__name__ == "Ray" or (value.__module__ == "subprocess" and value.__name__ in PROCESSES)
    return _is_slow(value)


def _references(code: types.CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """Constants of a function, the globals that it names, and the attributes that it may name of imported modules."""
    example = not Path(code.co_filename).name.startswith(("test_", "conftest"))  # of a page, whose names open nothing
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _references(constant, names)
        elif not example:
            yield constant
    values = [names[name] for name in code.co_names if name in names]
    modules = [value for value in values if isinstance(value, types.ModuleType)]
    yield from values
    yield from (vars(module)[name] for module in modules for name in code.co_names if name in vars(module))
