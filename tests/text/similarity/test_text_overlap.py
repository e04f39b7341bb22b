"""BLEU and chrF are sacrebleu's, and say how they were made."""

from __future__ import annotations

import pytest
import sacrebleu

from assay.text.similarity.bleu_chrf import bleu, chrf, of_corpus, of_text

TEXTS = ["the cat sat on the mat", "it rains cats and dogs today"]
REFERENCES = [["the cat is on the mat"], ["it is raining cats and dogs today"]]
STREAM = [[own[0] for own in REFERENCES]]


def test_numbers_are_those_of_sacrebleu() -> None:
    assert of_corpus(bleu(), TEXTS, REFERENCES).value == sacrebleu.corpus_bleu(TEXTS, STREAM).score
    assert of_corpus(chrf(), TEXTS, REFERENCES).value == sacrebleu.corpus_chrf(TEXTS, STREAM).score
    assert of_corpus(chrf(2), TEXTS, REFERENCES).value == sacrebleu.corpus_chrf(TEXTS, STREAM, word_order=2).score
    for text, own in zip(TEXTS, REFERENCES, strict=True):
        assert of_text(bleu(), text, own).value == sacrebleu.sentence_bleu(text, own).score
        assert of_text(chrf(), text, own).value == sacrebleu.sentence_chrf(text, own).score


def test_signatures_say_how_a_number_was_made() -> None:
    version = f"version:{sacrebleu.__version__}"
    one = of_text(bleu("char"), TEXTS[0], REFERENCES[0])
    assert one.signature == f"nrefs:1|case:mixed|eff:yes|tok:char|smooth:exp|{version}"
    several = of_corpus(bleu(), TEXTS, [REFERENCES[0], [*REFERENCES[1], "rain"]])
    assert several.signature == f"nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert of_text(chrf(2), *TEXTS[:1], REFERENCES[0]).signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:2|")


@pytest.mark.parametrize("text", ["서울은 큰 도시다", "把这句话翻译成英文", "ฉันรักแมวของฉัน", "short", "a b"])
def test_a_text_is_wholly_like_itself(text: str) -> None:
    assert of_text(chrf(), text, [text]).value == pytest.approx(100)
    assert of_text(bleu("char"), text, [text]).value == pytest.approx(100)
    assert of_text(bleu("char"), text, [text]).value <= 100


def test_an_empty_text_scores_nothing_and_no_reference_is_a_mistake() -> None:
    assert of_text(bleu(), "", ["a"]).value == of_text(chrf(), "", ["a"]).value == 0
    with pytest.raises(ValueError, match="no reference"):
        of_text(bleu(), "a", [])
    for texts, references in (([], []), (["a"], []), (["a"], [[]])):
        with pytest.raises(ValueError, match="need references"):
            of_corpus(chrf(), texts, references)
