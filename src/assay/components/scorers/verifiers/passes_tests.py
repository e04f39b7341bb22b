"""Verification of Python code by tests."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from assay.components.scorers.verifiers.outcomes import SCALE, check_name, incorrect, missing_reference, quoted
from assay.components.scorers.verifiers.sandbox import Child, ChildEnded, Limits, plain
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.answers.code_blocks import blocks

MAX_PARALLEL = 8
"""Maximum number of answers run in parallel; also limited to two per processor core."""
GRACE = 5.0
"""Extra seconds for the tests after the time of the answer is over."""
LANGUAGES = ("python", "py", "python3", "")


@dataclass(frozen=True)
class PassesTests:
    """1 if the Python function in an answer passes every test of its sample, else 0; with `partial`, the fraction.

    The code is the last block of the answer that is marked python, or unmarked, and defines a function, else the whole
    answer. The tests are a field of the sample, in one of two forms:

    * pairs: a JSON list of [arguments, expected], as `[[[1, 2], 3], [[0, 0], 0]]`. The function is the one that the
      field `entry` names, else the last one that the answer defines. A tuple equals a list; floats are compared with a
      relative tolerance of 1e-9; true is not 1.
    * Python: every top-level `assert` is a test, and so is a top-level call, such as `check(add)`. Names that the tests
      use and do not define are functions of the answer.

    The answer runs in its own process, which never sees the tests: it gets arguments and returns values. The parent
    compares them, or for Python a second process, which has the tests and none of the code of the answer. So nothing
    that the answer prints, raises, overrides or exits makes a test pass. Values are plain (numbers, text, lists,
    tuples, sets, dicts, None) in both directions; changes of arguments in place are not seen. Only the standard library
    is available.

    Both processes have limits on CPU time, wall-clock time, memory, files and output, with their own folder and an
    empty environment, and end with all their children. Python's audit hook blocks the network, other processes and
    files elsewhere, and on Linux (x86-64, AArch64) the kernel blocks the first two as well. This protects against
    accidents and simple cheating. It is not a security sandbox: for untrusted code run assay in a container or a
    virtual machine. It needs Linux or macOS; macOS does not limit memory.

    A sample without tests, or with broken ones, is unscored.
    """

    tests: str = "tests"
    """Field of the tests."""
    entry: str = "entry"
    """Field of the function name; optional."""
    partial: bool = False
    cpu_seconds: int = 2
    """CPU time for all tests of an answer."""
    timeout: float = 8.0
    """Wall-clock seconds."""
    memory_mib: int = 256
    """MiB, including Python itself."""
    answer: str = "text"
    """Field of the answer."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = SCALE

    def __post_init__(self) -> None:
        check_name("PassesTests.tests", self.tests)
        check_name("PassesTests.answer", self.answer)
        if self.cpu_seconds < 1:
            raise ValueError(f"PassesTests.cpu_seconds must be at least 1, was {self.cpu_seconds}.")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise ValueError(f"PassesTests.timeout must be above 0, was {self.timeout}.")
        if self.memory_mib < 64:
            raise ValueError(
                f"PassesTests.memory_mib must be at least 64, which Python itself needs, was {self.memory_mib}."
            )

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        cases = [self._case(sample) for sample in samples]
        distinct = list(dict.fromkeys(case for case in cases if case is not None))
        with ThreadPoolExecutor(min(MAX_PARALLEL, 2 * (os.cpu_count() or 1))) as pool:
            outcomes = dict(zip(distinct, pool.map(self._run, distinct), strict=True))
        return [missing_reference(self.tests) if case is None else outcomes[case] for case in cases]

    def _case(self, sample: Sample) -> tuple[str, str, str] | None:
        """(code, tests, function name); None if there are no tests."""
        text = sample.text(self.answer)
        tests = sample.text(self.tests) if self.tests in sample.fields else ""
        entry = sample.text(self.entry).strip() if self.entry in sample.fields else ""
        return (code_of(text), tests, entry) if tests.strip() else None

    def _run(self, case: tuple[str, str, str]) -> Outcome:
        code, tests, entry = case
        try:
            pairs = pairs_of(tests)
        except ValueError as problem:
            return Unscored("not_applicable", f"{self.tests} cannot be read: {problem}.")
        if not code.strip():
            return incorrect("The answer is empty.")
        try:
            with tempfile.TemporaryDirectory(prefix="assay-", ignore_cleanup_errors=True) as folder:
                return self._run_tests(Path(folder), code, tests if pairs is None else pairs, entry)
        except BrokenTests as problem:
            return Unscored("not_applicable", f"{self.tests} cannot be used: {problem}.")
        except OSError as problem:
            return Unscored("failed", f"No process could be started: {problem}.")

    def _run_tests(self, folder: Path, code: str, tests: str | list[tuple[list[Any], Any]], entry: str) -> Outcome:
        limits, deadline = Limits(self.cpu_seconds, self.memory_mib << 20), time.monotonic() + self.timeout
        with Child("answer", limits, folder / "answer", deadline) as child:
            if reason := _load(child, code):
                return incorrect(f"The answer does not load: {reason}.")
            if not isinstance(tests, str):
                return self._score([_try_pair(child, entry, *pair) for pair in tests])
            # The tests need time to report an answer that used up all of its time.
            with Child("tests", limits, folder / "tests", deadline + GRACE) as examiner:
                return self._score(run_python_tests(examiner, child, tests, entry))

    def _score(self, failures: Sequence[str]) -> Score:
        passed, count = failures.count(""), len(failures)
        value = passed / count if self.partial else float(passed == count)
        evidence = {"passed": float(passed), "tests": float(count)}
        if passed == count:
            return Score(value, f"It passes {count} of {count} tests.", evidence)
        first = next(failure for failure in failures if failure)
        return Score(value, f"It passes {passed} of {count} tests; {quoted(first)}", evidence)


class BrokenTests(Exception):
    """The tests of a sample are unusable."""


def code_of(text: str) -> str:
    """Python code of an answer."""
    candidates = [block for block in blocks(text) if block.language in LANGUAGES]
    defining = [block for block in candidates if "def " in block.text]
    return (defining or candidates)[-1].text if candidates else text


def pairs_of(text: str) -> list[tuple[list[Any], Any]] | None:
    """Parse tests that are pairs of arguments and expected value; None if they are Python.

    Raises:
        ValueError: They are JSON, but not such pairs.
    """
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, list) or not content:
        raise ValueError("it is no list of [arguments, expected]")
    for pair in content:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], list):
            raise ValueError(f"{quoted(json.dumps(pair))} is not [arguments, expected]")
    return [(arguments, expected) for arguments, expected in content]


def same(actual: Any, expected: Any) -> bool:
    """Whether a plain value equals an expected JSON value."""
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, float) or isinstance(expected, float):
        return _near(actual, expected)
    if isinstance(expected, list):
        return isinstance(actual, list | tuple) and len(actual) == len(expected) and all(map(same, actual, expected))
    if isinstance(expected, Mapping):
        return (
            isinstance(actual, Mapping)
            and actual.keys() == expected.keys()
            and all(same(actual[name], value) for name, value in expected.items())
        )
    return type(actual) is type(expected) and actual == expected


def run_python_tests(examiner: Child, child: Child, tests: str, entry: str) -> list[str]:
    """Failure of each test; "" if it passes.

    Raises:
        BrokenTests: There is no test, or they fail without calling the answer.
    """
    lost = ""
    message: tuple[object, ...] = (tests, [entry] if entry.isidentifier() else [])
    while True:
        try:
            kind, *parts = examiner.ask(*message)
        except ChildEnded as problem:
            raise BrokenTests(problem) from problem
        if kind == "broken":
            raise BrokenTests(quoted(parts[0]))
        if kind == "done":
            break
        lost, message = _call(child, parts, lost)
    failures: list[str] = plain(parts[0])
    if not failures:
        raise BrokenTests("there is no assert in them")
    return [lost if failure and lost else failure for failure in failures]


def _call(child: Child, call: Sequence[Any], lost: str) -> tuple[str, tuple[object, ...]]:
    """Why the answer's process ended, or ""; and the result of its function, as a message to the tests."""
    name, arguments, named = call[0], plain(call[1]), plain(call[2])
    if not lost:
        try:
            kind, *parts = child.ask(name, arguments, named)
            return "", ("value", plain(parts[0]), "") if kind == "value" else ("raised", *map(str, parts))
        except (ChildEnded, ValueError) as problem:
            lost = str(problem)
    return lost, ("raised", "Lost", lost)


def _load(child: Child, code: str) -> str:
    """Load an answer; why it does not load, or ""."""
    try:
        kind, *parts = child.ask(code)
    except ChildEnded as problem:
        return str(problem)
    return "" if kind == "value" else ": ".join(quoted(part) for part in parts if part)


def _try_pair(child: Child, entry: str, arguments: list[Any], expected: Any) -> str:
    """Failure of a pair; "" if it passes."""
    call = f"for {quoted(json.dumps(arguments)[1:-1])} it "
    try:
        kind, *parts = child.ask(entry, arguments, {})
        actual = plain(parts[0]) if kind == "value" else None
        if kind != "value":
            return f"{call}raised {': '.join(quoted(part) for part in parts if part)}"
        return "" if same(actual, expected) else f"{call}gave {quoted(repr(actual))}, not {quoted(repr(expected))}"
    except (ChildEnded, ValueError, RecursionError) as problem:
        return f"{call}gave nothing: {problem}"


def _near(actual: Any, expected: Any) -> bool:
    numbers = all(type(number) in (int, float) for number in (actual, expected))
    try:
        return numbers and (actual == expected or math.isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12))
    except OverflowError:
        return False
