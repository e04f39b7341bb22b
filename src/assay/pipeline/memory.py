"""Releases memory before and after a training."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from assay.models.open_models import release_generators


@contextmanager
def training_memory() -> Iterator[None]:
    """Close the models that generated the data before a training, and release the memory of the training after it.

    An open generator takes gigabytes with its cache, and would stay open until another model is opened.
    """
    release_generators()
    try:
        yield
    finally:
        release_memory()


def release_memory() -> None:
    """Collect garbage, and return free memory to the GPU and to the operating system.

    A training leaves reference cycles (trainer, callbacks, model, optimizer), and the C library keeps freed memory:
    after a few trainings a process would hold several times what it uses.
    """
    gc.collect()
    torch = sys.modules.get("torch")  # not imported for this
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _trim_heap()


def _trim_heap() -> None:
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6"), "malloc_trim", None)
    if trim is not None:  # absent in musl
        trim(0)
