"""What a result may depend on besides its inputs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

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
LANGUAGE = ("assay", "torch", "transformers", "openvino", "openvino-genai", "vllm", "lm_eval", "any-llm-sdk", "numpy")
"""What the answers of language models may depend on."""


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """What a result may depend on besides its inputs: versions and the machine."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
