"""Sentence embeddings with both backends: their values, and that each depends only on its text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

import checkpoints
from assay.core.errors import ModelError
from assay.core.model_kinds import Matrix
from assay.models import Device, OpenModels
from assay.models.embedding.networks import OpenVinoNetwork, TokenBatch, convert_encoder
from assay.models.embedding.sentences import SentenceEncoder
from assay.models.references import locate
from assay.models.registry import open_model

MINILM = "embedded:minilm"
LONG = "all happy families are alike " * 100
TEXTS = (
    "A dog runs in the park.",
    "A puppy is running outside.",
    "The stock market fell today.",
    "",
    " \n",
    "x",
    "서울의 인구를 알려 주세요",
    "学校に行きました。École, naïve! 🎈",
    "Describe the water cycle in three short sentences for a child of ten.",
    *(f"Write {n} reasons why number {n} is better than {n + 1}, and say " + "why " * n for n in range(9, 90, 16)),
    LONG,
)
BACKEND_BY_NAME = {"bfloat16": "openvino:", "float32": "openvino:", "transformers": "transformers:"}


def open_encoder(reference: str, dtype: str = "auto", device: str = "cpu") -> SentenceEncoder:
    """Encoder with an empty cache."""
    encoder = open_model("embedder", reference, Device(device=device, dtype=dtype))
    assert isinstance(encoder, SentenceEncoder)
    return encoder


def mean_embeddings(folder: str, texts: Sequence[str], longest: int) -> Matrix:
    """The mean over tokens by transformers in float32, one text a call and no padding."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            rows.append(model(**inputs).last_hidden_state[0].mean(0).numpy())
    means = np.stack(rows)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture(scope="module", params=list(BACKEND_BY_NAME))
def minilm(request: pytest.FixtureRequest) -> SentenceEncoder:
    name = str(request.param)
    return open_encoder(BACKEND_BY_NAME[name] + MINILM, "auto" if name == "transformers" else name)


@pytest.fixture(scope="module")
def expected() -> Matrix:
    return mean_embeddings(locate(MINILM).location, TEXTS, 256)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small encoder, and an empty cache of conversions."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return checkpoints.bert(tmp_path / "bert")


def test_embeddings_are_means_over_tokens(minilm: SentenceEncoder, expected: Matrix) -> None:
    rows = minilm.embed(TEXTS)
    assert rows.shape == (len(TEXTS), 384)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    if minilm.how == "openvino bfloat16":
        assert (rows * expected).sum(axis=1).min() > 0.9995
    else:
        assert np.allclose(rows, expected, atol=1e-5)
    assert rows[0] @ rows[1] > 0.5 > rows[0] @ rows[2]


@pytest.mark.full
def test_embedding_does_not_depend_on_the_batch(minilm: SentenceEncoder) -> None:
    def fresh(texts: Sequence[str]) -> Matrix:
        minilm.cache.clear()
        return minilm.embed(texts)

    texts = [*TEXTS, *(f"{word} {text}" for word in ("Please:", "No,") for text in TEXTS[:9])]
    together = fresh(texts)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(texts))
        assert np.array_equal(fresh([texts[nth] for nth in order]), together[order])
        assert np.array_equal(fresh([texts[nth] for nth in order[:7]]), together[order[:7]])
    for nth in range(0, len(texts), 4):
        assert np.array_equal(fresh([texts[nth]])[0], together[nth])


def test_threads_change_nothing() -> None:
    (first, second) = (open_encoder(f"openvino:{MINILM}"), open_encoder(f"openvino:{MINILM}"))
    folder = locate(MINILM).folder
    assert folder is not None
    second.network = OpenVinoNetwork(convert_encoder(folder, None, MINILM), MINILM, "auto", 2)
    assert np.array_equal(first.embed(TEXTS), second.embed(TEXTS))


def test_long_text_is_truncated(minilm: SentenceEncoder) -> None:
    whole, truncated, other = minilm.embed([LONG, LONG[: len(LONG) * 2 // 3], LONG[:400]])
    assert np.array_equal(whole, truncated)  # 502 and 335 tokens
    assert not np.allclose(whole, other)


@pytest.mark.parametrize("backend", ["openvino:", "transformers:"])
def test_length_that_is_no_multiple_of_the_step(folder: Path, backend: str) -> None:
    texts = ["", "a", "abc xyz", "the quick brown fox jumps over it", "z" * 300]
    rows = open_encoder(f"{backend}{folder}", "float32").embed(texts)
    assert np.allclose(rows, mean_embeddings(str(folder), texts, 22), atol=1e-5)
    assert open_encoder(f"{backend}{folder}").embed([]).shape == (0, checkpoints.WIDTH)


class CountingNetwork:
    """Network that counts its rows, filler included."""

    def __init__(self, network: Any) -> None:
        self.network, self.rows = network, 0
        self.how, self.dimensions, self.tokens = network.how, network.dimensions, network.tokens

    def means(self, token_batches: Iterable[TokenBatch]) -> Iterator[Matrix]:
        batches = list(token_batches)
        self.rows += sum(len(batch.ids) for batch in batches)
        yield from self.network.means(batches)


def test_cached_text_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = open_encoder(f"openvino:{folder}")
    network = CountingNetwork(encoder.network)
    encoder.network = network
    first = encoder.embed(["one", "two", "one"])
    assert network.rows == 32  # tokens of a tile, by eight of a text
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(encoder.embed(["two", "one"]), first[[1, 0]])
    assert network.rows == 32
    monkeypatch.setattr(encoder.cache, "_limit", 2 * (32 + checkpoints.WIDTH * 4))
    many = [f"{word} {nth}" for nth, word in enumerate("abcde")]
    assert np.array_equal(encoder.embed([*many, "one"])[-1], first[0])
    assert encoder.cache._used <= 2 * (32 + checkpoints.WIDTH * 4)
    encoder.embed(["two"])
    assert network.rows > 64


def test_backend_and_precision_are_reported(folder: Path) -> None:
    hardware = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert open_encoder(str(folder)).how == f"openvino {'bfloat16' if hardware else 'float32'}"
    assert open_encoder(str(folder), "float32").how == "openvino float32"
    assert open_encoder(f"transformers:{folder}").how == "transformers float32"
    assert open_encoder(f"transformers:{folder}", "bfloat16").how == "transformers bfloat16"
    with pytest.raises(ModelError, match="'vllm'"):
        open_encoder(f"vllm:{folder}")
    with pytest.raises(ModelError, match="'mps'"):
        open_encoder(f"openvino:{folder}", device="mps")
    models = OpenModels(Device(device="cpu"))
    assert models.embedder(str(folder)) is models.embedder(str(folder))
    assert models.embedder(f"transformers:{folder}") is not models.embedder(str(folder))


def test_transformers_is_used_without_openvino(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.models.embedding.sentences.available", lambda: False)
    assert open_encoder(str(folder)).how == "transformers float32"
    with pytest.raises(ModelError, match="OpenVINO"):
        open_encoder(f"openvino:{folder}")


def test_conversion_runs_once_without_telemetry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino_telemetry = pytest.importorskip("openvino_telemetry")

    def fail(*args: object, **kwargs: object) -> None:
        pytest.fail("OpenVINO reported the conversion.")

    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", fail)
    first = open_encoder(f"openvino:{folder}").embed(["one"])
    (conversion,) = (folder.parent / "cache" / "assay" / "models").iterdir()
    stamp = (conversion / "model.xml").stat().st_mtime_ns
    monkeypatch.setattr("assay.models.embedding.networks._convert", fail)
    shutil.copytree(folder, folder.parent / "moved" / "bert")  # the same weights elsewhere
    assert np.array_equal(open_encoder(f"openvino:{folder.parent}/moved/bert").embed(["one"]), first)
    assert (conversion / "model.xml").stat().st_mtime_ns == stamp


def test_other_weights_are_converted_again(folder: Path) -> None:
    first = open_encoder(str(folder)).embed(["one"])
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= -1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert not np.allclose(open_encoder(str(folder)).embed(["one"]), first, atol=0.1)


def test_a_conversion_with_other_outputs_is_rejected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer fixes control flow as it was in the traced call."""
    from transformers import BertModel

    plain = BertModel.forward

    def shifted(self: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        output = plain(self, input_ids=input_ids, attention_mask=attention_mask)
        output.last_hidden_state = output.last_hidden_state + input_ids.shape[1] * (1 if input_ids.shape[1] > 9 else 0)
        return output

    monkeypatch.setattr(BertModel, "forward", shifted)
    with pytest.raises(ModelError, match="OpenVINO") as caught:
        open_encoder(str(folder))
    assert f"transformers:{folder}" in str(caught.value)
    assert not list((folder.parent / "cache" / "assay" / "models").iterdir())


@pytest.mark.parametrize("backend", ["openvino:", "transformers:"])
def test_numbers_that_are_not_finite_are_an_error(folder: Path, backend: str) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = open_encoder(f"{backend}{folder}")
    for _ in range(2):  # and it is not remembered
        with pytest.raises(ModelError, match="not finite"):
            encoder.embed(["one"])


@pytest.mark.parametrize(
    ("pooling", "supported"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, True),
        ({"pooling_mode": "mean", "include_prompt": True}, True),
        ({"embedding_dimension": 32}, True),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, False),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, False),
        ({"pooling_mode": "cls"}, False),
        ({"pooling_mode": ["mean", "max"]}, False),
    ],
)
def test_only_mean_pooling_is_supported(folder: Path, pooling: dict[str, object], supported: bool) -> None:
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if supported:
        assert open_encoder(f"transformers:{folder}")
    else:
        with pytest.raises(ModelError, match="pooling"):
            open_encoder(f"transformers:{folder}")


def test_module_after_the_pooling_is_rejected(folder: Path) -> None:
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", "Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense"):
        open_encoder(str(folder))


def test_hub_model_loads_as_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length and pooling are read from its files too."""
    repository = folder.parent / "hub" / "models--some--bert"
    shutil.copytree(folder, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder.parent / "hub"))
    texts = ["one", "z" * 300]
    for backend in ("openvino:", "transformers:"):
        assert np.array_equal(
            open_encoder(f"{backend}some/bert").embed(texts), open_encoder(f"{backend}{folder}").embed(texts)
        )
    (repository / "snapshots" / "abc" / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    with pytest.raises(ModelError, match="'some/bert'"):
        open_encoder("some/bert")


def test_model_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ResNetForImageClassification"):
        open_encoder(str(checkpoints.resnet(tmp_path / "resnet")))
