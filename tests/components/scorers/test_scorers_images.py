from __future__ import annotations

import numpy as np
import pytest

from assay.components.scorers.image.classifiers import ClassifierAgreement
from assay.components.scorers.image.clip import ClipMatch, ClipScore, ImageEmbedding
from assay.core.errors import FieldError, ModelError
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Label, Score, Unscored
from error_fields import raises
from labs import SHADES, Twin, broken, shade, shades, tiny_lab

MATCH = ClipMatch("tiny:twin", tuple(SHADES))


def mislabeled(sample: Sample, label: str) -> Sample:
    return Sample({**sample.fields, "label": label})


def test_match_is_the_softmax_over_the_whole_label_set() -> None:
    lab = tiny_lab()
    (sample,) = shades(lab, 1)[:1]
    twin = Twin()
    cosines = twin.embed_texts([f"a photo of a {name}" for name in SHADES]) @ twin.embed_images(lab.pixels([sample]))[0]
    weights = np.exp(20.0 * cosines.astype(float))
    probabilities = weights / weights.sum()
    (outcome,) = MATCH.score([sample], lab)
    assert isinstance(outcome, Score)
    assert outcome.value == pytest.approx(probabilities[0], abs=1e-5)
    assert outcome.evidence["margin"] == pytest.approx(probabilities[0] - np.sort(probabilities)[-2], abs=1e-5)
    assert outcome.evidence["cosine"] == pytest.approx(cosines[0], abs=1e-6)
    assert outcome.answer == "black"


def test_match_of_the_wrong_label_has_a_negative_margin() -> None:
    lab = tiny_lab()
    (outcome,) = MATCH.score([mislabeled(shades(lab, 1)[0], "white")], lab)
    assert isinstance(outcome, Score)
    assert outcome.value < 0.5
    assert outcome.evidence["margin"] < 0
    assert outcome.answer == "black"


def test_match_is_unscored_for_an_unknown_label() -> None:
    lab = tiny_lab()
    (outcome,) = MATCH.score([mislabeled(shades(lab, 1)[0], "green")], lab)
    assert isinstance(outcome, Unscored)
    assert outcome.cause == "not_applicable"
    assert "green" in outcome.reason


@pytest.mark.parametrize("labels", [(), ("black",), ("black", "black")])
def test_match_over_one_label_is_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"ClipMatch\.labels"):
        ClipMatch("tiny:twin", labels)


def test_match_text_has_the_right_article() -> None:
    assert MATCH.text("ankle boot") == "a photo of an ankle boot"
    assert MATCH.text("bag") == "a photo of a bag"
    with pytest.raises(ValueError, match=r"\{label\}"):
        ClipMatch("tiny:twin", ("a", "b"), template="a photo")


def test_clip_score_follows_equation_one() -> None:
    lab = tiny_lab()
    samples = shades(lab, 1)
    outcomes = ClipScore("tiny:twin").score(samples, lab)
    twin = Twin()
    for sample, outcome in zip(samples, outcomes, strict=True):
        text = twin.embed_texts([f"A photo depicts {sample.text('prompt')}"])[0]
        cosine = float(text @ twin.embed_images(lab.pixels([sample]))[0])
        assert isinstance(outcome, Score)
        assert outcome.value == pytest.approx(2.5 * max(cosine, 0.0), abs=1e-6)


def test_clip_score_is_clipped_for_each_image() -> None:
    lab = tiny_lab()
    strange = Sample({"prompt": "what?", "image": lab.images.put(shade(250))})
    (outcome,) = ClipScore("tiny:twin").score([strange], lab)
    assert isinstance(outcome, Score)
    assert outcome.value == 0.0
    assert outcome.evidence["cosine"] < 0


def test_agreement_values() -> None:
    lab = tiny_lab()
    black, grey, white = shades(lab, 1)
    outcomes = ClassifierAgreement("tiny:expert").score([black, grey, white, mislabeled(white, "black")], lab)
    assert all(isinstance(outcome, Label) for outcome in outcomes)
    values = [outcome.value for outcome in outcomes if isinstance(outcome, Label)]
    assert values == ["agrees", "not among its labels", "agrees", "disagrees"]
    answers = [outcome.answer for outcome in outcomes if isinstance(outcome, Label)]
    assert answers[2:] == ["white", "white"]
    assert all("confidence" in outcome.evidence for outcome in outcomes if isinstance(outcome, Label))
    assert "intended" not in getattr(outcomes[1], "evidence")  # noqa: B009 - an Outcome need not have one


def test_agreement_maps_labels() -> None:
    lab = tiny_lab()
    night = mislabeled(shades(lab, 1)[0], "night")
    scorer = ClassifierAgreement("tiny:expert", names={"night": ("black",)})
    (outcome,) = scorer.score([night], lab)
    assert isinstance(outcome, Label)
    assert outcome.value == "agrees"
    wrong = {"model": "tiny:expert", "key": "night", "label": "blak"}
    with raises(ModelError, name="ClassifierAgreement.names", **wrong) as caught:
        ClassifierAgreement("tiny:expert", names={"night": ("blak",)}).score([night], lab)
    assert "'black'" in caught.value.hint
    with pytest.raises(ValueError, match=r"ClassifierAgreement\.names .*'night'"):
        ClassifierAgreement("tiny:expert", names={"night": ()})


def test_embedding_is_the_encoders() -> None:
    lab = tiny_lab()
    sample = shades(lab, 1)[0]
    (outcome,) = ImageEmbedding("tiny:twin").score([sample], lab)
    assert outcome == Fingerprint(tuple(Twin().embed_images(lab.pixels([sample]))[0].tolist()))


def test_missing_field_raises() -> None:
    with pytest.raises(FieldError, match="'image'"):
        ImageEmbedding("tiny:twin").score([Sample({"imag": "x"})], tiny_lab())


def test_broken_image_is_unscored() -> None:
    lab = tiny_lab()
    good = shades(lab, 1)[0]
    for scorer in (MATCH, ClipScore("tiny:twin"), ClassifierAgreement("tiny:expert"), ImageEmbedding("tiny:twin")):
        first, second = scorer.score([broken(), good], lab)
        assert isinstance(first, Unscored)
        assert first.cause == "failed"
        assert "00000000" in first.reason
        assert [second] == list(scorer.score([good], lab))


def test_agreement_check_raises_for_missing_labels() -> None:
    seeds = [Sample({"label": "black"}), Sample({"label": "grey"})]
    with raises(ModelError, model="tiny:expert", labels=["grey"]):
        ClassifierAgreement(model="tiny:expert").check(seeds, tiny_lab())
    ClassifierAgreement(model="tiny:expert", absent="allow").check(seeds, tiny_lab())
    ClassifierAgreement(model="tiny:expert", names={"grey": ("black",)}).check(seeds, tiny_lab())
