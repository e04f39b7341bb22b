from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import checkpoints
from assay.core.model_kinds import Pixels
from assay.models import Device, OpenModels


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small random checkpoint of every family."""
    root = tmp_path_factory.mktemp("checkpoints")
    builders = {
        "sd": checkpoints.stable_diffusion,
        "sdxl": checkpoints.stable_diffusion_xl,
        "sd3": checkpoints.stable_diffusion_3,
        "clip": checkpoints.clip,
        "resnet": checkpoints.resnet,
    }
    return {name: build(root / name) for name, build in builders.items()}


@pytest.fixture(scope="session")
def models() -> OpenModels:
    return OpenModels(Device(device="cpu"))


@pytest.fixture(scope="session")
def photographs() -> list[Pixels]:
    """37 images: grey and colored, of two sizes; the last one equals the first."""
    rng = np.random.default_rng(0)
    shapes = [(28, 28), (32, 32, 3), (48, 40)]
    images = [rng.integers(0, 256, shapes[nth % 3], dtype=np.uint8) for nth in range(36)]
    return [*images, images[0].copy()]
