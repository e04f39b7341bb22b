from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.components.evaluators.ood_scores import OodScores
from assay.core.errors import RecipeError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.stats import detection
from assay.stats.confidence.ood_scores import energy, fit_vim, knn_distance, max_logit
from error_fields import raises
from labs import SHADES, broken, shade, tiny_lab

EXPERT = Artifact("tiny:expert", "image-classifier", "none")


def squares(lab: object, value: int, count: int, part: str, first: int = 0) -> list[Sample]:
    images = lab.images  # type: ignore[attr-defined]
    return [
        Sample({"label": "x", "part": part, "image": images.put(shade(value, seed=first + nth))}, nth=nth)
        for nth in range(count)
    ]


def test_ood_inputs_score_lower() -> None:
    lab = tiny_lab()
    fit = [*squares(lab, 20, 20, "fit"), *squares(lab, 230, 20, "fit")]
    in_distribution = [*squares(lab, 20, 20, "known", 50), *squares(lab, 230, 20, "known", 50)]
    grey = squares(lab, SHADES["grey"], 20, "grey")
    for method in ("max-logit", "energy", "nearest", "vim"):
        outcomes = OodScores(method=method, k=5).evaluate(EXPERT, [*fit, *in_distribution, *grey], lab)  # type: ignore[arg-type]
        scores = [outcome.value for outcome in outcomes if isinstance(outcome, Score)]
        assert detection(scores[40:80], scores[80:]).auroc.estimate > 0.95, method


def test_scores_equal_their_functions() -> None:
    lab = tiny_lab()
    samples = [*squares(lab, 20, 8, "fit"), *squares(lab, 230, 8, "fit"), *squares(lab, 120, 3, "stranger")]
    model = lab.models.classifier("tiny:expert")
    images = lab.pixels(samples)
    features, logits = model.features(images), model.logits(images)
    weight, bias = model.head()
    assert np.allclose(features @ weight.T + bias, logits, atol=1e-5)
    outcomes = OodScores(method="vim", k=2).evaluate(EXPERT, samples, lab)
    expected = {
        "max-logit": max_logit(logits),
        "energy": energy(logits),
        "nearest": knn_distance(features, features[:16], 2),
        "vim": fit_vim(features[:16], logits[:16], weight, bias, 2)(features, logits),
    }
    for nth, outcome in enumerate(outcomes):
        assert isinstance(outcome, Score)
        assert outcome.value == outcome.evidence["vim"]
        for name, column in expected.items():
            assert outcome.evidence[name] == pytest.approx(column[nth], abs=1e-4)
        assert 0.5 <= outcome.evidence["confidence"] <= 1
        assert outcome.answer in ("white", "black")


def test_unreadable_image_is_unscored() -> None:
    lab = tiny_lab()
    lost = replace(broken(), fields={**broken().fields, "part": "fit"})
    outcomes = OodScores().evaluate(EXPERT, [lost, *squares(lab, 20, 3, "known")], lab)
    assert isinstance(outcomes[0], Unscored)
    assert all(isinstance(outcome, Score) for outcome in outcomes[1:])
    assert OodScores().evaluate(EXPERT, [], lab) == []


def test_missing_fit_samples_raise() -> None:
    lab = tiny_lab()
    with raises(RecipeError, method="vim", needed=10, samples=0):
        OodScores(method="vim").evaluate(EXPERT, squares(lab, 20, 3, "known"), lab)
    with pytest.raises(ValueError, match=r"OodScores\.method"):
        OodScores(method="odds")  # type: ignore[arg-type]
