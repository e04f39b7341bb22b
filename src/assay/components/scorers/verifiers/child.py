"""What runs in a process of its own: an answer's code in one, the tests that call it in another, both behind a fence.

    python -s -S -B child.py answer|tests PROCESSOR_SECONDS MEMORY_BYTES

It imports as little as it can, for it is started anew for each answer: from the standard library alone, and never the
rest of assay. Its standard input and output are the channel to the parent; code that runs here finds both empty. A
message to it is 8 bytes of length and `marshal`, for the parent is trusted; a message from it is a line of JSON, for it
is not. Each begins with the word that the parent gave for this one question, so that nothing can be said beforehand.

Values are JSON, or a tag and what it holds: t tuple, l list, s set, d dict as pairs, b bytes, i integer, f float that
is no number, c complex. They are plain values whatever a class of the answer's made of `__eq__`.
"""

from __future__ import annotations

import builtins
import marshal
import sys
from _json import encode_basestring_ascii as quoted
from posix import dup, dup2, getcwd, read, write
from posix import open as open_file

TYPE_CHECKING = False  # the module typing takes longer to import than all of these
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import Any

if __name__ == "__main__":  # a program's own folder is looked in first
    from fence import filter_calls, guard, limit  # type: ignore[import-not-found]
else:
    from assay.components.scorers.verifiers.fence import filter_calls, guard, limit

SMALL = 1 << 63
TREE_ONLY = 0x400
"""PyCF_ONLY_AST: parse, do not compile."""


def as_json(value: object) -> str:
    """A value as a line of JSON; TypeError where it is not plain."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    for kind, written in WRITTEN:
        if isinstance(value, kind):
            return written(value)
    raise TypeError(f"a value of type {type(value).__name__} is no plain value")


def _integer(value: int) -> str:
    return int.__repr__(value) if -SMALL < value < SMALL else f'["i","{int.__format__(value, "x")}"]'


def _float(value: float) -> str:
    return float.__repr__(value) if value - value == 0 else f'["f","{float.__repr__(value)}"]'


def _several(tag: str) -> Callable[[Any], str]:
    return lambda value: f'["{tag}",[{",".join([as_json(one) for one in value])}]]'


def _pairs(value: dict[Any, Any]) -> str:
    return f'["d",[{",".join([f"[{as_json(name)},{as_json(one)}]" for name, one in dict.items(value)])}]]'


WRITTEN: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (int, _integer),
    (float, _float),
    (str, lambda value: quoted(str.__str__(value))),
    (list, _several("l")),
    (tuple, _several("t")),
    (dict, _pairs),
    ((set, frozenset), _several("s")),
    ((bytes, bytearray), lambda value: f'["b","{value.hex()}"]'),
    (complex, lambda value: f'["c",{as_json(value.real)},{as_json(value.imag)}]'),
)


def told(error: BaseException) -> str:
    """What an exception says, bounded."""
    try:
        return str(error)[:200]
    except BaseException:  # whatever its __str__ does
        return ""


class Channel:
    """Questions from the parent, and answers to them."""

    def __init__(self, receive: int, send: int) -> None:
        self.receive, self.send, self.word = receive, send, ""

    def ask(self) -> list[Any]:
        """The next message, without its word."""
        size = int.from_bytes(self.get(8), "big")
        word, *message = marshal.loads(self.get(size))
        self.word = word
        return list(message)

    def get(self, size: int) -> bytes:
        """The next `size` bytes; the process ends where the parent has gone."""
        found = b""
        while len(found) < size:
            found += read(self.receive, size - len(found)) or sys.exit(0)
        return found

    def say(self, *parts: str) -> None:
        """`parts` are JSON already."""
        line = memoryview(f"[{quoted(self.word)},{','.join(parts)}]\n".encode("ascii"))
        while line:
            line = line[write(self.send, line) :]


def answer(channel: Channel) -> None:
    """Loads the code of an answer, and calls its functions with what it is given."""
    (code,) = channel.ask()
    names: dict[str, Any] = {"__name__": "answer", "__builtins__": builtins}
    try:
        exec(compile(code, "answer", "exec"), names)
    except BaseException as error:  # SystemExit too: code that ends itself has not loaded
        channel.say('"raised"', quoted(type(error).__name__), quoted(told(error)))
        return
    channel.say('"value"', "null")
    own = type(answer)
    while True:
        name, args, named = channel.ask()
        called: Any
        try:
            called = names[name] if name else [one for one in names.values() if type(one) is own][-1]
        except (KeyError, IndexError):
            channel.say('"raised"', '"NameError"', quoted(f"there is no function {name}".strip()))
            continue
        try:
            channel.say('"value"', as_json(called(*args, **named)))
        except BaseException as error:
            channel.say('"raised"', quoted(type(error).__name__), quoted(told(error)))


class Broken(Exception):
    """The answer's function raised what is no exception of Python's own."""


class Unsuited(BaseException):
    """The tests ask for what cannot be asked; no `except Exception` of theirs hides it."""


class Called:
    """Stands for a function of the answer in the tests, and calls it over there."""

    count = 0

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel, self.name = channel, name

    def __call__(self, *args: object, **named: object) -> object:
        Called.count += 1
        try:
            given = as_json(args), as_json(named)
        except (TypeError, RecursionError) as error:
            raise Unsuited(f"{self.name} is given {error}") from error
        self.channel.say('"call"', quoted(self.name), *given)
        kind, value, said = self.channel.ask()
        if kind == "value":
            return value
        known: Any = getattr(builtins, value, None)
        ours = isinstance(known, type) and issubclass(known, Exception)
        raise known(said) if ours and known is not AssertionError else Broken(f"it raised {value}: {said}")


def tests(channel: Channel) -> None:
    """Runs the tests: each `assert` of the outermost level, and each call that stands alone, is one."""
    text, own = channel.ask()
    tree = compile(text, "tests", "exec", TREE_ONLY)
    names = {"__name__": "tests", **{name: Called(channel, name) for name in (*unbound(tree), *own)}}
    results: list[str] = []
    for part in tree.body:
        kind = type(part).__name__
        counts = kind == "Assert" or (kind == "Expr" and type(part.value).__name__ == "Call")
        before = Called.count
        try:
            tree.body = [part]
            exec(compile(tree, "tests", "exec"), names)
            said = ""
        except Exception as error:
            if Called.count == before and not (counts and isinstance(error, AssertionError)) and not any(results):
                raise  # the tests themselves are broken
            said = f"{type(error).__name__}: {told(error)}".removesuffix(": ")
            said = f"{' '.join(text.splitlines()[part.lineno - 1].split())[:120]} ({said})"
        if counts or said:
            results.append(said)
    channel.say('"done"', as_json(results))
    channel.ask()


def unbound(tree: ast.Module) -> list[str]:
    """The names that a program uses, and neither binds nor finds in Python: functions of the answer."""
    used: set[str] = set()
    todo: list[Any] = [tree]
    bound = set(dir(builtins))
    while todo:
        node = todo.pop()
        for field in getattr(node, "_fields", ()):
            value = getattr(node, field, None)
            todo += [one for one in (value if isinstance(value, list) else [value]) if hasattr(one, "_fields")]
        kind = type(node).__name__
        if kind == "Name":
            (used if type(node.ctx).__name__ == "Load" else bound).add(node.id)
        elif kind == "alias":
            bound.add((node.asname or node.name).partition(".")[0])
        elif kind == "arg":
            bound.add(node.arg)
        elif kind in ("FunctionDef", "ClassDef", "ExceptHandler"):
            bound.add(node.name)
    return sorted(used - bound)


def main() -> None:
    """Fences itself in and serves its parent until the parent goes."""
    role, processor, memory = sys.argv[1:]
    channel = Channel(dup(0), dup(1))
    nothing = open_file("/dev/null", 2)
    for number in (0, 1, 2):
        dup2(nothing, number)
    limit(int(processor), int(memory))
    filter_calls()
    del sys.argv[:]
    guard(getcwd())
    if role == "answer":
        answer(channel)
        return
    try:
        tests(channel)
    except BaseException as error:
        channel.say('"broken"', quoted(f"{type(error).__name__}: {told(error)}"))


if __name__ == "__main__":
    del sys.path[0]
    main()
