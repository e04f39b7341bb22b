from __future__ import annotations

import json
import pickle
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import checkpoints
from assay.core.errors import ModelError
from assay.models import Device, OpenModels, embedded_names
from assay.models.loading import fixed_batches, resolve_device
from assay.models.references import CONFIG_FILES, locate
from error_fields import raises

KINDS = {"image_model": "image-generator", "twin_encoder": "twin-encoder", "classifier": "image-classifier"}
"""Kind of backend by method of `OpenModels`."""


def open_model_as(kind: str, reference: str) -> object:
    method: Callable[[str], object] = getattr(OpenModels(Device(device="cpu")), kind)
    return method(reference)


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedded_model_that_does_not_exist(kind: str) -> None:
    with raises(ModelError, name="fashion-clop") as caught:
        open_model_as(kind, "embedded:fashion-clop")
    assert all(name in caught.value.hint for name in embedded_names())


@pytest.mark.full
@pytest.mark.parametrize("name", embedded_names())
def test_embedded_models_open(name: str) -> None:
    kinds = {"diffusion": "image_model", "clip": "twin_encoder", "smollm": "text_model"}
    kinds |= {"resnet": "classifier", "nsfw": "classifier"}
    kind = next((kind for part, kind in kinds.items() if part in name), "embedder")
    assert open_model_as(kind, f"embedded:{name}")


@pytest.mark.parametrize("reference", ["openai:gpt-5", "anthropic:claude", "http://localhost/v1#llama"])
@pytest.mark.parametrize("kind", KINDS)
def test_backend_of_text_models_is_rejected(kind: str, reference: str) -> None:
    fields = {"model": reference, "backend": reference.partition(":")[0], "kind": KINDS[kind]}
    with raises(ModelError, **fields) as caught:
        open_model_as(kind, reference)
    assert caught.value.fields["opens"] == ("text-model",)


@pytest.mark.parametrize("reference", ["", "fashion-clip", "a/b/c", "what is this"])
def test_invalid_references(reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with raises(ModelError) as caught:
        open_model_as("classifier", reference)
    assert ("reference" in caught.value.fields) != ("files" in caught.value.fields)


def test_invalid_folders(tmp_path: Path) -> None:
    with raises(ModelError, path=str(tmp_path / "absent"), exists=False):
        open_model_as("classifier", str(tmp_path / "absent"))
    (tmp_path / "file").write_text("")
    with raises(ModelError, path=str(tmp_path / "file"), exists=True):
        open_model_as("classifier", str(tmp_path / "file"))
    with raises(ModelError, path=str(tmp_path), files=("file",)) as caught:
        open_model_as("classifier", str(tmp_path))
    assert all(name in caught.value.message for name in CONFIG_FILES)
    with raises(ModelError, files=()):
        open_model_as("classifier", str(empty(tmp_path)))


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_a_folder_relative_to_here(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folders["resnet"], tmp_path / "nested" / "model")
    monkeypatch.chdir(tmp_path)
    for reference in ("nested/model", "./nested/model"):
        assert open_model_as("classifier", reference)


def test_model_of_another_kind_is_named(folders: dict[str, Path]) -> None:
    for kind, family, actual, needed in (
        ("image_model", "clip", "CLIPModel", "a diffusers pipeline"),
        ("image_model", "resnet", "ResNetForImageClassification", "a diffusers pipeline"),
        ("twin_encoder", "sd", "StableDiffusionPipeline", "a CLIPModel"),
        ("twin_encoder", "resnet", "ResNetForImageClassification", "a CLIPModel"),
        ("classifier", "clip", "CLIPModel", "an image classifier"),
        ("classifier", "sdxl", "StableDiffusionXLPipeline", "an image classifier"),
    ):
        with raises(ModelError, model=str(folders[family]), actual=actual) as caught:
            open_model_as(kind, str(folders[family]))
        assert str(caught.value.fields["needed"]).startswith(needed)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = checkpoints.resnet(tmp_path / "resnet")
    (folder / "model.safetensors").unlink()
    with raises(ModelError, path=str(folder), weights="missing"):
        open_model_as("classifier", str(folder))
    torch.save({}, folder / "pytorch_model.bin")
    with raises(ModelError, path=str(folder / "pytorch_model.bin"), weights="pickled") as caught:
        open_model_as("classifier", str(folder))
    assert "save_pretrained" in caught.value.hint


def test_pickled_weights_inside_a_pipeline_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(folders["sd"], folder)
    shutil.move(folder / "unet/diffusion_pytorch_model.safetensors", folder / "unet/diffusion_pytorch_model.bin")
    with raises(ModelError, path=str(folder / "unet/diffusion_pytorch_model.bin"), weights="pickled"):
        open_model_as("image_model", str(folder))


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_truncated_weights_are_rejected(tmp_path: Path, size: int) -> None:
    path = checkpoints.resnet(tmp_path / "resnet") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with raises(ModelError, path=str(path), weights="damaged"):
        open_model_as("classifier", str(path.parent))


def test_truncated_config_is_rejected(folders: dict[str, Path], tmp_path: Path) -> None:
    for kind, family, name in (("classifier", "resnet", "config.json"), ("image_model", "sd", "model_index.json")):
        folder = tmp_path / family
        shutil.copytree(folders[family], folder)
        (folder / name).write_text('{"archi')
        with raises(ModelError, path=str(folder / name)):
            open_model_as(kind, str(folder))


def test_a_pipeline_that_lacks_a_part(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(folders["sd"], folder)
    shutil.rmtree(folder / "vae")
    with raises(ModelError, model=str(folder), path=str(folder)):
        open_model_as("image_model", str(folder))


def test_pipeline_with_its_own_code_is_rejected(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(folders["sd"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = ["mine", "MyPipeline"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "mine.py").write_text("raise SystemExit('ran')")
    with raises(ModelError, model=str(folder), path=str(folder)):
        open_model_as("image_model", str(folder))


@pytest.fixture
def silent_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """Address and connections of a server on loopback that accepts and never answers."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        server.shutdown(socket.SHUT_RDWR)
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_no_network(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with raises(ModelError, model="nobody/nothing", hub="unreachable") as caught:
        open_model_as(kind, "nobody/nothing")
    assert caught.value.__cause__ is not None


def test_network_without_responses(
    silent_server: tuple[str, list[socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, connections = silent_server
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    with raises(ModelError, model="nobody/nothing", hub="unreachable"):
        open_model_as("classifier", "nobody/nothing")
    assert len(connections) == 1  # no retries


def test_offline_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with raises(ModelError, model="nobody/nothing", hub="offline"):
        open_model_as("twin_encoder", "nobody/nothing")


def test_each_model_opens_once_and_again_when_its_folder_changed(tmp_path: Path) -> None:
    folder = checkpoints.resnet(tmp_path / "resnet")
    first = open_model_as("classifier", str(folder))
    assert open_model_as("classifier", str(folder)) is first
    models = OpenModels(Device(device="cpu"))
    assert pickle.loads(pickle.dumps(models)) == models
    assert pickle.loads(pickle.dumps(models)).classifier(str(folder)) is first
    checkpoints.resnet(folder, labels=("one", "two", "three", "four"))
    again = OpenModels(Device(device="cpu")).classifier(str(folder))
    assert again.labels == ("one", "two", "three", "four")


@pytest.mark.parametrize(
    ("device", "cuda", "expected"),
    [
        (Device(), False, ("cpu", "float32")),
        (Device(), True, ("cuda", "bfloat16")),
        (Device(device="cpu"), True, ("cpu", "float32")),
        (Device(device="cuda:1"), True, ("cuda:1", "bfloat16")),
        (Device(dtype="float16"), True, ("cuda", "float16")),
        (Device(dtype="bfloat16"), False, ("cpu", "bfloat16")),
        (Device(device="mps"), False, ("mps", "float32")),
    ],
)
def test_resolve_device(device: Device, cuda: bool, expected: tuple[str, str]) -> None:
    chosen = resolve_device(device, cuda=cuda)
    assert (chosen.device, chosen.dtype) == expected


def test_unavailable_device() -> None:
    with pytest.raises(ModelError, match="'cuda'"):
        resolve_device(Device(device="cuda"), cuda=False)
    with pytest.raises(ModelError, match="'bfloat16'"):
        resolve_device(Device(dtype="bfloat"), cuda=False)


@pytest.mark.parametrize("count", range(10))
def test_fixed_batches(count: int) -> None:
    parts = list(fixed_batches(range(count), 4))
    assert all(len(batch) == 4 for batch, _ in parts)
    assert [item for batch, real in parts for item in batch[:real]] == list(range(count))


def test_import_loads_no_large_library(tmp_path: Path) -> None:
    code = "import sys, assay.models; print({'torch', 'transformers', 'diffusers', 'PIL', 'numpy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_a_checkpoint_remembers_its_reference(folders: dict[str, Path]) -> None:
    checkpoint = locate(str(folders["resnet"]))
    assert checkpoint.folder == folders["resnet"].resolve()
    assert locate("org/name").folder is None
