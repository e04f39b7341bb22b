"""Backends of models: those of assay, and those that a plug-in package adds through the entry-point group."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assay.core.completions import Completion, TextRequest
from assay.core.errors import ModelError
from assay.core.model_kinds import ImageRequest
from assay.models import Device, OpenModels, registry
from assay.models.registry import BACKENDS, KINDS, select_backend

PLUG_IN = """
from dataclasses import dataclass

import numpy as np

from assay.core.completions import Answer, Completion, Capabilities
from assay.models.registry import Backend


@dataclass
class Gray:
    shade: int

    def generate(self, requests):
        return [np.full((request.height or 8, request.width or 8), self.shade, np.uint8) for request in requests]


@dataclass
class Echo:
    name: str
    means = Capabilities()

    def complete(self, requests):
        return [Completion((Answer(f"{self.name}: {request.prompt}", "stop", 1),), 1) for request in requests]

    def log_probs(self, texts):
        raise NotImplementedError


IMAGES = Backend("gray", "image-generator", lambda request: Gray(int(request.name)))
BOTH = (
    Backend("both", "image-generator", lambda request: Gray(7)),
    Backend("both", "text-model", lambda request: Echo(request.name)),
)
"""
POINTS = """[assay.models]
gray = assay_gray:IMAGES
both = assay_gray:BOTH
broken = assay_nowhere:BACKEND
wrong = assay_gray:Gray
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenModels]:
    """Models with a plug-in package installed as pip would install it."""
    (tmp_path / "assay_gray.py").write_text(PLUG_IN, encoding="utf-8")
    info = tmp_path / "assay_gray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-gray\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry._plug_ins.cache_clear()
    yield OpenModels(Device(device="cpu"))
    registry._plug_ins.cache_clear()
    sys.modules.pop("assay_gray", None)


def test_plug_in_image_backend(models: OpenModels) -> None:
    model = models.image_model("gray:200")
    (image,) = model.generate([ImageRequest("a cat", seed=0, steps=1, guidance=1.0, width=4, height=2)])
    assert isinstance(image, np.ndarray)
    assert image.tolist() == [[200] * 4] * 2
    assert models.image_model("gray:200") is model
    assert models.image_model("gray:100") is not model


def test_plug_in_text_backend(models: OpenModels) -> None:
    (completion,) = models.text_model("both:a:b").complete([TextRequest("Hello")])
    assert isinstance(completion, Completion)
    assert completion.answers[0].text == "a:b: Hello"
    assert models.image_model("both:x").generate([]) == []


def test_backend_of_another_kind(models: OpenModels) -> None:
    with pytest.raises(ModelError, match="'gray'"):
        models.embedder("gray:200")
    with pytest.raises(ModelError, match="'openai'"):
        models.image_model("openai:gpt-5")


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_backend(models: OpenModels, kind: registry.ModelKind) -> None:
    with pytest.raises(ModelError, match="'grey'") as caught:
        select_backend(kind, "grey:200", models.device)
    assert "'gray'" in caught.value.hint


def test_broken_plug_in_fails_only_where_it_is_used(models: OpenModels) -> None:
    assert models.image_model("gray:1")
    with pytest.raises(ModelError, match="assay_nowhere:BACKEND"):
        models.image_model("broken:x")
    with pytest.raises(ModelError, match="assay_gray:Gray"):
        models.image_model("wrong:x")


def test_every_kind_has_a_default_backend() -> None:
    for kind in KINDS:
        rows = [backend for backend in BACKENDS if backend.kind == kind]
        assert rows[-1].matches is registry.any_checkpoint
        assert len({backend.name for backend in rows}) == len(rows)


@pytest.mark.parametrize(
    ("kind", "reference", "backend", "name"),
    [
        ("text-model", "openvino:embedded:smollm2", "openvino", "embedded:smollm2"),
        ("text-model", "vllm:org/name", "vllm", "org/name"),
        ("token-model", "vllm:org/name", "vllm", "org/name"),
        ("text-model", "http://localhost/v1#llama", "http", "//localhost/v1#llama"),
        ("embedder", "transformers:org/name", "transformers", "org/name"),
        ("image-generator", "org/name", "diffusers", "org/name"),
        ("image-classifier", "embedded:open-nsfw", "open-nsfw", "embedded:open-nsfw"),
        ("image-classifier", "embedded:fashion-resnet50", "transformers", "embedded:fashion-resnet50"),
    ],
)
def test_reference_selects_a_backend(kind: registry.ModelKind, reference: str, backend: str, name: str) -> None:
    selected, request = select_backend(kind, reference, Device(device="cpu"))
    assert (selected.name, request.name, request.reference) == (backend, name, reference)


def test_folder_with_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path)
    selected, request = select_backend("image-generator", "a:b", Device(device="cpu"))
    assert (selected.name, request.name) == ("diffusers", "a:b")
