"""Room for work that needs much memory, and what is given back to the machine when it is done."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from assay.models.open_models import release_generators


@contextmanager
def room() -> Iterator[None]:
    """A block that trains: without the models that made its data, and nothing of it left behind.

    What was opened to draw and to write would lie about until something else is opened; each takes gigabytes with its
    cache, and a training's own copies come on top.
    """
    release_generators()
    try:
        yield
    finally:
        give_back()


def give_back() -> None:
    """Frees what nobody holds any more, and hands it to the operating system and to other users of the GPU.

    A training leaves a ring of objects (trainer, callbacks, model, optimizer) that Python would only find by and by,
    and the C library keeps freed memory for itself: after a few trainings a run would hold several times what it uses.
    """
    gc.collect()
    torch = sys.modules.get("torch")  # never imported for this
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _trim()


def _trim() -> None:
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6"), "malloc_trim", None)
    if trim is not None:  # musl has none
        trim(0)
