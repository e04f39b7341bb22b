"""Hallucination detection: Consistency, TokenUncertainty, Groundedness, and entailment of text pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import checkpoints
from assay.components.scorers.language_model.consistency import Consistency, Groundedness, TokenUncertainty
from assay.components.scorers.language_model.entailment import Entailment, pair_entailments
from assay.core.completions import Continuations, Message
from assay.core.errors import ModelError
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.models import Device, OpenModels
from assay.store.images import StoredImages
from error_fields import raises

SMOLLM2, MINILM = "embedded:smollm2", "embedded:minilm"


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(0, OpenModels(Device(device="cpu")), StoredImages([]))


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("nli")
    return str(checkpoints.text_classifier(folder, ("CONTRADICTION", "neutral", "Entailment")))


def score(scorer: Any, rows: Sequence[dict[str, str]], lab: Lab) -> list[Outcome]:
    return list(scorer.score([Sample(dict(row), nth=nth) for nth, row in enumerate(rows)], lab))


def value(outcome: Outcome) -> Score:
    assert isinstance(outcome, Score), outcome
    return outcome


FRANCE = {"instruction": "What is the capital of France?", "output": "The capital of France is Paris."}
MADE_UP = {
    "instruction": "What is the name of the third daughter of the baker of Zwurbenheim?",
    "output": "Her name is Ottilie Margarethe.",
}


def test_consistency_is_higher_for_a_known_fact(lab: Lab) -> None:
    factual, invented = map(value, score(Consistency(SMOLLM2, samples=4, max_tokens=24), [FRANCE, MADE_UP], lab))
    assert factual.value > invented.value
    assert factual.evidence["answers"] == 4


def test_measure_is_in_the_evidence(lab: Lab) -> None:
    result = value(score(Consistency(SMOLLM2, samples=3, max_tokens=12), [FRANCE], lab)[0])
    for measure in ("semantic-entropy", "discrete-entropy"):
        (other,) = score(Consistency(SMOLLM2, measure=measure, samples=3, max_tokens=12), [FRANCE], lab)  # type: ignore[arg-type]
        assert value(other).value == result.evidence[measure]
        assert Consistency(SMOLLM2, measure=measure).scale.better == "lower"  # type: ignore[arg-type]


def test_token_uncertainty_is_higher_for_a_wrong_answer(lab: Lab) -> None:
    wrong = {**FRANCE, "output": "The capital of France is Lima."}
    right, other = map(value, score(TokenUncertainty(SMOLLM2), [FRANCE, wrong], lab))
    assert right.value < other.value
    assert right.evidence["max"] < other.evidence["max"]


def test_token_uncertainty_is_the_negative_log_likelihood_per_token(lab: Lab) -> None:
    """`likelihoods` gives the sum of the log-probabilities that `TokenUncertainty` reads by token."""
    prompt = (Message("system", "Be brief."), Message("user", FRANCE["instruction"]))
    (likelihoods,) = lab.models.likelihood_model(SMOLLM2).likelihoods([Continuations(prompt, (FRANCE["output"],))])
    assert not hasattr(likelihoods, "lack")
    (likelihood,) = likelihoods  # type: ignore[misc]
    uncertainty = value(score(TokenUncertainty(SMOLLM2, system="Be brief."), [FRANCE], lab)[0])
    assert uncertainty.evidence["tokens"] == likelihood.tokens
    assert uncertainty.value == pytest.approx(-likelihood.log_prob / likelihood.tokens, abs=1e-4)
    assert uncertainty.evidence["max"] >= uncertainty.value
    assert uncertainty.evidence["max-entropy"] >= uncertainty.evidence["mean-entropy"] > 0


def test_groundedness_by_embeddings(lab: Lab) -> None:
    source = "The bridge was opened in 1932. It is made of steel. Trains and cars cross it every day."
    rows = [
        {"source": source, "output": "The bridge was opened in 1932."},
        {"source": source, "output": "The bridge is made of steel. Bananas grow well in warm countries."},
        {"source": "", "output": "Anything."},
        {"source": source, "output": " "},
        {"source": "It rains. " * 300, "output": "It rains."},
    ]
    whole, half, *none = score(Groundedness(), rows, lab)
    assert value(whole).value == 1.0
    assert value(half).value == 0.5
    assert "Bananas" in value(half).reason
    assert all(isinstance(outcome, Unscored) for outcome in none)
    assert "300 sentences" in getattr(none[-1], "reason", "")


def test_nli_entailment_by_label_names(lab: Lab, nli: str) -> None:
    pairs = [("abc", "abd"), ("xyz", "q"), ("abc", "abd")]
    entailments = pair_entailments(pairs, "nli", nli, lab)
    assert len(entailments) == 2
    model: Any = lab.models.text_classifier(nli)
    logits = model.pair_logits(pairs[:2]).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for pair, row in zip(pairs[:2], probabilities, strict=True):
        entailment = entailments[pair]
        assert isinstance(entailment, Entailment)
        assert entailment.entailed == pytest.approx(row[2])
        assert entailment.agrees == pytest.approx(row[2] / (row[0] + row[2]))
    # The two texts are told apart: not one text of both.
    assert not np.allclose(model.pair_logits([("abc", "abd")]), model.pair_logits([("abd", "abc")]))
    supported = score(Groundedness(nli, "nli", 0.01), [{"source": "abc. de", "output": "ab"}], lab)
    assert value(supported[0]).value == 1.0


def test_model_entailment_compares_yes_and_no(lab: Lab) -> None:
    pair = ("The cat is black.", "There is a black cat.")
    entailment = pair_entailments([pair], "model", SMOLLM2, lab)[pair]
    question = "Is the sentence supported by the context above? Answer Yes or No."
    prompt = f"Context: {pair[0]}\n\nSentence: {pair[1]}\n\n{question}"
    (likely,) = lab.models.likelihood_model(SMOLLM2).likelihoods(
        [Continuations((Message("user", prompt),), ("Yes", "No"))]
    )
    yes, no = (np.exp(likelihood.log_prob) for likelihood in likely)  # type: ignore[union-attr]
    assert isinstance(entailment, Entailment)
    assert entailment.entailed == entailment.agrees == pytest.approx(yes / (yes + no), rel=1e-6)


def test_classifier_without_nli_labels_raises(lab: Lab, tmp_path: Path) -> None:
    plain = str(checkpoints.text_classifier(tmp_path / "plain"))
    with raises(ModelError, model=plain, labels=tuple(lab.models.text_classifier(plain).labels)):
        pair_entailments([("a", "b")], "nli", plain, lab)


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "", "output": "Something."},
        {"instruction": "What?", "output": ""},
        {"instruction": " ", "output": "\n"},
    ],
    ids=["no question", "no answer", "neither"],
)
def test_empty_question_or_answer_is_unscored(lab: Lab, row: dict[str, str]) -> None:
    for scorer in (Consistency(SMOLLM2, samples=2, max_tokens=4), TokenUncertainty(SMOLLM2)):
        empty, other = score(scorer, [row, FRANCE], lab)
        assert isinstance(empty, Unscored)
        assert isinstance(other, Score)


def test_question_longer_than_the_context_is_unscored(lab: Lab) -> None:
    long = {"instruction": "비가 온다. " * 5000, "output": "Yes."}
    for scorer in (Consistency(SMOLLM2, samples=2, max_tokens=4), TokenUncertainty(SMOLLM2)):
        lacking, other = score(scorer, [long, FRANCE], lab)
        assert isinstance(lacking, Unscored)
        assert "context" in lacking.reason
        assert isinstance(other, Score)


def test_invalid_arguments_raise() -> None:
    for make, message in (
        (lambda: Consistency(SMOLLM2, samples=1), r"Consistency\.samples .*\b2\b.*\b1\b"),
        (lambda: Consistency(SMOLLM2, threshold=0.0), r"Consistency\.threshold .*\b0\b.*\b1\b.*\b0\.0\b"),
        (lambda: Consistency(SMOLLM2, by="guess"), r"\.by .*'guess'"),  # type: ignore[arg-type]
        (lambda: TokenUncertainty(SMOLLM2, "least"), r"\.measure .*'least'"),  # type: ignore[arg-type]
        (lambda: Groundedness(threshold=2.0), r"Groundedness\.threshold .*\b0\b.*\b1\b.*\b2\.0\b"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
