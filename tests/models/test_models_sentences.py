"""Sentence embeddings by both backends: what they are, and that each depends on its text alone."""

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
WAYS = {"bfloat16": "openvino:", "float32": "openvino:", "transformers": "transformers:"}


def opened(reference: str, dtype: str = "auto", device: str = "cpu") -> SentenceEncoder:
    """A fresh one, which remembers nothing."""
    encoder = open_model("embedder", reference, Device(device=device, dtype=dtype))
    assert isinstance(encoder, SentenceEncoder)
    return encoder


def plainly(folder: str, texts: Sequence[str], longest: int) -> Matrix:
    """The mean over tokens by transformers in float32, one text a call and no padding."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        given = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            rows.append(model(**given).last_hidden_state[0].mean(0).numpy())
    found = np.stack(rows)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module", params=list(WAYS))
def minilm(request: pytest.FixtureRequest) -> SentenceEncoder:
    way = str(request.param)
    return opened(WAYS[way] + MINILM, "auto" if way == "transformers" else way)


@pytest.fixture(scope="module")
def expected() -> Matrix:
    return plainly(locate(MINILM).location, TEXTS, 256)


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
def test_an_embedding_depends_on_its_text_alone(minilm: SentenceEncoder) -> None:
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
    (one, two) = (opened(f"openvino:{MINILM}"), opened(f"openvino:{MINILM}"))
    there = locate(MINILM).folder
    assert there is not None
    two.network = OpenVinoNetwork(convert_encoder(there, None, MINILM), MINILM, "auto", 2)
    assert np.array_equal(one.embed(TEXTS), two.embed(TEXTS))


def test_a_long_text_is_cut(minilm: SentenceEncoder) -> None:
    whole, cut, other = minilm.embed([LONG, LONG[: len(LONG) * 2 // 3], LONG[:400]])
    assert np.array_equal(whole, cut)  # 502 and 335 tokens
    assert not np.allclose(whole, other)


@pytest.mark.parametrize("backend", ["openvino:", "transformers:"])
def test_length_that_is_no_multiple_of_the_step(folder: Path, backend: str) -> None:
    texts = ["", "a", "abc xyz", "the quick brown fox jumps over it", "z" * 300]
    rows = opened(f"{backend}{folder}", "float32").embed(texts)
    assert np.allclose(rows, plainly(str(folder), texts, 22), atol=1e-5)
    assert opened(f"{backend}{folder}").embed([]).shape == (0, checkpoints.WIDTH)


class Counted:
    """A network that tells how many texts it was given, those that fill a tile included."""

    def __init__(self, network: Any) -> None:
        self.network, self.rows = network, 0
        self.how, self.dimensions, self.tokens = network.how, network.dimensions, network.tokens

    def means(self, tiles: Iterable[TokenBatch]) -> Iterator[Matrix]:
        given = list(tiles)
        self.rows += sum(len(tile.ids) for tile in given)
        yield from self.network.means(given)


def test_each_text_is_encoded_once_while_it_is_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = opened(f"openvino:{folder}")
    counted = Counted(encoder.network)
    encoder.network = counted
    first = encoder.embed(["one", "two", "one"])
    assert counted.rows == 32  # tokens of a tile, by eight of a text
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(encoder.embed(["two", "one"]), first[[1, 0]])
    assert counted.rows == 32
    monkeypatch.setattr(encoder.cache, "_limit", 2 * (32 + checkpoints.WIDTH * 4))
    many = [f"{word} {nth}" for nth, word in enumerate("abcde")]
    assert np.array_equal(encoder.embed([*many, "one"])[-1], first[0])
    assert encoder.cache._used <= 2 * (32 + checkpoints.WIDTH * 4)
    encoder.embed(["two"])
    assert counted.rows > 64


def test_backend_and_precision_are_reported(folder: Path) -> None:
    hardware = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert opened(str(folder)).how == f"openvino {'bfloat16' if hardware else 'float32'}"
    assert opened(str(folder), "float32").how == "openvino float32"
    assert opened(f"transformers:{folder}").how == "transformers float32"
    assert opened(f"transformers:{folder}", "bfloat16").how == "transformers bfloat16"
    with pytest.raises(ModelError, match="'vllm'"):
        opened(f"vllm:{folder}")
    with pytest.raises(ModelError, match="'mps'"):
        opened(f"openvino:{folder}", device="mps")
    models = OpenModels(Device(device="cpu"))
    assert models.embedder(str(folder)) is models.embedder(str(folder))
    assert models.embedder(f"transformers:{folder}") is not models.embedder(str(folder))


def test_without_openvino_transformers_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.models.embedding.sentences.available", lambda: False)
    assert opened(str(folder)).how == "transformers float32"
    with pytest.raises(ModelError, match="OpenVINO"):
        opened(f"openvino:{folder}")


def test_conversion_runs_once_without_telemetry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino_telemetry = pytest.importorskip("openvino_telemetry")

    def told(*given: object, **named: object) -> None:
        pytest.fail("OpenVINO reported the conversion.")

    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", told)
    first = opened(f"openvino:{folder}").embed(["one"])
    (made,) = (folder.parent / "cache" / "assay" / "models").iterdir()
    stamp = (made / "model.xml").stat().st_mtime_ns
    monkeypatch.setattr("assay.models.embedding.networks._convert", told)
    shutil.copytree(folder, folder.parent / "moved" / "bert")  # the same weights elsewhere
    assert np.array_equal(opened(f"openvino:{folder.parent}/moved/bert").embed(["one"]), first)
    assert (made / "model.xml").stat().st_mtime_ns == stamp


def test_other_weights_are_converted_anew(folder: Path) -> None:
    first = opened(str(folder)).embed(["one"])
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= -1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert not np.allclose(opened(str(folder)).embed(["one"]), first, atol=0.1)


def test_a_conversion_with_other_outputs_is_rejected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tracer could not follow is fixed as it was in the traced call."""
    from transformers import BertModel

    plain = BertModel.forward

    def shifted(self: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        found = plain(self, input_ids=input_ids, attention_mask=attention_mask)
        found.last_hidden_state = found.last_hidden_state + input_ids.shape[1] * (1 if input_ids.shape[1] > 9 else 0)
        return found

    monkeypatch.setattr(BertModel, "forward", shifted)
    with pytest.raises(ModelError, match="OpenVINO") as caught:
        opened(str(folder))
    assert f"transformers:{folder}" in str(caught.value)
    assert not list((folder.parent / "cache" / "assay" / "models").iterdir())


@pytest.mark.parametrize("backend", ["openvino:", "transformers:"])
def test_numbers_that_are_not_finite_are_an_error(folder: Path, backend: str) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = opened(f"{backend}{folder}")
    for _ in range(2):  # and it is not remembered
        with pytest.raises(ModelError, match="not finite"):
            encoder.embed(["one"])


@pytest.mark.parametrize(
    ("pooling", "taken"),
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
def test_only_mean_pooling_is_supported(folder: Path, pooling: dict[str, object], taken: bool) -> None:
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if taken:
        assert opened(f"transformers:{folder}")
    else:
        with pytest.raises(ModelError, match="pooling"):
            opened(f"transformers:{folder}")


def test_a_part_after_the_mean_is_refused(folder: Path) -> None:
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", "Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense"):
        opened(str(folder))


def test_a_model_from_the_hub_is_read_as_one_in_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its length and pooling were not looked at: 512 tokens and the mean were taken for granted."""
    here = folder.parent / "hub" / "models--some--bert"
    shutil.copytree(folder, here / "snapshots" / "abc")
    (here / "refs").mkdir()
    (here / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder.parent / "hub"))
    texts = ["one", "z" * 300]
    for backend in ("openvino:", "transformers:"):
        assert np.array_equal(opened(f"{backend}some/bert").embed(texts), opened(f"{backend}{folder}").embed(texts))
    (here / "snapshots" / "abc" / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    with pytest.raises(ModelError, match="'some/bert'"):
        opened("some/bert")


def test_another_kind_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ResNetForImageClassification"):
        opened(str(checkpoints.resnet(tmp_path / "resnet")))
