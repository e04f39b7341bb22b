"""Restrictions of the child process: resource limits, the kernel's system call filter, and Python's audit hook.

Part of `sandbox_child.py`: it imports little, and only the standard library, as it is loaded for each answer.
"""

from __future__ import annotations

import sys
from posix import O_APPEND, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY

TYPE_CHECKING = False  # importing typing takes longer than all of these
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DENIED_CALLS = {
    0xC000003E: (
        *(41, 42, 53, 56, 57, 58, 59, 62, 101, 129, 133, 165, 200, 234, 259, 272, 297, 304, 308, 310, 311),
        *(321, 322, 424, 425, 434, 435),
    ),
    0xC00000B7: (
        *(33, 40, 97, 117, 129, 130, 131, 138, 198, 199, 203, 220, 221, 240, 265, 268, 270, 271),
        *(280, 281, 424, 425, 434, 435),
    ),
}
"""System calls of Linux by architecture (x86-64, AArch64): sockets, processes, signals, foreign memory, mounts."""
DENIED = (
    *("socket.", "subprocess.", "ctypes.", "os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.spawn", "os.system"),
    *("os.link", "os.symlink", "os.putenv", "os.unsetenv", "pty.", "signal.pthread_kill", "resource.", "sqlite3."),
    *("gc.get_", "syslog.", "http.", "urllib.", "ftplib.", "smtplib.", "telnetlib.", "webbrowser."),
)
DENIED_MODULES = ("_ctypes", "ctypes", "_posixsubprocess", "subprocess", "_socket", "socket", "multiprocessing")
PATHS = (
    "os.chdir",
    "os.chmod",
    "os.chown",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "os.utime",
)


def limit(cpu_seconds: int, memory: int) -> None:
    """Limit CPU time and bytes of memory; no child processes, 1 MiB per file, 16 open files."""
    import resource as r

    limits = {
        "CPU": (cpu_seconds, cpu_seconds + 1),
        "FSIZE": 1 << 20,
        "NOFILE": 16,
        "CORE": 0,
        "NPROC": 0,
        "AS": memory,
    }
    for name, value in limits.items():
        pair = value if isinstance(value, tuple) else (value, value)
        _, hard = r.getrlimit(getattr(r, f"RLIMIT_{name}"))
        pair = pair if hard == r.RLIM_INFINITY else (min(pair[0], hard), min(pair[1], hard))
        try:
            r.setrlimit(getattr(r, f"RLIMIT_{name}"), pair)
        except (ValueError, OSError):
            continue  # macOS does not limit memory


def filter_calls() -> bool:
    """Deny `DENIED_CALLS` by seccomp of Linux, which needs no privileges; whether that succeeded.

    If it did not, the process gets an empty network namespace, if permitted.
    """
    if sys.platform != "linux":
        return False
    import ctypes
    from posix import uname
    from struct import pack

    library = ctypes.CDLL(None, use_errno=True)
    kind = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(uname().machine)
    is_filtered = False
    if kind is not None and sys.maxsize > 1 << 32:
        calls = DENIED_CALLS[kind]
        rows = [(0x20, 0, 0, 4), (0x15, 0, len(calls) + 3, kind), (0x20, 0, 0, 0), (0x35, len(calls) + 1, 0, 1 << 30)]
        rows += [(0x15, len(calls) - nth, 0, call) for nth, call in enumerate(calls)]
        rows += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x50001)]  # allow; deny with EPERM
        program = ctypes.create_string_buffer(b"".join(pack("HBBI", *row) for row in rows))
        whole = ctypes.create_string_buffer(pack("HP", len(rows), ctypes.addressof(program)))
        is_filtered = not library.prctl(38, 1, 0, 0, 0) and not library.prctl(22, 2, whole, 0, 0)
    if not is_filtered:
        library.unshare(0x50000000)  # CLONE_NEWUSER | CLONE_NEWNET
    for name in [name for name in sys.modules if name.startswith(("ctypes", "_ctypes"))]:
        del sys.modules[name]
    return is_filtered


def guard(folder: str) -> None:
    """Install an audit hook: the program may read the standard library, and write in `folder`.

    The hook uses only local names, which the guarded code cannot change.
    """
    readable, writable = (*(path + "/" for path in sys.path if path), folder + "/"), (folder + "/",)
    within, kind, number, starts = _path_checker(), type, int, str.startswith
    refused, denied, modules, paths = PermissionError, DENIED, DENIED_MODULES, PATHS
    writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            reads = kind(args[2]) is number and not args[2] & writes
            fine = within(args[:1], readable if reads else writable)
        elif event == "import":
            fine = args[0] not in modules
        elif event in paths:
            fine = within(args, writable)
        else:
            fine = not starts(event, denied)
        if not fine:
            raise refused(f"{event} is not allowed here")

    sys.addaudithook(hook)


def _path_checker() -> Callable[[tuple[Any, ...], tuple[str, ...]], bool]:
    """Return a function that checks whether paths are in folders; it uses only local names."""
    kind, text, raw, number, starts, decoded, parts = type, str, bytes, int, str.startswith, bytes.decode, str.split

    def outside(path: Any, folders: tuple[str, ...]) -> bool:
        if kind(path) is number or path is None:  # an open file
            return False
        if kind(path) is raw:
            path = decoded(path, "utf-8", "surrogateescape")
        if kind(path) is not text or ".." in parts(path, "/"):
            return True
        return starts(path, "/") and not starts(path + "/", folders)

    def within(paths: tuple[Any, ...], folders: tuple[str, ...]) -> bool:
        for path in paths:  # noqa: SIM110 -- the guarded code may have replaced `any`
            if outside(path, folders):
                return False
        return True

    return within
