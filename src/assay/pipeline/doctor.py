"""What this machine has of what assay uses. Nothing is fetched or changed."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay.components.sources.image.fashion_mnist import INSTALLED, PACKAGE, cache_folder
from assay.models.embedded.catalog import embedded_models
from assay.pipeline.environment import environment

OPTIONAL = {"ray": "the engine 'ray'", "datasets": "the Hugging Face hub as a source, opening exports"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    found: str


def examine() -> list[Finding]:
    """Every check, in the order a run meets them; a check that fails says what to do."""
    return [*_versions(), _device(), _disk(), *_optional(), _models(), _data()]


def _versions() -> Iterator[Finding]:
    for name, found in environment().items():
        if name not in ("cpus", "machine"):
            yield Finding(name, found != "not installed", found)


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", True, f"{torch.cuda.get_device_name()}, bfloat16")
    return Finding("device", True, f"{os.cpu_count()} processors, {torch.get_num_threads()} threads, float32")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding("free disk here", free > 1, f"{free:.1f} GB")


def _optional() -> Iterator[Finding]:
    for package, use in OPTIONAL.items():
        there = importlib.util.find_spec(package) is not None
        yield Finding(package, there, f"there: {use}" if there else f"not installed: needed for {use}")


def _models() -> Finding:
    names = [model.reference for model in embedded_models()]
    return Finding("embedded models", bool(names), ", ".join(names) or "none")


def _data() -> Finding:
    there = [str(place) for place in (INSTALLED, cache_folder()) if place.is_dir()]
    absent = f"Fashion-MNIST is not on this disk: a run asks the hub, then Debian for {PACKAGE}"
    return Finding("real photographs", bool(there), there[0] if there else absent)
