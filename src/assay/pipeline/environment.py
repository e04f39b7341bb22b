"""Versions and machine that a result may depend on, and the checks of `assay doctor`."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "assay",
    "torch",
    "transformers",
    "openvino",
    "diffusers",
    "kornia",
    "numpy",
    "peft",
    "pillow",
    "pyarrow",
    "trl",
)
"""Packages that a run may depend on."""
LANGUAGE_PACKAGES = (
    "assay",
    "torch",
    "transformers",
    "openvino",
    "openvino-genai",
    "vllm",
    "lm_eval",
    "any-llm-sdk",
    "numpy",
)
"""Packages that the answers of language models may depend on."""
OPTIONAL = {"ray": "the engine 'ray'", "datasets": "the Hugging Face hub as a source, opening exports"}
"""Optional package to what needs it."""
NOT_INSTALLED = "not installed"
MIN_FREE_GB = 1


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of packages, machine type and number of CPUs."""
    values = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    return values | {package: _version(package) for package in packages}


@cache
def _version(package: str) -> str:
    """Installed version; read once per process, as every stage records it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED


@dataclass(frozen=True)
class EnvironmentCheck:
    """Result of one check of `assay doctor`."""

    check: str
    ok: bool
    value: str
    """Value on this machine, or what is missing and what needs it."""


def check_environment() -> list[EnvironmentCheck]:
    """Check versions, device, disk, optional packages, embedded models and real data. Changes nothing."""
    return [*_versions(), _device(), _disk(), *_optional_packages(), _embedded_models(), _real_data()]


def _versions() -> Iterator[EnvironmentCheck]:
    for name, value in environment().items():
        if name not in ("cpus", "machine"):
            yield EnvironmentCheck(name, value != NOT_INSTALLED, value)


def _device() -> EnvironmentCheck:
    import torch

    if torch.cuda.is_available():
        return EnvironmentCheck("device", True, f"{torch.cuda.get_device_name()}, bfloat16")
    return EnvironmentCheck("device", True, f"{os.cpu_count()} CPUs, {torch.get_num_threads()} threads, float32")


def _disk() -> EnvironmentCheck:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return EnvironmentCheck("free disk here", free > MIN_FREE_GB, f"{free:.1f} GB")


def _optional_packages() -> Iterator[EnvironmentCheck]:
    for package, use in OPTIONAL.items():
        installed = importlib.util.find_spec(package) is not None
        yield EnvironmentCheck(
            package, installed, f"installed: {use}" if installed else f"{NOT_INSTALLED}: needed for {use}"
        )


def _embedded_models() -> EnvironmentCheck:
    from assay.models.embedded.catalog import embedded_models

    names = [model.reference for model in embedded_models()]
    return EnvironmentCheck("embedded models", bool(names), ", ".join(names) or "none")


def _real_data() -> EnvironmentCheck:
    from assay.components.sources.image.fashion_mnist import INSTALLED, PACKAGE, cache_folder

    folders = [str(folder) for folder in (INSTALLED, cache_folder()) if folder.is_dir()]
    missing = f"Fashion-MNIST is not on this disk; a run downloads it from the hub, or as the Debian package {PACKAGE}"
    return EnvironmentCheck("real photographs", bool(folders), folders[0] if folders else missing)
