"""Keeps the model libraries off standard error while a run draws its own progress there."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCHES = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}
"""What the libraries read when they are imported, in this process and in workers that it starts."""
LIBRARIES = ("transformers", "diffusers")


@contextmanager
def hushed() -> Iterator[None]:
    """No bars and no advice of the libraries inside the block; afterwards they speak as before, if they did before."""
    environment = {name: os.environ.get(name) for name in SWITCHES}
    os.environ.update(SWITCHES)
    # Looked up, never imported: a run that finds everything done should not wait for them.
    speaking = [sys.modules[name] for lib in LIBRARIES if (name := f"{lib}.utils.logging") in sys.modules]
    before = [(module, module.get_verbosity(), module.is_progress_bar_enabled()) for module in speaking]
    for module in speaking:
        module.set_verbosity(logging.ERROR)
        module.disable_progress_bar()
    try:
        yield
    finally:
        for module, verbosity, bars in before:
            module.set_verbosity(verbosity)
            if bars:
                module.enable_progress_bar()
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
