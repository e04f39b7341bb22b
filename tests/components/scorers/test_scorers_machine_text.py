"""Detectors of machine-generated text: equal to the published code on the same logits, and undecidable texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import checkpoints
from assay.components.scorers.language_model.machine_text import Binoculars, FastDetectGpt
from assay.components.sources.text.ai_texts import read_ai_texts
from assay.core.completions import TokenMoments
from assay.core.errors import ModelError, SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.models import Device, OpenModels
from assay.probes.machine_text.probe import calibrated_threshold, detector, evaluate_detector, score_texts
from assay.store.images import StoredImages
from assay.text.decoding.machine_text import binoculars, curvature, first_characters, undecidable_reason
from error_fields import raises
from shared_data import shared

SMOLLM2 = "embedded:smollm2"
ENGLISH = (
    "The old harbour was quiet in the morning. Two boats had come in during the night, and the men who sailed them "
    "sat on the wall and ate bread with cheese. Nobody asked where they came from. A dog ran along the water, stopped, "
    "looked at a gull for a long time and ran back to the houses, where a woman called it by a name I did not know."
)


@pytest.fixture(scope="module")
def models() -> OpenModels:
    return OpenModels(Device(device="cpu"))


def score(scorer: Any, texts: Sequence[str], models: OpenModels) -> list[Outcome]:
    return list(scorer.score([Sample({"text": text}) for text in texts], Lab(0, models, StoredImages([]))))


def logits_of(model: Any, ids: Sequence[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.model(input_ids=torch.tensor([list(ids)])).logits.double()


def direct_curvature(score_logits: torch.Tensor, reference_logits: torch.Tensor, ids: Sequence[int]) -> float:
    """`get_sampling_discrepancy_analytic` of the published code, in float64."""
    labels = torch.tensor([list(ids)])[:, 1:, None]
    score_logits, reference_logits = score_logits[:, :-1], reference_logits[:, :-1]
    lprobs, probs = torch.log_softmax(score_logits, dim=-1), torch.softmax(reference_logits, dim=-1)
    likelihood = lprobs.gather(dim=-1, index=labels).squeeze(-1)
    mean = (probs * lprobs).sum(dim=-1)
    variance = (probs * torch.square(lprobs)).sum(dim=-1) - torch.square(mean)
    return float((likelihood.sum(dim=-1) - mean.sum(dim=-1)) / variance.sum(dim=-1).sqrt())


def direct_binoculars(performer: torch.Tensor, observer: torch.Tensor, ids: Sequence[int]) -> float:
    """`perplexity` divided by `entropy` of the published code, without padding tokens."""
    loss = torch.nn.CrossEntropyLoss(reduction="none")
    labels = torch.tensor([list(ids)])[:, 1:]
    ppl = loss(performer[:, :-1].transpose(1, 2), labels).mean(1)
    width = observer.shape[-1]
    ce = loss(input=performer.view(-1, width), target=observer.softmax(-1).view(-1, width)).view(1, -1).mean(1)
    return float(ppl / ce)


def test_detectors_match_the_published_code(models: OpenModels) -> None:
    model: Any = models.likelihood_model(SMOLLM2)
    ids = model.tokens_of(ENGLISH)
    logits = logits_of(model, ids)
    (curvature_outcome,) = score(FastDetectGpt(SMOLLM2), [ENGLISH], models)
    (binoculars_outcome,) = score(Binoculars(SMOLLM2), [ENGLISH], models)
    assert isinstance(curvature_outcome, Score)
    assert isinstance(binoculars_outcome, Score)
    assert curvature_outcome.value == pytest.approx(direct_curvature(logits, logits, ids), abs=1e-6)
    assert binoculars_outcome.value == pytest.approx(direct_binoculars(logits, logits, ids), abs=1e-6)
    assert curvature_outcome.evidence["tokens"] == len(ids) == binoculars_outcome.evidence["tokens"]


def test_detectors_with_two_models(models: OpenModels, tmp_path: Path) -> None:
    first_folder = str(checkpoints.chat(tmp_path / "one", dtype=torch.float32))
    second_folder = str(checkpoints.chat(tmp_path / "other", dtype=torch.float32, num_hidden_layers=1))
    first: Any = models.likelihood_model(first_folder)
    second: Any = models.likelihood_model(second_folder)
    ids = first.tokens_of(ENGLISH)
    score_logits, reference_logits = logits_of(first, ids), logits_of(second, ids)
    (curvature_outcome,) = score(FastDetectGpt(first_folder, second_folder), [ENGLISH], models)
    (binoculars_outcome,) = score(Binoculars(first_folder, second_folder), [ENGLISH], models)
    assert isinstance(curvature_outcome, Score)
    assert isinstance(binoculars_outcome, Score)
    assert curvature_outcome.value == pytest.approx(direct_curvature(score_logits, reference_logits, ids), abs=1e-6)
    assert binoculars_outcome.value == pytest.approx(direct_binoculars(score_logits, reference_logits, ids), abs=1e-6)
    assert curvature_outcome.value != pytest.approx(direct_curvature(reference_logits, score_logits, ids), abs=1e-3)


def test_models_with_different_tokenizers_raise(models: OpenModels, tmp_path: Path) -> None:
    folder = str(checkpoints.chat(tmp_path / "one"))
    with raises(ModelError, model=SMOLLM2, writer=folder):
        score(FastDetectGpt(SMOLLM2, folder), [ENGLISH], models)


MOMENTS = st.lists(st.tuples(st.floats(-20, 0), st.floats(-20, -0.01), st.floats(0, 50)), min_size=1, max_size=30)


@given(MOMENTS)
def test_statistics_follow_their_definitions(rows: list[tuple[float, float, float]]) -> None:
    log_probs, means, spread = (tuple(column) for column in zip(*rows, strict=True))
    moments = TokenMoments(log_probs[:-1], means, spread)
    curvature_value, binoculars_value = curvature(moments), binoculars(moments)
    if len(rows) == 1 or sum(spread[:-1]) <= 0:
        assert curvature_value is None
    else:
        expected = (np.sum(log_probs[:-1]) - np.sum(means[:-1])) / np.sqrt(np.sum(spread[:-1]))
        assert curvature_value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if len(rows) > 1:
        assert binoculars_value == pytest.approx(np.mean(log_probs[:-1]) / np.mean(means), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The text has 0 words"),
        ("Ten words are far too few to tell anything from.", "The text has 10 words"),
        ("나는 오늘 학교에 가서 친구를 만났다. " * 20, "The text reads as 'ko'"),
        ("ذهبت اليوم إلى المدرسة وقابلت صديقي هناك. " * 20, "The text reads as 'ar'"),
        ("12 34 56 " * 40, "The text has no letters."),
    ],
    ids=["empty", "ten words", "korean", "arabic", "numbers"],
)
def test_undecidable_text_is_unscored(models: OpenModels, text: str, reason: str) -> None:
    outcomes = score(FastDetectGpt(SMOLLM2, tokens=64), [text, ENGLISH], models)
    assert isinstance(outcomes[0], Unscored)
    assert outcomes[0].reason.startswith(reason)
    assert isinstance(outcomes[1], Score)


def test_long_text_is_truncated(models: OpenModels) -> None:
    long = f"{ENGLISH} " * (10_000_000 // len(ENGLISH))
    short = f"{ENGLISH} " * 5
    (whole,), (some,) = (score(FastDetectGpt(SMOLLM2, tokens=128), [text], models) for text in (long, short))
    assert whole == some
    assert not undecidable_reason(long, 50, ("en",))
    assert undecidable_reason("x" * 10_000_000, 50, ("en",)).startswith("The text has 1 words")
    assert len(first_characters(long, 512)) < 40_000


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"FastDetectGpt\.tokens .*1"):
        FastDetectGpt(SMOLLM2, tokens=1)
    with pytest.raises(ValueError, match=r"Binoculars\.languages"):
        Binoculars(SMOLLM2, languages=())


def test_read_ai_texts(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    for held, message in (
        ({"original": ["a"], "samples": ["b"]}, "'sampled'"),
        ({"original": ["a"], "sampled": ["b", "c"]}, r"\b1 original\b.*\b2 sampled\b"),
        ({"original": [], "sampled": []}, r"\b0 original\b.*\b0 sampled\b"),
        ({"original": [3], "sampled": ["b"]}, r"original\[0\] .*\btext\b.*\b3\b"),
        ({"original": ["\ud800"], "sampled": ["b"]}, r"original\[0\] .*\btext\b"),
        ({"original": "a", "sampled": ["b"]}, r"\boriginal .*\blist\b.*'a'"),
        ([1], "'original'"),
    ):
        path.write_text(json.dumps(held))
        with pytest.raises(SourceError, match=message):
            read_ai_texts(path)
    path.write_text(json.dumps({"original": ["a"], "sampled": ["b"]}))
    assert read_ai_texts(path).machine == ("b",)


def test_detectors_flag_greedy_text_of_the_model(models: OpenModels) -> None:
    """Both detectors flag greedy text of the model, and not human-written text."""
    generated = (
        "The history of the city is long and complex. The city was founded in the 12th century and has been a center "
        "of trade and commerce for centuries. The city has a rich cultural heritage, with many museums, galleries, and "
        "historical sites. The city is also known for its beautiful architecture and is a popular destination for "
        "tourists from all over the world."
    )
    for method in ("fast-detectgpt", "binoculars"):
        probe = detector(method, SMOLLM2, "")  # type: ignore[arg-type]
        people, machine = score_texts(probe, [ENGLISH], models), score_texts(probe, [generated], models)
        evaluation = evaluate_detector(probe, people, machine, 0.05)
        assert evaluation.auroc.estimate == 1.0
        assert evaluation.auroc.low is None
        assert evaluation.line is None


def test_calibrated_threshold() -> None:
    probe = detector("binoculars", SMOLLM2, "")
    people: list[Outcome] = [Score(0.9 + nth / 1000) for nth in range(99)]
    line = calibrated_threshold(probe, people, 0.05, [-0.8, -0.95])
    assert line.at == pytest.approx(-0.904)  # four of 99 lie below
    assert line.found is not None
    assert line.found.estimate == 0.5
    assert 0.01 < line.false.estimate < 0.09


def test_detector_beats_chance_on_published_pairs(models: OpenModels) -> None:
    """Eight pairs of stories; benchmarks/machine_text.py runs the whole file."""
    texts = read_ai_texts(shared("ai-text") / "ai-text" / "writing_gpt-3.5-turbo.json")
    probe = FastDetectGpt(SMOLLM2, tokens=200)
    people, machine = score_texts(probe, texts.people[:8], models), score_texts(probe, texts.machine[:8], models)
    evaluation = evaluate_detector(probe, people, machine, 0.05)
    assert evaluation.people == 8
    assert evaluation.auroc.estimate > 0.5
