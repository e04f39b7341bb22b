"""The parent's side of `child.py`: starts a process, asks it, bounds what it says, and ends it with all it began."""

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
PROGRAM = Path(__file__).with_name("child.py")
MOST = 1 << 18
"""Bytes of a message from a child; a longer one ends it."""


class Ended(Exception):
    """A child is no more, or is not to be waited for; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What one process may use."""

    processor: int
    """Seconds."""
    memory: int
    """Bytes."""


class Child:
    """A process with its own folder, that is asked one thing at a time."""

    def __init__(self, role: Role, limits: Limits, folder: Path, deadline: float) -> None:
        self.role = role
        self._limits, self._deadline = limits, deadline
        folder.mkdir()
        # As -I, but that the program's folder is looked in for its own part, and that hashes are the same at every run.
        call = [sys.executable, "-s", "-S", "-B", "-X", "utf8", str(PROGRAM), role]
        self._process = subprocess.Popen(
            [*call, str(limits.processor), str(limits.memory)],
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
        """What the child says to `message`: JSON that it made, so anything may stand there.

        Raises:
            Ended: It ended, or said nothing in time, too much, or what is no answer to this.
        """
        word = secrets.token_hex(8)
        body = marshal.dumps([word, *message])
        line = self._exchange(len(body).to_bytes(8, "big") + body)
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Ended("what it gave cannot be read") from error
        if not isinstance(said, list) or len(said) < 2 or said[0] != word:
            raise Ended("what it gave is no answer to what it was asked")
        return said[1:]

    def _exchange(self, data: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        to, back = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(to, False)
        waiting = select.poll()
        waiting.register(back, select.POLLIN)
        waiting.register(to, select.POLLOUT)
        while b"\n" not in self._rest:
            left = self._deadline - time.monotonic()
            ready = dict(waiting.poll(max(0, left) * 1000)) if left > 0 else {}
            if not ready:
                raise Ended("it did not end in time")
            if data and to in ready:
                data = data[self._written(to, data) :]
            if not data:
                with contextlib.suppress(KeyError):
                    waiting.unregister(to)
            if back in ready:
                self._read(back)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _written(self, to: int, data: bytes) -> int:
        try:
            return os.write(to, data[:65536])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Ended(self._why()) from error

    def _read(self, back: int) -> None:
        got = os.read(back, 65536)
        if not got:
            raise Ended(self._why())
        self._rest += got
        if len(self._rest) > MOST:
            raise Ended(f"it gave more than {MOST // 1024} KiB")

    def _why(self) -> str:
        """Why a process that closed its channel did so."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its channel"
        if code == -signal.SIGXCPU:
            return f"it took more than {self._limits.processor} s of the processor"
        return f"it crashed by signal {-code}" if code < 0 else "it ended by itself"


def plain(value: Any) -> Any:
    """What a child sent as JSON, as the plain value that it stands for.

    Raises:
        ValueError: It stands for none.
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
    tag, *held = value
    if tag == "c":
        return complex(*map(_plain, held))
    (own,) = held
    return _READ[tag](own)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "l": lambda own: [_plain(one) for one in own],
    "t": lambda own: tuple(_plain(one) for one in own),
    "s": lambda own: {_plain(one) for one in own},
    "d": lambda own: {_plain(name): _plain(one) for name, one in own},
    "b": bytes.fromhex,
    "i": lambda own: int(own, 16),
    "f": float,
}
