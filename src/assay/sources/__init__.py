"""Real data, and strangers to it. Every class here reads the same samples at every call."""

from __future__ import annotations

from assay.core.roles import Source
from assay.sources.digits import Digits
from assay.sources.fashion_mnist import FashionMNIST
from assay.sources.image_folder import ImageFolder
from assay.sources.noise import Noise

SOURCES: tuple[type[Source], ...] = (FashionMNIST, ImageFolder, Digits, Noise)
