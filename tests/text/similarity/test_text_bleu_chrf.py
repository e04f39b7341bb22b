"""BLEU and chrF equal sacrebleu, with signatures."""

from __future__ import annotations

import pytest
import sacrebleu

from assay.text.similarity.bleu_chrf import bleu, chrf, corpus_score, sentence_score

TEXTS = ["the cat sat on the mat", "it rains cats and dogs today"]
REFERENCES = [["the cat is on the mat"], ["it is raining cats and dogs today"]]
STREAM = [[references[0] for references in REFERENCES]]


def test_numbers_are_those_of_sacrebleu() -> None:
    assert corpus_score(bleu(), TEXTS, REFERENCES).value == sacrebleu.corpus_bleu(TEXTS, STREAM).score
    assert corpus_score(chrf(), TEXTS, REFERENCES).value == sacrebleu.corpus_chrf(TEXTS, STREAM).score
    assert corpus_score(chrf(2), TEXTS, REFERENCES).value == sacrebleu.corpus_chrf(TEXTS, STREAM, word_order=2).score
    for text, references in zip(TEXTS, REFERENCES, strict=True):
        assert sentence_score(bleu(), text, references).value == sacrebleu.sentence_bleu(text, references).score
        assert sentence_score(chrf(), text, references).value == sacrebleu.sentence_chrf(text, references).score


def test_signatures_say_how_a_number_was_made() -> None:
    version = f"version:{sacrebleu.__version__}"
    single = sentence_score(bleu("char"), TEXTS[0], REFERENCES[0])
    assert single.signature == f"nrefs:1|case:mixed|eff:yes|tok:char|smooth:exp|{version}"
    several = corpus_score(bleu(), TEXTS, [REFERENCES[0], [*REFERENCES[1], "rain"]])
    assert several.signature == f"nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert sentence_score(chrf(2), *TEXTS[:1], REFERENCES[0]).signature.startswith(
        "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|"
    )


@pytest.mark.parametrize("text", ["서울은 큰 도시다", "把这句话翻译成英文", "ฉันรักแมวของฉัน", "short", "a b"])
def test_a_text_is_wholly_like_itself(text: str) -> None:
    assert sentence_score(chrf(), text, [text]).value == pytest.approx(100)
    assert sentence_score(bleu("char"), text, [text]).value == pytest.approx(100)
    assert sentence_score(bleu("char"), text, [text]).value <= 100


def test_an_empty_text_scores_nothing_and_no_reference_is_a_mistake() -> None:
    assert sentence_score(bleu(), "", ["a"]).value == sentence_score(chrf(), "", ["a"]).value == 0
    with pytest.raises(ValueError):  # noqa: PT011
        sentence_score(bleu(), "a", [])
    for texts, references in (([], []), (["a"], []), (["a"], [[]])):
        with pytest.raises(ValueError):  # noqa: PT011
            corpus_score(chrf(), texts, references)
