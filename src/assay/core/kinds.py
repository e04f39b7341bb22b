"""Kinds of model: what a component may ask of one, whoever made it and wherever it runs.

numpy is named in annotations only; at run time this module needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels: TypeAlias = npt.NDArray[np.uint8]
    """(height, width) grey or (height, width, 3) red, green, blue; 0 to 255."""
    Matrix: TypeAlias = npt.NDArray[np.float32]
else:
    Pixels = Matrix = Any


@dataclass(frozen=True)
class PaintRequest:
    """One picture to paint."""

    prompt: str
    seed: int
    """Of the picture's own noise; 0 to 2**63 - 1."""
    steps: int
    guidance: float
    """Classifier-free guidance; at 1 or below there is none and each step costs half."""
    negative_prompt: str = ""
    width: int | None = None
    """Pixels; the model's own size where None."""
    height: int | None = None


@dataclass(frozen=True)
class NotPainted:
    """Why a request gave no picture."""

    reason: str


class ImageModel(Protocol):
    """Words to pictures."""

    def paint(self, requests: Sequence[PaintRequest]) -> Sequence[Pixels | NotPainted]:
        """One picture or one reason for each request, in order; a picture depends on its own request alone."""
        ...


class TwinEncoder(Protocol):
    """Pictures and words into one space, as CLIP does (Radford et al. 2021, section 2.3)."""

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        ...

    def embed_images(self, images: Sequence[Pixels]) -> Matrix:
        """(n, dimensions), each row of length 1."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), each row of length 1; each different text is encoded once in a process."""
        ...


class Classifier(Protocol):
    """Pictures to a closed set of labels."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        ...

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        ...

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, labels)."""
        ...

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """(n, width): what the last layer is given; `features @ weight.T + bias` of `head` are the logits."""
        ...

    def head(self) -> tuple[Matrix, Matrix]:
        """Weight (labels, width) and bias (labels,) of the last layer."""
        ...
