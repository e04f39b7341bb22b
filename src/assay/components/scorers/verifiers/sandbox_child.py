"""Child process of `PassesTests`: runs the code of an answer, or the tests that call it, with restrictions.

    python -s -S -B sandbox_child.py answer|tests CPU_SECONDS MEMORY_BYTES

It starts for each answer, so it imports little: only the standard library, and nothing else of assay. Its standard
input and output are the channel to the parent; code that runs here finds both empty. A message to it is 8 bytes of
length and `marshal` data, as the parent is trusted; a message from it is a line of JSON, as the child is not. Each
starts with a token that the parent chose for this request, so that a response cannot be forged in advance.

Values are JSON, or a tag and a content: t tuple, l list, s set, d dict as pairs, b bytes, i integer, f float that is
not finite, c complex. They are plain values, even if the answer defines classes with their own `__eq__`.
"""

from __future__ import annotations

import builtins
import marshal
import sys
from _json import encode_basestring_ascii as quoted
from posix import dup, dup2, getcwd, read, write
from posix import open as open_file

TYPE_CHECKING = False  # importing typing takes longer than all of these
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import Any

if __name__ == "__main__":  # the program's own folder is first in the path
    from sandbox_limits import filter_calls, guard, limit  # type: ignore[import-not-found]
else:
    from assay.components.scorers.verifiers.sandbox_limits import filter_calls, guard, limit

SMALL = 1 << 63
TREE_ONLY = 0x400
"""PyCF_ONLY_AST: parse, do not compile."""


def as_json(value: object) -> str:
    """Encode a value as JSON on one line; TypeError if it is not plain."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    for kind, encode in ENCODERS:
        if isinstance(value, kind):
            return encode(value)
    raise TypeError(f"a value of type {type(value).__name__} is no plain value")


def _integer(value: int) -> str:
    return int.__repr__(value) if -SMALL < value < SMALL else f'["i","{int.__format__(value, "x")}"]'


def _float(value: float) -> str:
    return float.__repr__(value) if value - value == 0 else f'["f","{float.__repr__(value)}"]'


def _sequence(tag: str) -> Callable[[Any], str]:
    return lambda value: f'["{tag}",[{",".join([as_json(item) for item in value])}]]'


def _pairs(value: dict[Any, Any]) -> str:
    return f'["d",[{",".join([f"[{as_json(name)},{as_json(item)}]" for name, item in dict.items(value)])}]]'


ENCODERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (int, _integer),
    (float, _float),
    (str, lambda value: quoted(str.__str__(value))),
    (list, _sequence("l")),
    (tuple, _sequence("t")),
    (dict, _pairs),
    ((set, frozenset), _sequence("s")),
    ((bytes, bytearray), lambda value: f'["b","{value.hex()}"]'),
    (complex, lambda value: f'["c",{as_json(value.real)},{as_json(value.imag)}]'),
)


def message_of(error: BaseException) -> str:
    """Message of an exception, truncated."""
    try:
        return str(error)[:200]
    except BaseException:  # of its __str__
        return ""


class Channel:
    """Requests of the parent, and responses to them."""

    def __init__(self, receive: int, send: int) -> None:
        self.receive, self.send, self.token = receive, send, ""

    def ask(self) -> list[Any]:
        """Return the next message, without its token."""
        size = int.from_bytes(self.get(8), "big")
        token, *message = marshal.loads(self.get(size))
        self.token = token
        return list(message)

    def get(self, size: int) -> bytes:
        """Return the next `size` bytes; exit if the parent has ended."""
        data = b""
        while len(data) < size:
            data += read(self.receive, size - len(data)) or sys.exit(0)
        return data

    def say(self, *parts: str) -> None:
        """Send a response; `parts` are JSON."""
        line = memoryview(f"[{quoted(self.token)},{','.join(parts)}]\n".encode("ascii"))
        while line:
            line = line[write(self.send, line) :]


def answer(channel: Channel) -> None:
    """Load the code of an answer, and call its functions on request."""
    (code,) = channel.ask()
    names: dict[str, Any] = {"__name__": "answer", "__builtins__": builtins}
    try:
        exec(compile(code, "answer", "exec"), names)
    except BaseException as error:  # SystemExit, too: code that exits has not loaded
        channel.say('"raised"', quoted(type(error).__name__), quoted(message_of(error)))
        return
    channel.say('"value"', "null")
    function_type = type(answer)
    while True:
        name, args, named = channel.ask()
        function: Any
        try:
            function = names[name] if name else [value for value in names.values() if type(value) is function_type][-1]
        except (KeyError, IndexError):
            channel.say('"raised"', '"NameError"', quoted(f"there is no function {name}".strip()))
            continue
        try:
            channel.say('"value"', as_json(function(*args, **named)))
        except BaseException as error:
            channel.say('"raised"', quoted(type(error).__name__), quoted(message_of(error)))


class Broken(Exception):
    """The answer's function raised an exception that is not built in."""


class Unsuited(BaseException):
    """The tests pass a value that cannot be sent; not an Exception, so that the tests do not catch it."""


class RemoteFunction:
    """Proxy in the tests for a function of the answer, which runs in the other process."""

    count = 0

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel, self.name = channel, name

    def __call__(self, *args: object, **named: object) -> object:
        RemoteFunction.count += 1
        try:
            arguments = as_json(args), as_json(named)
        except (TypeError, RecursionError) as error:
            raise Unsuited(f"{self.name} is given {error}") from error
        self.channel.say('"call"', quoted(self.name), *arguments)
        kind, value, message = self.channel.ask()
        if kind == "value":
            return value
        cls: Any = getattr(builtins, value, None)
        builtin = isinstance(cls, type) and issubclass(cls, Exception)
        raise cls(message) if builtin and cls is not AssertionError else Broken(f"it raised {value}: {message}")


def tests(channel: Channel) -> None:
    """Run the tests: each top-level `assert` and each top-level call is a test."""
    text, entries = channel.ask()
    tree = compile(text, "tests", "exec", TREE_ONLY)
    names = {"__name__": "tests", **{name: RemoteFunction(channel, name) for name in (*unbound(tree), *entries)}}
    results: list[str] = []
    for part in tree.body:
        kind = type(part).__name__
        counts = kind == "Assert" or (kind == "Expr" and type(part.value).__name__ == "Call")
        before = RemoteFunction.count
        try:
            tree.body = [part]
            exec(compile(tree, "tests", "exec"), names)
            failure = ""
        except Exception as error:
            if (
                RemoteFunction.count == before
                and not (counts and isinstance(error, AssertionError))
                and not any(results)
            ):
                raise  # the tests themselves are broken
            failure = f"{type(error).__name__}: {message_of(error)}".removesuffix(": ")
            failure = f"{' '.join(text.splitlines()[part.lineno - 1].split())[:120]} ({failure})"
        if counts or failure:
            results.append(failure)
    channel.say('"done"', as_json(results))
    channel.ask()


def unbound(tree: ast.Module) -> list[str]:
    """Names that a program uses but neither binds nor has as built-ins: functions of the answer."""
    loaded_names: set[str] = set()
    todo: list[Any] = [tree]
    bound_names = set(dir(builtins))
    while todo:
        node = todo.pop()
        for field in getattr(node, "_fields", ()):
            value = getattr(node, field, None)
            todo += [child for child in (value if isinstance(value, list) else [value]) if hasattr(child, "_fields")]
        kind = type(node).__name__
        if kind == "Name":
            (loaded_names if type(node.ctx).__name__ == "Load" else bound_names).add(node.id)
        elif kind == "alias":
            bound_names.add((node.asname or node.name).partition(".")[0])
        elif kind == "arg":
            bound_names.add(node.arg)
        elif kind in ("FunctionDef", "ClassDef", "ExceptHandler"):
            bound_names.add(node.name)
    return sorted(loaded_names - bound_names)


def main() -> None:
    """Apply the restrictions, and serve the parent until it ends."""
    role, cpu_seconds, memory = sys.argv[1:]
    channel = Channel(dup(0), dup(1))
    nothing = open_file("/dev/null", 2)
    for number in (0, 1, 2):
        dup2(nothing, number)
    limit(int(cpu_seconds), int(memory))
    filter_calls()
    del sys.argv[:]
    guard(getcwd())
    if role == "answer":
        answer(channel)
        return
    try:
        tests(channel)
    except BaseException as error:
        channel.say('"broken"', quoted(f"{type(error).__name__}: {message_of(error)}"))


if __name__ == "__main__":
    del sys.path[0]
    main()
