"""The page of an evaluation: what it says first, that it has every number, and that no text of a model is believed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from eval_example import CITIES, SUMS, Pupil, evaluated, page_of

from assay.analysis.format import count, p_value, percent, percent_between, points, points_between
from assay.analysis.measures import between, value
from assay.core.score import Score
from assay.evaluation.ask_cells import rendered_prompt
from assay.evaluation.examples import EXAMPLES_PER_KIND, examples
from assay.evaluation.findings import by_subject, caution, finding, metric_name, more_data, truncated
from assay.evaluation.metrics import text_metric
from assay.evaluation.report import render_eval
from assay.evaluation.results import comparisons, result
from assay.evaluation.run import EvaluatedCell
from page_parts import CHROMIUM, HOSTILE, KOREAN, fits, shot, stands_alone, words

Made = tuple[list[EvaluatedCell], str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("eval")
    pupils = {"good": Pupil(38), f"bad {HOSTILE}": Pupil(20, 1)}
    filled = evaluated(folder, pupils, {"sums": SUMS, "cities": CITIES}, ["zero-shot", "letter"])
    return filled, page_of(filled)


def said(filled: list[EvaluatedCell]) -> tuple[str, str]:
    found = finding(filled, [result(one) for one in filled], comparisons(filled))
    return found.headline, " ".join(found.sentences).replace("\u00a0", " ")


def test_the_page_stands_alone_and_believes_no_text(made: Made) -> None:
    stands_alone(made[1])
    assert "<script" not in made[1]
    assert "alert(&#34;1&#34;)" in made[1]
    assert KOREAN in words(made[1])


def test_every_number_is_on_the_page(made: Made) -> None:
    filled, page = made
    text = words(page)
    for one in map(result, filled):
        assert one.prompt in text
        assert f"{count(one.scored)} of {count(one.n)}" in text
        if one.accuracy is not None:
            assert percent(one.accuracy.estimate).replace("\u00a0", " ") in text
            assert percent_between(one.accuracy) in text
    for pair in comparisons(filled):
        effect = pair.compared.effect
        assert points(effect).replace("\u00a0", " ") in text
        assert points_between(effect) in text
        assert p_value(pair.compared.adjusted_p).replace("\u00a0", " ") in text
    for own in (own for one in filled for own in by_subject(one)):
        assert own.name.replace("_", " ") in text
    assert re.search(r"\b33 tokens\b", text)
    assert "assay 1.2.3" in text


def test_what_the_page_adds_is_in_results_json(made: Made) -> None:
    filled, page = made
    found = finding(filled, [result(one) for one in filled], comparisons(filled))
    data = json.loads(json.dumps(more_data(filled, found), allow_nan=False))
    assert data["finding"]["headline"] == found.headline
    assert found.headline in words(page)
    cities = [one for one in data["subjects"] if one["model"] == "good" and one["prompt"] == "letter"]
    assert [own["n"] for own in cities[0]["subjects"]] == [6, 6, 6]
    assert data["truncated"][0] == {
        "model": "good", "task": "sums", "prompt": "zero-shot", "decoding": "greedy", "metric": "accuracy",
        "answers": 10, "n": 40,
    }  # fmt: skip


def test_subjects_count_as_the_whole_does(made: Made) -> None:
    for one in made[0]:
        subjects, accuracy = by_subject(one), result(one).accuracy
        if subjects and accuracy is not None:
            assert sum(own.accuracy.n for own in subjects) == accuracy.n
            rights = sum(own.accuracy.estimate * own.accuracy.n for own in subjects)
            assert rights == pytest.approx(accuracy.estimate * accuracy.n)


def test_a_win_is_named_and_so_is_a_difference_that_is_not_shown(tmp_path: Path) -> None:
    headline, text = said(evaluated(tmp_path, {"good": Pupil(38), "bad": Pupil(20)}, {"sums": SUMS}))
    assert headline == "bad is worse than good"
    assert re.match(rf"{headline} .*\bsums\b.*\(Holm\), 39 questions", text)
    (tmp_path / "close").mkdir()
    headline, text = said(evaluated(tmp_path / "close", {"one": Pupil(20), "two": Pupil(21)}, {"sums": SUMS}))
    assert headline == "No significant difference"
    assert re.match(rf"{headline}\b.*\btwo and one\b", text, re.IGNORECASE)


def test_an_interval_without_width_is_explained(tmp_path: Path) -> None:
    filled = evaluated(tmp_path, {"one": Pupil(20), "two": Pupil(20)}, {"sums": SUMS})
    (compared,) = comparisons(filled)
    assert compared.compared.effect.low == compared.compared.effect.high == 0
    assert caution(compared)
    assert caution(compared) in said(filled)[1]


@pytest.mark.parametrize(
    ("answers", "headline"),
    [("ABC" * 6, "Not significantly better than chance"), ("A" * 18, "Better than chance"), ("B" * 18, "Worse than")],
)
def test_chance_inside_the_interval_is_said_to_be_no_better_than_guessing(
    answers: str, headline: str, tmp_path: Path
) -> None:
    rows = [row | {"answer": answer} for row, answer in zip(CITIES, answers, strict=True)]
    filled = evaluated(tmp_path, {"one": Pupil(0)}, {"cities": rows}, ["letter"])
    found, text = said(filled)
    assert found.startswith(headline)
    assert "Chance level 33.3% on cities" in text


def test_what_was_lost_is_said_first(made: Made) -> None:
    _, text = said(made[0])
    failed = sum(result(one).failed for one in made[0])
    assert re.search(rf"\b{failed} questions? .*\bfailed\b", text)
    assert re.search(r"\btruncated .*\b33 tokens\b", text)
    assert truncated(made[0][0]) == 10


def test_nothing_answered_is_no_number(tmp_path: Path) -> None:
    filled = evaluated(tmp_path, {"one": Pupil(1)}, {"sums": SUMS[39:]})
    assert said(filled)[0] == "No answers"
    stands_alone(page_of(filled))


def test_examples_show_each_kind_and_the_prompt_that_was_given(made: Made) -> None:
    filled = made[0][0]
    shown = examples(filled)
    assert [one.kind for one in shown] == ["correct"] * EXAMPLES_PER_KIND["correct"] + ["unparsed", "failed"]
    right = shown[0]
    assert f"<mark>{right.extracted}</mark>" in right.texts[0]
    assert right.extracted == right.reference
    assert right.prompt[-1][1] == right.question
    assert "<mark>" not in shown[2].texts[0]
    assert re.match(r"gone\b.*\bserver\b", shown[3].failure)
    for one in made[0]:
        for item, row in zip(one.items, one.rows, strict=True):
            assert rendered_prompt(one.cell, item, one.pool)[1] == row.prompt


def test_a_prompt_that_is_not_the_one_that_was_given_is_not_shown(made: Made) -> None:
    filled = made[0][0]
    other = replace(filled, rows=[replace(row, prompt="0" * 16) for row in filled.rows])
    assert all(one.prompt == () for one in examples(other))


def test_compared_choices_stand_with_their_probabilities(made: Made) -> None:
    letter = next(one for one in made[0] if one.cell.setup.name == "letter")
    for one in examples(letter):
        assert sum(choice.probability for choice in one.choices) == pytest.approx(1)
        assert [choice.letter for choice in one.choices if choice.chosen] == ["A"]
        assert (one.kind == "correct") == one.choices[0].correct


def test_another_measure_is_not_called_right_nor_a_share(made: Made) -> None:
    filled = made[0][0]
    bleu = text_metric("bleu")
    assert bleu is not None
    cell = replace(filled.cell, metric=bleu)
    outcomes = [Score(float(nth)) for nth in range(40)]
    whole = replace(filled, cell=cell, outcomes=outcomes)
    plain = result(filled)
    assert plain.accuracy is not None
    accuracy = replace(plain.accuracy, estimate=19.5, low=16.0, high=23.0)
    one = replace(plain, cell=cell, accuracy=accuracy, kind="mean")
    assert (metric_name(cell), value(19.5, proportion=False), between(accuracy, proportion=False)) == (
        "bleu",
        "19.5",
        "16\u201323",
    )
    page = render_eval([whole], [one], [], {})
    stands_alone(page)
    text = words(page)
    assert "19.5 bleu" in text
    assert "Bleu: sentence-level BLEU" in text
    assert "1950" not in text
    assert [shown.kind for shown in examples(whole)] == ["lowest"] * 2 + ["middle"] + ["highest"] * 2


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_desk_and_a_phone(made: Made, width: int, tmp_path: Path) -> None:
    fits(shot(tmp_path, made[1], width, 3000))
