"""Sliding windows of both backends, compared with the loop of Hugging Face's page."""

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
from assay.models.text.log_probs import windowed_log_probs
from assay.text.decoding.perplexity import text_perplexity
from error_fields import raises

TEXT = "One fish, two fish, red fish, blue fish. 안녕하세요, 세계! def add(a, b):\n    return a + b\n" * 3


@pytest.fixture(scope="module")
def transformers() -> Any:
    return open_model("text-model", "transformers:embedded:smollm2", Device(device="cpu"))


def reference_perplexity(network: Any, ids: Sequence[int], window: int, stride: int) -> float:
    """Perplexity over windows, each weighted by its number of scored tokens."""
    total, count, scored_end = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        row = torch.tensor([list(ids[begin:end])])
        labels = row.clone()
        labels[:, : -(end - scored_end)] = -100
        with torch.inference_mode():
            loss = float(network(input_ids=row, labels=labels).loss)
        scored = int((labels[:, 1:] != -100).sum())
        total, count, scored_end = total + loss * scored, count + scored, end
        if end == len(ids):
            break
    return float(np.exp(total / count))


@pytest.mark.parametrize(("window", "stride"), [(32, 16), (32, 31), (20, 3), (1024, None)])
def test_windowed_perplexity_equals_reference(transformers: Any, window: int, stride: int | None) -> None:
    ids = transformers.tokens_of(TEXT)
    (result,) = windowed_log_probs(transformers, [TEXT], window=window, stride=stride)
    expected = reference_perplexity(transformers.model, ids, window, stride or window // 2)
    assert text_perplexity(TEXT, result.values).per_token == pytest.approx(expected, rel=1e-4)
    assert len(result.values) == len(ids)
    assert (result.window, result.stride) == (window, stride or window // 2)


def test_a_text_that_fits_has_one_window(transformers: Any) -> None:
    texts = [TEXT, "", "x", "Two words."]
    expected_results = transformers.log_probs(texts)
    for result, expected in zip(windowed_log_probs(transformers, texts), expected_results, strict=True):
        assert result.values == expected.values
        assert (result.windows, result.window, result.stride) == (len(expected.values) > 1, 8192, 4096)


def test_batches_do_not_change_log_probs(transformers: Any) -> None:
    alone = windowed_log_probs(transformers, [TEXT, TEXT[40:]], window=24, stride=8)
    transformers._batch_size = 4
    try:
        together = windowed_log_probs(transformers, [TEXT, TEXT[40:]], window=24, stride=8)
    finally:
        transformers._batch_size = 1
    for first, second in zip(alone, together, strict=True):
        assert np.allclose(first.values[1:], second.values[1:], atol=1e-3)  # type: ignore[arg-type]


def test_openvino_and_transformers_agree(transformers: Any) -> None:
    openvino = open_model("text-model", "openvino:embedded:smollm2", Device(device="cpu"))
    (actual,), (expected,) = (
        windowed_log_probs(model, [TEXT], window=32, stride=16) for model in (openvino, transformers)
    )
    assert actual.windows == expected.windows > 1
    assert np.allclose(actual.values[1:], expected.values[1:], atol=0.02)  # type: ignore[arg-type]


class NoLogProbs:
    """A model without log-probabilities, as of a service."""

    means = Capabilities()


class WithoutTokens:
    """A model with log-probabilities of texts, but no access to tokens."""

    means = Capabilities(log_probs=True, context=5)

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        return [LogProbs(tuple(text), (None, *[-1.0] * (len(text) - 1))) for text in texts]


class WithoutLimit(WithoutTokens):
    """A model without a maximum length."""

    longest = None

    def tokens_of(self, text: str) -> list[int]:
        return [ord(char) for char in text]

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        return [[-float(len(row))] * count for row, count in zip(rows, last, strict=True)]


def test_models_without_tokens_or_log_probs() -> None:
    with pytest.raises(ModelError):
        windowed_log_probs(NoLogProbs(), ["text"])  # type: ignore[arg-type]
    (result,) = windowed_log_probs(WithoutTokens(), ["text"])  # type: ignore[arg-type]
    assert (result.values, result.windows, result.stride) == ((None, -1.0, -1.0, -1.0), 1, None)
    assert isinstance(WithoutLimit(), TokenModel)
    endless: Any = WithoutLimit()
    short, empty = windowed_log_probs(endless, ["text", ""], stride=9)
    assert (short.values, short.windows, short.window) == ((None, -4.0, -4.0, -4.0), 1, None)
    assert (empty.values, empty.windows) == ((), 0)
    (long,) = windowed_log_probs(endless, ["texts!"], window=4, stride=2)
    assert (long.values, long.windows) == ((None, -4.0, -4.0, -4.0, -4.0, -4.0), 2)


@pytest.mark.parametrize(
    ("window", "stride", "fields"),
    [
        (8193, None, {"window": 8193, "maximum": 8192}),
        (8, 8, {"window": 8, "stride": 8}),
        (1, None, {"window": 1, "stride": 1}),
    ],
)
def test_invalid_windows_are_rejected(
    transformers: Any, window: int, stride: int | None, fields: dict[str, int]
) -> None:
    with raises(ModelError, **fields):
        windowed_log_probs(transformers, ["Two words."], window=window, stride=stride)


def test_many_windows_are_computed_in_parts_and_reported() -> None:
    progress: list[tuple[int, int]] = []
    (result,) = windowed_log_probs(
        WithoutLimit(),
        ["x" * 200],
        window=4,
        stride=2,
        on_progress=lambda count, total: progress.append((count, total)),
    )  # type: ignore[arg-type]
    assert result.windows == 99
    assert progress == [(64, 99), (99, 99)]
    assert len(result.values) == 200
