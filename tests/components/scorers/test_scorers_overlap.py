"""Samples beside evaluation sets: by runs of words, and by sentence embeddings."""

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


def task(instruction: str, given: str = "", output: str = "72") -> Sample:
    return Sample({"instruction": instruction, "input": given, "output": output, "origin": QUESTION})


def score(scorer: Any, *samples: Sample) -> list[Outcome]:
    return list(scorer.score(samples, tiny_lab()))


def test_an_item_is_found_in_a_longer_sample_and_a_piece_of_one_in_itself(sets: Any) -> None:
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
    assert leaked.reason == (
        "input and question of Gsm8k gsm8k.jsonl:1 share 'natalia sold clips to 48 of her friends in april and then …'"
    )
    assert isinstance(piece, Score)
    assert piece.evidence == {"own": 1.0, "item": 11 / 22, "words": 11}
    assert free == Score(
        0.0, "no run of words is shared with an evaluation item", {"own": 0.0, "item": 0.0, "words": 0}
    )


def test_a_question_is_found_without_its_choices_and_a_choice_is_no_item(sets: Any) -> None:
    asked, chosen, short = score(
        NgramOverlap(sets),
        task(MUSCLE, output="The biceps."),
        task("What do we see of a ball in the head?", output="It is the white of the human eye."),
        task("Which beats? Hair, nail, heart or tooth!"),
    )
    assert isinstance(asked, Score)
    assert (asked.value, asked.reason[:40]) == (1.0, "instruction and question of Mmlu test/an")
    assert isinstance(chosen, Score)
    assert chosen.value == 0.0
    assert isinstance(short, Score)
    assert short.value == 0.0  # its words are the item's, but for "or": no run of six


def test_words_that_only_look_alike_in_another_order_are_no_run(sets: Any) -> None:
    words = QUESTION.split()
    (mixed,) = score(NgramOverlap(sets), task(" ".join(words[::-1])))
    assert isinstance(mixed, Score)
    assert mixed.value == 0.0


def test_korean_is_compared_by_twice_as_many_characters(sets: Any) -> None:
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
    assert short == Unscored("not_applicable", "No text of the sample has 6 words: too few to tell.")
    assert isinstance(blank, Unscored)


def test_named_fields_alone_are_compared(sets: Any) -> None:
    sample = task("Name three fruits that grow in Korea.", QUESTION)
    by_instruction, by_input = NgramOverlap(sets, ("instruction",)), NgramOverlap(sets, ("input",))
    assert [one.value for scorer in (by_instruction, by_input) for one in score(scorer, sample)] == [0.0, 1.0]  # type: ignore[union-attr]
    reasoning = NgramOverlap(sets, against_fields=("choice3",))
    (found,) = score(reasoning, task("See the white of the human eye."))
    assert isinstance(found, Score)
    assert found.value == 1.0


def test_the_nearest_item_by_embedding_is_named(sets: Any) -> None:
    same, other, blank = score(
        EmbeddingOverlap(sets, "tiny:letters"), task(QUESTION.upper()), task("zzzz zzz"), Sample({"output": " "})
    )
    assert isinstance(same, Score)
    assert same.value == pytest.approx(1.0)
    assert same.reason == (
        "instruction is nearest to question of Gsm8k gsm8k.jsonl:1: 'Natalia sold clips to 48 of her friends in April, "
        "and then …'"
    )
    assert isinstance(other, Score)
    assert other.value < 0.5
    assert blank == Unscored("not_applicable", "The sample has no text.")


@pytest.mark.full
def test_an_item_in_other_words_lies_nearer_than_another_question(sets: Any) -> None:
    said = "In April Natalia sold hair clips to forty-eight friends, in May half of that. What is the total she sold?"
    scorer = EmbeddingOverlap(sets)
    near, far = scorer.score([task(said), task("Write a poem about the sea and the men who sail it.")], real_lab())
    assert isinstance(near, Score)
    assert isinstance(far, Score)
    assert near.value > 0.8 > 0.4 > far.value
    (words,) = score(NgramOverlap(sets), task(said))
    assert isinstance(words, Score)
    assert words.value == 0.0


def test_test_items_hidden_among_real_tasks_are_found_and_no_others() -> None:
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
    values = [one.value if isinstance(one, Score) else 0.0 for one in outcomes]
    assert min(values[800:]) == 1.0
    assert max(values[:800]) < 0.5


@pytest.mark.parametrize("kind", [NgramOverlap, EmbeddingOverlap])
def test_mistakes_are_named(kind: Any, sets: Any) -> None:
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


def test_sources_within_a_component_are_written_and_read_as_any_other(sets: Any) -> None:
    scorer = NgramOverlap(sets)
    spec = json.loads(json.dumps(describe(scorer)))
    assert [one["use"] for one in spec["against"]] == ["Gsm8k", "Mmlu", "Texts"]
    assert spec["against"][0] == {"use": "Gsm8k", "path": sets[0].path, "limit": None}
    assert build("scorers", spec, "score.leaks") == scorer
    for wrong, told in (
        ({"use": "Gsm8k", "path": "a"}, r"score.leaks.against must be a list of sources, was \{"),
        ("gsm8k.jsonl", "score.leaks.against must be a list of sources, was 'gsm8k.jsonl'"),
        (None, "score.leaks"),
        ([], "NgramOverlap.against must be one or more sources"),
        ([spec["against"][0], {"use": "Gsmk8"}], "Did you mean 'Gsm8k'"),
        ([spec["against"][0], {"use": "Texts"}], r"score.leaks.against\[1\]: Texts needs 'path'"),
        ([{"use": "Novel"}], "filters"),
    ):
        with pytest.raises(RecipeError, match=told):
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


def test_a_run_drops_what_leaked_and_compares_again_when_the_items_change(tmp_path: Path) -> None:
    items = tmp_path / "items.txt"
    items.write_text("Something else is asked here.\n", encoding="utf-8")
    leaks = NgramOverlap((Texts(str(items)),), n=5, min_words=5)
    what = Recipe(
        "tasks", Tasks(), score={"leaks": leaks, "language": Language()}, keep=(Threshold("leaks", high=0.5),)
    )
    run(what, tmp_path / "run")
    made = samples_of(folder_of(tmp_path / "run", "generate"))
    assert explain_sample(tmp_path / "run", made[1].id)["kept"]
    items.write_text("Please say what the 1 planets are like, friend.\n", encoding="utf-8")
    run(what, tmp_path / "run")
    assert explain_sample(tmp_path / "run", made[0].id)["kept"]
    told = explain_sample(tmp_path / "run", made[1].id)
    assert told["fate"] == "dropped"
    assert re.match(r"leaks is 1: .*instruction .*\bTexts items\.txt:1\b", told["decision"]["reason"])
    assert re.match(r"en\b", told["outcomes"]["language"])
    assert re.search(
        r"instruction .*\bTexts items\.txt:1\b.*'say what the 1 planets are like'", told["outcomes"]["leaks"]
    )
