"""Texts longer than a window, by both backends, beside the loop of Hugging Face's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from assay.core.completions import Capabilities, LogProbs
from assay.core.errors import ModelError
from assay.core.model_kinds import TokenModel
from assay.models.loading import Device
from assay.models.registry import open_model
from assay.models.text.rolling import rolled
from assay.text.decoding.perplexity import text_perplexity

TEXT = "One fish, two fish, red fish, blue fish. 안녕하세요, 세계! def add(a, b):\n    return a + b\n" * 3


@pytest.fixture(scope="module")
def transformers() -> Any:
    return open_model("text-model", "transformers:embedded:smollm2", Device(device="cpu"))


def page(network: Any, ids: Sequence[int], window: int, stride: int) -> float:
    """Mean loss over the page's windows, each weighted by what its loss is a mean of."""
    total, count, done = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        row = torch.tensor([list(ids[begin:end])])
        labels = row.clone()
        labels[:, : -(end - done)] = -100
        with torch.inference_mode():
            loss = float(network(input_ids=row, labels=labels).loss)
        scored = int((labels[:, 1:] != -100).sum())
        total, count, done = total + loss * scored, count + scored, end
        if end == len(ids):
            break
    return float(np.exp(total / count))


@pytest.mark.parametrize(("window", "stride"), [(32, 16), (32, 31), (20, 3), (1024, None)])
def test_perplexity_by_windows_is_that_of_a_plain_loop(transformers: Any, window: int, stride: int | None) -> None:
    ids = transformers.tokens_of(TEXT)
    (read,) = rolled(transformers, [TEXT], window=window, stride=stride)
    expected = page(transformers.model, ids, window, stride or window // 2)
    assert text_perplexity(TEXT, read.values).per_token == pytest.approx(expected, rel=1e-4)
    assert len(read.values) == len(ids)
    assert (read.window, read.stride) == (window, stride or window // 2)


def test_a_text_that_fits_is_read_whole(transformers: Any) -> None:
    texts = [TEXT, "", "x", "Two words."]
    whole = transformers.log_probs(texts)
    for read, one in zip(rolled(transformers, texts), whole, strict=True):
        assert read.values == one.values
        assert (read.windows, read.window, read.stride) == (len(one.values) > 1, 8192, 4096)


def test_several_rows_at_once_are_read_as_each_alone(transformers: Any) -> None:
    alone = rolled(transformers, [TEXT, TEXT[40:]], window=24, stride=8)
    transformers._rows = 4
    try:
        together = rolled(transformers, [TEXT, TEXT[40:]], window=24, stride=8)
    finally:
        transformers._rows = 1
    for one, other in zip(alone, together, strict=True):
        assert np.allclose(one.values[1:], other.values[1:], atol=1e-3)  # type: ignore[arg-type]


def test_openvino_slides_as_transformers_does(transformers: Any) -> None:
    openvino = open_model("text-model", "openvino:embedded:smollm2", Device(device="cpu"))
    (ours,), (theirs,) = (rolled(one, [TEXT], window=32, stride=16) for one in (openvino, transformers))
    assert ours.windows == theirs.windows > 1
    assert np.allclose(ours.values[1:], theirs.values[1:], atol=0.02)  # type: ignore[arg-type]


class Mute:
    """A model behind a server that says nothing of probabilities."""

    means = Capabilities()


class Whole:
    """One that says them of texts and not of tokens."""

    means = Capabilities(log_probs=True, context=5)

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        return [LogProbs(tuple(text), (None, *[-1.0] * (len(text) - 1))) for text in texts]


class Endless(Whole):
    """One that takes texts of any length."""

    longest = None

    def tokens_of(self, text: str) -> list[int]:
        return [ord(one) for one in text]

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        return [[-float(len(row))] * count for row, count in zip(rows, last, strict=True)]


def test_models_that_know_less_are_asked_for_what_they_know() -> None:
    with pytest.raises(ModelError, match="does not say how probable"):
        rolled(Mute(), ["text"])  # type: ignore[arg-type]
    (read,) = rolled(Whole(), ["text"])  # type: ignore[arg-type]
    assert (read.values, read.windows, read.stride) == ((None, -1.0, -1.0, -1.0), 1, None)
    assert isinstance(Endless(), TokenModel)
    endless: Any = Endless()
    one, empty = rolled(endless, ["text", ""], stride=9)
    assert (one.values, one.windows, one.window) == ((None, -4.0, -4.0, -4.0), 1, None)
    assert (empty.values, empty.windows) == ((), 0)
    (cut,) = rolled(endless, ["texts!"], window=4, stride=2)
    assert (cut.values, cut.windows) == ((None, -4.0, -4.0, -4.0, -4.0, -4.0), 2)


@pytest.mark.parametrize(
    ("window", "stride", "told"),
    [(8193, None, "too long for the model, which takes 8192"), (8, 8, "It must be 1 to 7"), (1, None, "stride of 1")],
)
def test_windows_that_do_not_go_are_refused(transformers: Any, window: int, stride: int | None, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        rolled(transformers, ["Two words."], window=window, stride=stride)


def test_thousands_of_windows_are_asked_in_parts_and_told() -> None:
    heard: list[tuple[int, int]] = []
    (read,) = rolled(Endless(), ["x" * 200], window=4, stride=2, heard=lambda done, total: heard.append((done, total)))  # type: ignore[arg-type]
    assert read.windows == 99
    assert heard == [(64, 99), (99, 99)]
    assert len(read.values) == 200
