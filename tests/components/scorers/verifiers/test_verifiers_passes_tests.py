"""PassesTests, and attacks on its sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.components.scorers.verifiers import passes_tests, sandbox
from assay.components.scorers.verifiers.passes_tests import PassesTests, code_of, same
from assay.components.scorers.verifiers.sandbox import plain
from assay.components.scorers.verifiers.sandbox_child import as_json
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from labs import tiny_lab

PAIRS = "[[[1, 2], 3], [[0, 0], 0], [[-1, 1], 0]]"
ASSERTS = "assert add(1, 2) == 3\nassert add(0, 0) == 0\nassert add(-1, 1) == 0"
RIGHT = "def add(a, b):\n    return a + b\n"


def outcome(text: str, tests: str = PAIRS, verifier: PassesTests | None = None, **fields: str) -> Outcome:
    sample = Sample({"text": text, "tests": tests, **fields})
    return next(iter((verifier or PassesTests()).score([sample], tiny_lab())))


def value(text: str, tests: str = PAIRS, verifier: PassesTests | None = None, **fields: str) -> float:
    result = outcome(text, tests, verifier, **fields)
    assert isinstance(result, Score), result
    return result.value


def reason(result: Outcome) -> str:
    assert isinstance(result, Score | Unscored)
    return result.reason


@pytest.mark.parametrize("tests", [PAIRS, ASSERTS])
def test_right_code_passes_and_wrong_code_does_not(tests: str) -> None:
    assert value(RIGHT, tests) == 1.0
    assert value(f"Here it is:\n```python\n{RIGHT}```\nIt adds.", tests) == 1.0
    assert value(RIGHT.replace("+", "-"), tests) == 0.0
    assert value("def add(a, b):\n    return 3", tests, PassesTests(partial=True)) == pytest.approx(1 / 3)
    assert value("I cannot do that.", tests) == 0.0
    assert value("", tests) == 0.0
    assert value("def add(a, b)\n    return a + b", tests) == 0.0


def test_reason_is_the_first_failure() -> None:
    assert "for 1, 2 it gave -1, not 3" in reason(outcome(RIGHT.replace("+", "-")))
    assert "for 1, 2 it raised ValueError: no" in reason(outcome("def add(a, b): raise ValueError('no')"))
    assert "assert add(1, 2) == 3 (AssertionError)" in reason(outcome(RIGHT.replace("+", "-"), ASSERTS))
    assert re.search(r"\badd\b", reason(outcome("def sub(a, b): return 0", ASSERTS)))
    assert "SyntaxError" in reason(outcome("def add(:"))


def test_function_is_the_entry_or_the_last() -> None:
    two = "def add(a, b):\n    return a + b\ndef show(a, b):\n    return 'x'\n"
    assert value(two) == 0.0
    assert value(two, entry="add") == 1.0
    assert value(two, entry="nothing") == 0.0
    assert value("import math\nfrom functools import reduce\n" + RIGHT) == 1.0
    assert value(RIGHT + "if __name__ == '__main__':\n    add()") == 1.0


def test_values_are_compared_as_json() -> None:
    give = "def f(nth):\n    return [(1, 2), {'a': [None, True]}, 1.0000000000001, 1, 10 ** 30, 'é', {1: 2}, {1}][nth]"
    expected = ("[1, 2]", '{"a": [null, true]}', "1.0", "1.0", "1" + "0" * 30, '"é"', '{"1": 2}', "[1]")
    held = [value(give, f"[[[{nth}], {literal}]]") for nth, literal in enumerate(expected)]
    assert held == [1.0] * 6 + [0.0] * 2
    assert value("def f(): return True", "[[[], 1]]") == value("def f(): return 1", "[[[], true]]") == 0.0
    assert not same(float("nan"), 1.0)
    assert not same(10**400, 1.0)


def test_python_tests() -> None:
    root = "def root(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x ** 0.5"
    tests = """
import math
exact = {4: 2.0, 9: 3.0}
for_all = [4, 9]
assert all(root(x) == exact[x] for x in for_all)
assert math.isclose(root(2), 1.41421356, rel_tol=1e-6)
def refuses(x):
    try:
        root(x)
    except ValueError as error:
        assert 'negative' in str(error)
        return
    assert False
refuses(-1)
assert root(x=16) == 4
"""
    result = outcome(root, tests)
    assert isinstance(result, Score)
    assert (result.value, result.evidence["tests"]) == (1.0, 4.0)
    assert value("def root(x):\n    return x ** 0.5", tests, PassesTests(partial=True)) == 0.75
    sets = "assert g() == {1: (2, {3}), b'x': [1j]}"
    assert value("def g():\n    return {1: (2, {3}), b'x': [1j]}", sets) == 1.0
    assert (
        value("from collections import Counter\ndef g(t):\n    return Counter(t)", "assert g('aab')['a'] == 2") == 1.0
    )


ALWAYS_EQUAL = "class Any:\n    def __eq__(self, other): return True\n    def __bool__(self): return True\n"
CHEATS = {
    "prints a mark": "print('passed'); print('[\"x\",\"value\",3]')\ndef add(a, b): return None",
    "exits well": "import sys\ndef add(a, b): sys.exit(0)",
    "exits well as it loads": "import sys\nsys.exit(0)",
    "leaves the process": "import os\ndef add(a, b): os._exit(0)",
    "leaves the process as it loads": "import os\nos._exit(0)",
    "raises SystemExit": "def add(a, b): raise SystemExit(0)",
    "is equal to everything": ALWAYS_EQUAL + "def add(a, b): return Any()",
    "is a number equal to everything": "class Any(int):\n    def __eq__(self, other): return True\n"
    "    def __hash__(self): return 0\ndef add(a, b): return Any(7)",
    "holds what is equal to everything": ALWAYS_EQUAL + "def add(a, b): return [Any()]",
    "changes builtins": "import builtins\nbuiltins.AssertionError = Exception\nbuiltins.all = lambda x: True\n"
    "builtins.isinstance = lambda *a: True\nbuiltins.type = lambda x: int\ndef add(a, b): return 'x'",
    "changes json": "import json\njson.loads = lambda *a, **k: [3]\njson.dumps = lambda *a, **k: '3'\n"
    "def add(a, b): return 'x'",
    "speaks on the channel beforehand": "import os\nfor fd in range(16):\n"
    "    try: os.write(fd, b'[0, 0, 3]\\n')\n    except OSError: pass\ndef add(a, b): return 'x'",
    "closes the channel": "import os\nos.closerange(0, 16)\ndef add(a, b): return 3",
    "looks for the tests in the frames": "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
    "        for held in (frame.f_locals, frame.f_globals):\n"
    "            for name, one in list(held.items()):\n"
    "                if '1, 2) =' + '= 3' in str(one) or '[[[1, 2]' + ', 3]' in str(one): return 3 if a == 1 else 0\n"
    "        frame = frame.f_back",
    "looks for the tests in files": "import os\ndef add(a, b):\n    for at in ('.', '..', '../tests', '/proc/self'):\n"
    "        for name in os.listdir(at):\n"
    "            try: text = open(os.path.join(at, name)).read()\n"
    "            except Exception: continue\n            if '1, 2) =' + '= 3' in text: return 3 if a == 1 else 0\n",
    "looks into its parent": "import os\ndef add(a, b):\n    open(f'/proc/{os.getppid()}/mem', 'rb')\n    return 3",
    "ends its parent": "import os, signal\ndef add(a, b):\n    os.kill(os.getppid(), signal.SIGKILL)\n    return 3",
    "asks by a thread that stays": "import threading\nthreading.Thread(target=print).start()\n" + RIGHT,
    "gives a generator": "def add(a, b):\n    yield a + b",
}


@pytest.mark.parametrize("tests", [PAIRS, ASSERTS], ids=["pairs", "asserts"])
@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
def test_no_cheat_makes_a_test_pass(cheat: str, tests: str) -> None:
    assert value(cheat, tests) == 0.0


GREEDY = {
    "hangs": ("def add(a, b):\n    while True: pass", "1 s of the processor"),
    "hangs as it loads": ("while True: pass", "1 s of the processor"),
    "sleeps": ("import time\ndef add(a, b): time.sleep(60)", "did not end in time"),
    "will not be stopped": (
        "import signal\nfor nth in range(1, 30):\n    try: signal.signal(nth, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ndef add(a, b):\n    while True: pass",
        "",
    ),
    "allocates": ("def add(a, b):\n    return len(bytearray(10 ** 10))", "MemoryError"),
    "grows": ("def add(a, b):\n    held = []\n    while True: held.append('x' * 10 ** 6)", ""),
    "recurses": ("def add(a, b): return add(a, b)", "RecursionError"),
    "recurses without a limit": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef add(a, b):\n    return [add(a, b)]",
        "",
    ),
    "forks": ("import os\ndef add(a, b):\n    while True: os.fork()", "PermissionError"),
    "starts programs": ("import os\ndef add(a, b):\n    os.system('true')\n    return a + b", "PermissionError"),
    "prints gigabytes": ("def add(a, b):\n    while True: print('x' * 10 ** 6)", ""),
    "gives gigabytes": ("def add(a, b): return 'x' * 10 ** 7", "more than 256 KiB"),
    "gives a knot": ("def add(a, b):\n    knot = []\n    knot.append(knot)\n    return knot", "RecursionError"),
    "gives depth": ("def add(a, b):\n    deep = []\n    for _ in range(400): deep = [deep]\n    return deep", ""),
    "fills the disk": ("def add(a, b):\n    open('x', 'w').write('x' * 10 ** 8)\n    return 3", ""),
    "speaks without an end": ("import os\ndef add(a, b):\n    while True: os.write(4, b'x' * 10 ** 5)", ""),
}


@pytest.mark.parametrize("greed", GREEDY.values(), ids=GREEDY.keys())
def test_resource_limits_do_not_affect_the_next_answer(greed: tuple[str, str]) -> None:
    text, why = greed
    samples = [Sample({"text": answer, "tests": PAIRS}, nth=nth) for nth, answer in enumerate((text, RIGHT, text))]
    seconds = 20.0 if "processor" in why else 4.0
    first, second, third = PassesTests(cpu_seconds=1, timeout=seconds).score(samples, tiny_lab())
    assert isinstance(first, Score)
    assert first.value == 0.0
    assert why in first.reason
    assert isinstance(second, Score)
    assert second.value == 1.0
    assert isinstance(third, Score)


FENCED = {
    "a file elsewhere": "open('/etc/passwd').read()",
    "a file elsewhere by os": "os.open('/etc/passwd', 0)",
    "a file above": "open('../other', 'w')",
    "a file of the library for writing": "open(os.__file__, 'a')",
    "removing elsewhere": "os.remove('/tmp/assay-nothing')",
    "a link elsewhere": "os.symlink('/etc', 'etc')",
    "a network": "__import__('socket').socket()",
    "a web page": "__import__('urllib.request').request.urlopen('http://127.0.0.1:9')",
    "a program": "__import__('subprocess').run(['true'])",
    "a program by exec": "os.execv('/bin/true', ['true'])",
    "C": "__import__('ctypes').CDLL(None)",
    "other limits": "__import__('resource').setrlimit(0, (99, 99))",
    "all objects": "__import__('gc').get_objects()",
    "an environment": "os.environ['PATH']",
}


@pytest.mark.parametrize("want", FENCED.values(), ids=FENCED.keys())
def test_sandbox_denies_access(want: str) -> None:
    result = outcome(f"import os\ndef f():\n    {want}\n    return 1", "[[[], 1]]")
    assert isinstance(result, Score)
    assert result.value == 0.0
    assert "PermissionError" in result.reason or "KeyError" in result.reason


def test_sandbox_allows_the_standard_library() -> None:
    modules = "math re collections itertools functools heapq bisect string random json datetime decimal fractions"
    more = (
        "statistics typing dataclasses operator copy textwrap hashlib collections.abc enum abc array struct os sys io"
    )
    assert value(f"import {', '.join(f'{modules} {more}'.split())}\n" + RIGHT) == 1.0
    write = "def f():\n    with open('own', 'w') as file: file.write('x')\n    return open('own').read()"
    assert value(write, '[[[], "x"]]') == 1.0


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"), reason="no such filter")
def test_system_call_filter_denies_sockets_and_processes() -> None:
    """The system call filter alone, without Python's audit hook."""
    code = """
import sys, socket, os, subprocess
sys.path.insert(0, sys.argv[1])
import sandbox_limits
assert sandbox_limits.filter_calls()
for call in (socket.socket, os.fork, lambda: os.kill(os.getppid(), 0), lambda: subprocess.run(["true"])):
    try:
        call()
    except PermissionError:
        continue
    sys.exit(f"{call} was let through")
"""
    folder = Path(sandbox.__file__).parent
    process = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def test_no_files_or_processes_remain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    texts = [RIGHT, GREEDY["sleeps"][0], "import os\nos.mkdir('a')\nos.chmod('a', 0)\n" + RIGHT]
    samples = [Sample({"text": text, "tests": PAIRS}) for text in texts]
    PassesTests(cpu_seconds=1, timeout=1.0).score(samples, tiny_lab())
    assert list(tmp_path.iterdir()) == []
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(sandbox.PROGRAM) not in listed


BROKEN_TESTS = {
    "": "missing or empty",
    " ": "missing or empty",
    "[]": "no list",
    "[[1, 2]]": "is not [arguments, expected]",
    "[1": "cannot be read",
    "{}": "no list",
    "assert": "SyntaxError",
    "x = 3": "no assert",
    "import nothing_of_this_name\nassert add(1, 2) == 3": "ModuleNotFoundError",
    "while True: pass": "1 s of the processor",
    "assert add(lambda x: x, 1) == 1": "no plain value",
    "[" * 5000: "nested too deeply",
}


@pytest.mark.parametrize("tests", BROKEN_TESTS, ids=repr)
def test_broken_tests_are_unscored(tests: str) -> None:
    result = outcome(RIGHT, tests, PassesTests(cpu_seconds=1))
    assert isinstance(result, Unscored)
    assert result.cause == "not_applicable"
    assert BROKEN_TESTS[tests] in result.reason


def test_sleeping_answer_fails_python_tests() -> None:
    result = outcome("import time\ndef add(a, b): time.sleep(60)", ASSERTS, PassesTests(timeout=1.0))
    assert isinstance(result, Score)
    assert result.value == 0.0
    assert re.search(r"\bin time\b", result.reason)


def test_process_that_cannot_start_is_unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = outcome(RIGHT)
    assert isinstance(result, Unscored)
    assert result.cause == "failed"


def test_equal_answers_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    roles: list[sandbox.Role] = []

    class CountedChild(sandbox.Child):
        def __init__(self, role: sandbox.Role, *arguments: Any) -> None:
            roles.append(role)
            super().__init__(role, *arguments)

    monkeypatch.setattr(passes_tests, "Child", CountedChild)
    samples = [Sample({"text": RIGHT, "tests": PAIRS}, nth=nth) for nth in range(200)]
    results = PassesTests().score(samples, tiny_lab())
    assert [result.value for result in results if isinstance(result, Score)] == [1.0] * 200
    assert roles == ["answer"]
    assert list(PassesTests().score([], tiny_lab())) == []


def test_the_code_of_an_answer() -> None:
    assert code_of(RIGHT) == RIGHT
    assert code_of("```\nx = 1\n```\n```python\ndef f(): pass\n```\n```python\nprint(f())\n```") == "def f(): pass\n"
    assert code_of("```js\nfunction\n```\n```py\nx = 1\n```") == "x = 1\n"
    assert code_of("```python\ndef f():\n    return 1") == "def f():\n    return 1"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.integers() | st.text(), inner)
        | st.frozensets(st.integers() | st.text()).map(set)
    ),
    max_leaves=10,
)


def alike(first: object, second: object) -> bool:
    """Recursive equality of values and types; NaN equals NaN, and sets are unordered."""
    if type(first) is not type(second):
        return False
    if isinstance(first, (list, tuple)):
        assert isinstance(second, (list, tuple))
        return len(first) == len(second) and all(map(alike, first, second))
    if isinstance(first, dict):
        assert isinstance(second, dict)
        return list(first) == list(second) and all(alike(value, second[name]) for name, value in first.items())
    return first == second or repr(first) == repr(second)


@given(content=VALUES)
@example(content=[float("nan"), {-1, 0, 1, 2, 14}])
def test_values_survive_encoding(content: object) -> None:
    assert alike(plain(json.loads(as_json(content))), content)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from("ltsdbifc"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(content=ANY_JSON)
def test_plain_decodes_or_raises(content: object) -> None:
    try:
        result = plain(content)
    except ValueError:
        return
    assert same(result, result) in (True, False)


@given(text=st.text(max_size=40), tests=st.sampled_from([PAIRS, ASSERTS]) | st.text(max_size=40))
def test_any_answer_and_tests_have_an_outcome(text: str, tests: str) -> None:
    result = outcome(text, tests, PassesTests(cpu_seconds=1, timeout=2.0))
    assert isinstance(result, Unscored) or (isinstance(result, Score) and PassesTests.scale.holds(result.value))


@pytest.mark.parametrize(
    "wrong", [{"tests": ""}, {"cpu_seconds": 0}, {"timeout": 0}, {"memory_mib": 1}, {"answer": ""}], ids=repr
)
def test_invalid_arguments_raise(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"PassesTests\.{next(iter(wrong))} must"):
        PassesTests(**wrong)  # type: ignore[arg-type]
