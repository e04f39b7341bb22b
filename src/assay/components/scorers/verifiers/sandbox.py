"""Parent side of `sandbox_child.py`: start a child process, send requests, bound its output, and kill its group."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

Role: TypeAlias = Literal["answer", "tests"]
PROGRAM = Path(__file__).with_name("sandbox_child.py")
MAX_MESSAGE = 1 << 18
"""Maximum bytes of a message from a child."""


class ChildEnded(Exception):
    """A child ended, timed out or broke the protocol; the message gives the reason."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of a child."""

    cpu_seconds: int
    memory: int
    """Bytes."""


class Child:
    """A child process with its own folder, which handles one request at a time."""

    def __init__(self, role: Role, limits: Limits, folder: Path, deadline: float) -> None:
        self.role = role
        self._limits, self._deadline = limits, deadline
        folder.mkdir()
        # As -I, but the program's folder stays in the path, for sandbox_limits.py, and the hash seed is fixed.
        call = [sys.executable, "-s", "-S", "-B", "-X", "utf8", str(PROGRAM), role]
        self._process = subprocess.Popen(
            [*call, str(limits.cpu_seconds), str(limits.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=folder,
            env={"HOME": str(folder), "TMPDIR": str(folder), "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, *message: object) -> list[Any]:
        """Return the child's response to `message`: untrusted JSON.

        Raises:
            ChildEnded: The child ended, timed out, sent too much, or sent an invalid response.
        """
        token = secrets.token_hex(8)
        body = marshal.dumps([token, *message])
        line = self._exchange(len(body).to_bytes(8, "big") + body)
        try:
            response = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ChildEnded("what it gave cannot be read") from error
        if not isinstance(response, list) or len(response) < 2 or response[0] != token:
            raise ChildEnded("what it gave is no answer to what it was asked")
        return response[1:]

    def _exchange(self, data: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request, response = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(request, False)
        poll = select.poll()
        poll.register(response, select.POLLIN)
        poll.register(request, select.POLLOUT)
        while b"\n" not in self._rest:
            seconds = self._deadline - time.monotonic()
            ready = dict(poll.poll(max(0, seconds) * 1000)) if seconds > 0 else {}
            if not ready:
                raise ChildEnded("it did not end in time")
            if data and request in ready:
                data = data[self._write(request, data) :]
            if not data:
                with contextlib.suppress(KeyError):
                    poll.unregister(request)
            if response in ready:
                self._receive(response)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _write(self, request: int, data: bytes) -> int:
        try:
            return os.write(request, data[:65536])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ChildEnded(self._exit_reason()) from error

    def _receive(self, response: int) -> None:
        data = os.read(response, 65536)
        if not data:
            raise ChildEnded(self._exit_reason())
        self._rest += data
        if len(self._rest) > MAX_MESSAGE:
            raise ChildEnded(f"it gave more than {MAX_MESSAGE // 1024} KiB")

    def _exit_reason(self) -> str:
        """Why the child closed its channel."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        if code == -signal.SIGXCPU:
            return f"it took more than {self._limits.cpu_seconds} s of the processor"
        return f"it crashed by signal {-code}" if code < 0 else "it ended by itself"


def plain(value: Any) -> Any:
    """Decode a value of a child.

    Raises:
        ValueError: The encoding is invalid.
    """
    try:
        return _plain(value)
    except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise ValueError("what it gave cannot be read") from error


def _plain(value: Any) -> Any:
    if not isinstance(value, list):
        if isinstance(value, Mapping):
            raise TypeError("no value is written so")
        return value
    tag, *content = value
    if tag == "c":
        return complex(*map(_plain, content))
    (inner,) = content
    return _DECODERS[tag](inner)


_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "l": lambda items: [_plain(item) for item in items],
    "t": lambda items: tuple(_plain(item) for item in items),
    "s": lambda items: {_plain(item) for item in items},
    "d": lambda items: {_plain(name): _plain(item) for name, item in items},
    "b": bytes.fromhex,
    "i": lambda items: int(items, 16),
    "f": float,
}
