"""Contamination: NgramOverlap and EmbeddingOverlap."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from assay.components.filters.threshold import Threshold
from assay.components.scorers.contamination.embedding_overlap import EmbeddingOverlap
from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.scorers.text.language import Language
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.text.texts import Texts
from assay.core.errors import FieldError, RecipeError, SourceError
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.sample import Made, Sample
from assay.core.score import Outcome, Score, Unscored
from assay.pipeline.lineage.explain import explain_sample
from assay.pipeline.recipe.spec import build, describe
from assay.pipeline.stages.parts import samples_of
from error_fields import raises
from labs import real_lab, tiny_lab
from run_parts import folder_of, run
from shared_data import shared

QUESTION = "Natalia sold clips to 48 of her friends in April, and then half as many in May. How many did she sell?"
MUSCLE = "Which one of these tissues is a muscle of the upper arm?"
KOREAN = "한국의 수도인 서울에는 얼마나 많은 사람이 살고 있습니까?"


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Gsm8k, Mmlu, Texts]:
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "48 + 24.\n#### 72"}))
    (tmp_path / "mmlu" / "test").mkdir(parents=True)
    rows = (
        f"question,choice0,choice1,choice2,choice3,answer\n{MUSCLE},biceps,femur,liver,the white of the human eye,0\n"
    )
    (tmp_path / "mmlu" / "test" / "anatomy.csv").write_text(f"{rows}Which beats?,hair,nail,heart,tooth,2\n")
    (tmp_path / "tasks.txt").write_text(f"{KOREAN}\n", encoding="utf-8")
    return Gsm8k(str(tmp_path / "gsm8k.jsonl")), Mmlu(str(tmp_path / "mmlu")), Texts(str(tmp_path / "tasks.txt"))


def task(instruction: str, input_text: str = "", output: str = "72") -> Sample:
    return Sample({"instruction": instruction, "input": input_text, "output": output, "origin": QUESTION})


def score(scorer: Any, *samples: Sample) -> list[Outcome]:
    return list(scorer.score(samples, tiny_lab()))


def test_ngram_overlap_of_longer_and_partial_samples(sets: Any) -> None:
    scorer = NgramOverlap(sets)
    leaked, piece, free = score(
        scorer,
        task("Solve this for me, please, and say why:", f"My teacher asked: {QUESTION.lower()} I think it is 72."),
        task("Sold clips to 48 of her friends in April and then!"),
        task("Write a poem about the sea and the men who sail it at night."),
    )
    assert isinstance(leaked, Score)
    assert leaked.value == 1.0
    assert leaked.evidence == {"own": 22 / 30, "item": 1.0, "words": 22}
    quote = "natalia sold clips to 48 of her friends in april and then …"
    assert re.match(rf"input .*\bquestion .*\bGsm8k gsm8k\.jsonl:1 .*'{quote}'", leaked.reason)
    assert isinstance(piece, Score)
    assert piece.evidence == {"own": 1.0, "item": 11 / 22, "words": 11}
    assert isinstance(free, Score)
    assert (free.value, free.evidence) == (0.0, {"own": 0.0, "item": 0.0, "words": 0})


def test_question_matches_without_its_choices(sets: Any) -> None:
    question, choice, short = score(
        NgramOverlap(sets),
        task(MUSCLE, output="The biceps."),
        task("What do we see of a ball in the head?", output="It is the white of the human eye."),
        task("Which beats? Hair, nail, heart or tooth!"),
    )
    assert isinstance(question, Score)
    assert question.value == 1.0
    assert re.match(r"instruction .*\bquestion .*\bMmlu test/an", question.reason)
    assert isinstance(choice, Score)
    assert choice.value == 0.0
    assert isinstance(short, Score)
    assert short.value == 0.0  # its words are the item's, but for "or": no run of six


def test_reordered_words_do_not_match(sets: Any) -> None:
    words = QUESTION.split()
    (mixed,) = score(NgramOverlap(sets), task(" ".join(words[::-1])))
    assert isinstance(mixed, Score)
    assert mixed.value == 0.0


def test_korean_needs_twice_as_many_characters(sets: Any) -> None:
    whole, part, other = score(
        NgramOverlap(sets),
        task("다음 물음에 답해 주십시오.", f"{KOREAN} 짧게 답하십시오.", "구백만 명입니다"),
        task("한국의 수도인 서울에는 무엇이 있는지 알려 주십시오.", "", "궁이 있다"),
        task("부산의 바다에서 먹을 수 있는 음식을 알려 주십시오.", "", "회"),
    )
    assert isinstance(whole, Score)
    assert whole.value == 1.0
    assert "한국의수도인" in whole.reason
    assert isinstance(part, Score)
    assert part.value == 0.0  # ten syllables: fewer than sixteen
    assert isinstance(other, Score)
    assert other.value == 0.0


def test_too_few_words_are_unscored(sets: Any) -> None:
    short, blank = score(NgramOverlap(sets), task("Name three fruits."), Sample({"output": " "}))
    for outcome in (short, blank):
        assert isinstance(outcome, Unscored)
        assert outcome.cause == "not_applicable"
        assert "6" in outcome.reason


def test_field_arguments(sets: Any) -> None:
    sample = task("Name three fruits that grow in Korea.", QUESTION)
    by_instruction, by_input = NgramOverlap(sets, ("instruction",)), NgramOverlap(sets, ("input",))
    assert [outcome.value for scorer in (by_instruction, by_input) for outcome in score(scorer, sample)] == [0.0, 1.0]  # type: ignore[union-attr]
    reasoning = NgramOverlap(sets, against_fields=("choice3",))
    (outcome,) = score(reasoning, task("See the white of the human eye."))
    assert isinstance(outcome, Score)
    assert outcome.value == 1.0


def test_embedding_overlap_names_the_nearest_item(sets: Any) -> None:
    same, other, blank = score(
        EmbeddingOverlap(sets, "tiny:letters"), task(QUESTION.upper()), task("zzzz zzz"), Sample({"output": " "})
    )
    assert isinstance(same, Score)
    assert same.value == pytest.approx(1.0)
    quote = "Natalia sold clips to 48 of her friends in April, and then …"
    assert re.match(rf"instruction .*\bquestion .*\bGsm8k gsm8k\.jsonl:1\b.*'{quote}'", same.reason)
    assert isinstance(other, Score)
    assert other.value < 0.5
    assert isinstance(blank, Unscored)
    assert blank.cause == "not_applicable"


@pytest.mark.full
def test_embedding_overlap_of_a_paraphrase(sets: Any) -> None:
    text = "In April Natalia sold hair clips to forty-eight friends, in May half of that. What is the total she sold?"
    scorer = EmbeddingOverlap(sets)
    near, far = scorer.score([task(text), task("Write a poem about the sea and the men who sail it.")], real_lab())
    assert isinstance(near, Score)
    assert isinstance(far, Score)
    assert near.value > 0.8 > 0.4 > far.value
    (words,) = score(NgramOverlap(sets), task(text))
    assert isinstance(words, Score)
    assert words.value == 0.0


def test_planted_test_items_are_found_in_alpaca() -> None:
    data = shared("alpaca-9k.jsonl", "gsm8k-test.jsonl")
    rows = [json.loads(line) for line in (data / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()[:800]]
    problems = [
        json.loads(line)["question"] for line in (data / "gsm8k-test.jsonl").read_text("utf-8").splitlines()[:40]
    ]
    clean = [Sample(row) for row in rows]
    hidden = [
        task("Answer the following.", f"A friend of mine asks: {text} Please help.", "So be it.") for text in problems
    ]
    outcomes = score(NgramOverlap((Gsm8k(str(data / "gsm8k-test.jsonl")),)), *clean, *hidden)
    values = [outcome.value if isinstance(outcome, Score) else 0.0 for outcome in outcomes]
    assert min(values[800:]) == 1.0
    assert max(values[:800]) < 0.5


@pytest.mark.parametrize("kind", [NgramOverlap, EmbeddingOverlap])
def test_invalid_arguments_raise(kind: Any, sets: Any) -> None:
    name = kind.__name__
    for wrong in ((), sets[0], ("gsm8k.jsonl",)):
        with pytest.raises(ValueError, match=rf"{name}\.against .*{re.escape(repr(wrong))}"):
            kind(wrong)
    for field in ("fields", "against_fields"):
        with pytest.raises(ValueError, match=rf"{name}\.{field} .*'a', 'a'"):
            kind(sets, **{field: ("a", "a")})
    with pytest.raises(ValueError, match=rf"{name}\.min_words .*\b0\b"):
        kind(sets, min_words=0)
    with pytest.raises(ValueError, match=r"NgramOverlap\.n .*5"):
        NgramOverlap(sets, n=5)
    model = {} if kind is NgramOverlap else {"model": "tiny:letters"}
    with raises(FieldError, name="outptu", value=None):
        score(kind(sets, fields=("outptu",), **model), task("a"))
    with raises(FieldError, names=("questoin",)):
        score(kind(sets, against_fields=("questoin",), **model))
    with raises(SourceError, path="nowhere.txt"):
        score(kind((Texts("nowhere.txt"),), **model))


def test_sources_in_a_spec_round_trip(sets: Any) -> None:
    scorer = NgramOverlap(sets)
    spec = json.loads(json.dumps(describe(scorer)))
    assert [source["use"] for source in spec["against"]] == ["Gsm8k", "Mmlu", "Texts"]
    assert spec["against"][0] == {"use": "Gsm8k", "path": sets[0].path, "limit": None}
    assert build("scorers", spec, "score.leaks") == scorer
    for wrong, message in (
        ({"use": "Gsm8k", "path": "a"}, r"score\.leaks\.against .*\blist\b.*\{"),
        ("gsm8k.jsonl", r"score\.leaks\.against .*\blist\b.*'gsm8k\.jsonl'"),
        (None, "score.leaks"),
        ([], r"NgramOverlap\.against\b"),
        ([spec["against"][0], {"use": "Gsmk8"}], r"'Gsmk8'(?s:.*)'Gsm8k'"),
        ([spec["against"][0], {"use": "Texts"}], r"score\.leaks\.against\[1\].*\bTexts\b.*'path'"),
        ([{"use": "Novel"}], "filters"),
    ):
        with pytest.raises(RecipeError, match=message):
            build("scorers", spec | {"against": wrong}, "score.leaks")


@dataclass(frozen=True)
class Tasks:
    """A few instructions."""

    version: ClassVar[int] = 1

    def seeds(self) -> list[Sample]:
        return [Sample({"nth": str(nth)}, made_by="Tasks") for nth in range(3)]

    def generate(self, seeds: Any, lab: Lab) -> list[Made]:
        return [
            Sample({"instruction": f"Say what the {seed.text('nth')} planets are like."}, (seed.id,), "Tasks")
            for seed in seeds
        ]


def test_run_drops_leaks_and_rescores_after_a_change(tmp_path: Path) -> None:
    items = tmp_path / "items.txt"
    items.write_text("Something else is asked here.\n", encoding="utf-8")
    leaks = NgramOverlap((Texts(str(items)),), n=5, min_words=5)
    recipe = Recipe(
        "tasks", Tasks(), score={"leaks": leaks, "language": Language()}, keep=(Threshold("leaks", high=0.5),)
    )
    run(recipe, tmp_path / "run")
    generated = samples_of(folder_of(tmp_path / "run", "generate"))
    assert explain_sample(tmp_path / "run", generated[1].id)["kept"]
    items.write_text("Please say what the 1 planets are like, friend.\n", encoding="utf-8")
    run(recipe, tmp_path / "run")
    assert explain_sample(tmp_path / "run", generated[0].id)["kept"]
    explanation = explain_sample(tmp_path / "run", generated[1].id)
    assert explanation["fate"] == "dropped"
    assert re.match(r"leaks is 1: .*instruction .*\bTexts items\.txt:1\b", explanation["decision"]["reason"])
    assert re.match(r"en\b", explanation["outcomes"]["language"])
    assert re.search(
        r"instruction .*\bTexts items\.txt:1\b.*'say what the 1 planets are like'", explanation["outcomes"]["leaks"]
    )
