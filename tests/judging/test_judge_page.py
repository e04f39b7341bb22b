"""Report pages of judge runs with judges of known bias: findings, checks and numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from assay.analysis.format import percent, percent_between
from assay.core.completions import Message
from assay.core.sample import Sample
from assay.judging.audit import LENGTH_CONTROL, check_lines, mostly_inconsistent, pairs_checks, rate_checks
from assay.judging.engine import JudgeRun, judge_config
from assay.judging.examples import pair_examples, text_examples
from assay.judging.judgments import JudgedPairs, JudgedTexts, judge_pairs, rate
from assay.judging.report import pairs_finding, rate_finding, render_pairs, render_rate
from assay.judging.results import pairs_result, rate_result, self_preferences
from assay.store.run_folder import RunFolder
from assay.text.answers.judgments import Grades
from assay.text.instructions.dialogues import write_history
from assay.text.prompting.judge_prompts import Rubric
from judges import CodeJudge, Judges, first, knows, longer
from page_parts import CHROMIUM, HOSTILE, KOREAN, fits, shot, stands_alone, words

RUBRIC = Rubric(f"Clarity {HOSTILE}", f"1. Read {KOREAN}", Grades(1, 5))


def pairs_of(n: int = 40, *, named: bool = False) -> list[Sample]:
    """One right answer each, on either side in turn, of all lengths."""
    rng = np.random.default_rng(0)
    found = []
    for nth in range(n):
        a, b = (
            f"{word}{' word' * int(rng.integers(1, 40))} {HOSTILE} {nth}"
            for word in ("good", "bad")[:: 1 - nth % 2 * 2]
        )
        fields = {"instruction": f"{KOREAN} {nth}", "output_a": a, "output_b": b, "label": "ab"[nth % 2]}
        fields |= {"reference": "good word", "origin": f"x:{nth}"}
        if named:
            fields |= {"model_a": "red", "model_b": f"blue {HOSTILE}"}
        found.append(Sample(fields))
    return found


def judged_by(folder: Path, items: Sequence[Sample], by: str = "answers", **code: CodeJudge) -> list[JudgedPairs]:
    judging = JudgeRun(RunFolder.open(folder, create=True), Judges(code))  # type: ignore[arg-type]
    return [judge_pairs(judging, judge_config(name, by), items, ties=False) for name in code]  # type: ignore[arg-type]


def page_of(judged: Sequence[JudgedPairs]) -> str:
    results = [pairs_result(one) for one in judged]
    return render_pairs(judged, results, self_preferences(judged), {"assay": "1.2.3"}, ties=False, seed=0)


def said(judged: Sequence[JudgedPairs]) -> tuple[str, str]:
    found = pairs_finding([pairs_result(one) for one in judged], self_preferences(judged))
    return found.headline, " ".join(found.sentences).replace("\u00a0", " ")


def meanings(judged: JudgedPairs) -> dict[str, str]:
    found = pairs_checks(pairs_result(judged), None, 1)
    return {one.name: one.meaning.replace("\u00a0", " ") for one in found}


def rated(folder: Path, code: CodeJudge, humans: Sequence[float | None], by: str = "answers") -> JudgedTexts:
    items = [
        Sample({"instruction": KOREAN, "output": f"text {HOSTILE} {nth}{' word' * nth}", "reference": "text word"}
               | ({} if human is None else {"human": str(human)}))
        for nth, human in enumerate(humans)
    ]  # fmt: skip
    judging = JudgeRun(RunFolder.open(folder, create=True), Judges({"code": code}))  # type: ignore[arg-type]
    return rate(judging, judge_config("code", by), RUBRIC, items)  # type: ignore[arg-type]


def by_words(parts: dict[str, str]) -> str:  # type: ignore[type-arg]
    return str(min(5, 1 + len(parts["TEXT"].split()) // 5))


def test_the_page_says_whose_win_rate_it_is_and_what_equal_answers_became(tmp_path: Path) -> None:
    """Once only the terminal did."""
    alike = [Sample({**one.fields, "output_b": one.text("output_a")}) for one in pairs_of(2, named=True)]
    (judged,) = judged_by(tmp_path / "run", [*pairs_of(named=True), *alike], code=CodeJudge(longer))
    found = meanings(judged)
    assert pairs_result(judged).same == 2
    assert re.match(r"2 .*\bidentical\b", found["Position bias"])
    assert pairs_result(judged).length_of in found["Length bias"]
    assert LENGTH_CONTROL in found["Length bias"]


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_that_looks_at_places_is_said_to_go_by_order(tmp_path: Path, by: str) -> None:
    judged = judged_by(tmp_path / "run", pairs_of(named=True), by, code=CodeJudge(first))
    headline, text = said(judged)
    assert headline == "Mostly position bias"
    assert re.match(r"\D*40 inconsistent .*\bfirst .*\b100\.0%", text)
    humans = pairs_result(judged[0]).humans
    assert humans is not None
    assert humans.judge is not None
    assert (humans.judge.low or 0) < 0.5 < (humans.judge.high or 0)
    assert "not significantly better" in text
    assert [one.kind for one in pair_examples(judged[0], ties=False, seed=0)] == ["inconsistent", "inconsistent"]
    page = page_of(judged)
    stands_alone(page)
    assert mostly_inconsistent(pairs_result(judged[0]).position)
    assert "mostly on position" in meanings(judged[0])["Position bias"]
    assert meanings(judged[0])["Position bias"] in words(page)


def test_a_judge_that_likes_length_is_said_to_pay_for_it(tmp_path: Path) -> None:
    judged = judged_by(tmp_path / "run", pairs_of(80), code=CodeJudge(longer))
    assert re.search(r"\blonger .*\b100\.0%", said(judged)[1])
    assert "length bias" in meanings(judged[0])["Length bias"]


def test_a_judge_that_knows_is_said_to_agree_with_people(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(), code=CodeJudge(knows("good")))
    assert said([judged])[0] == "Agrees with human labels"
    assert re.search(r"\borders agree\b", meanings(judged)["Position bias"])
    assert "better than chance" in meanings(judged)["Human agreement"]
    named = judged_by(tmp_path / "named", pairs_of(named=True), code=CodeJudge(knows("good")))
    assert said(named)[0] == "No significant preference"
    always = [Sample({**one.fields, "output_a": "good", "output_b": "bad"}) for one in pairs_of(named=True)]
    assert said(judged_by(tmp_path / "red", always, code=CodeJudge(knows("good"))))[0] == "red is preferred"


def test_self_preference_is_told_with_its_numbers(tmp_path: Path) -> None:
    items = [Sample({**one.fields, "model_a": "a", "model_b": "other"}) for one in pairs_of()]
    judged = judged_by(tmp_path / "run", items, a=CodeJudge(lambda parts: "A" if parts["ANSWER A"] < "c" else "B"),
                       b=CodeJudge(knows("good")))  # fmt: skip
    favor = self_preferences(judged)[0]
    assert favor is not None
    check = next(one for one in pairs_checks(pairs_result(judged[0]), favor, 2) if one.name == "Self-preference")
    assert [one.value for one in check.numbers[:2]] == [percent(favor.own.estimate), percent(favor.others.estimate)]
    assert check.numbers[0].name in words(page_of(judged))


def test_every_number_is_on_the_page_of_pairs(tmp_path: Path) -> None:
    cannot = CodeJudge(knows("good"), say=f"I like {HOSTILE}")
    judged = judged_by(tmp_path / "run", pairs_of(named=True), sure=CodeJudge(knows("good")), chats=cannot)
    page = page_of(judged)
    stands_alone(page)
    text = words(page)
    for result, favor in zip(map(pairs_result, judged), self_preferences(judged), strict=True):
        for name, wins in result.wins:
            assert f"{name} " in text
            assert percent(wins.estimate).replace("\u00a0", " ") in text
            assert percent_between(wins) in text
        for check in pairs_checks(result, favor, 2):
            assert check.meaning.replace("\u00a0", " ") in text
            for number in check.numbers:
                assert f"{number.name} {check.name} {number.value} {number.interval}".replace("\u00a0", " ") in text
    assert "40 of 40 pairs" in text
    assert "0 of 40 pairs" in text
    assert "Nothing was scored." in text
    assert f"I like {HOSTILE}" in text  # what could not be read is shown
    assert "assay 1.2.3" in text


def test_where_nothing_was_scored_no_column_is_blamed(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(4), code=CodeJudge(first, say="Hm."))
    result = pairs_result(judged)
    lines = " ".join(check_lines(pairs_checks(result, None, 1), result.counts))
    assert "column label" not in lines
    assert "Nothing was scored" in lines
    assert said([judged])[0] == "Nothing was scored"
    stands_alone(page_of([judged]))


def test_examples_show_both_orders_and_what_was_given(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(), code=CodeJudge(first))
    one = pair_examples(judged, ties=False, seed=0)[0]
    assert [shown.order for shown in one.judgments] == ["A first", "B first"]
    assert [shown.parsed for shown in one.judgments] == ["A is better", "B is better"]
    assert all(shown.texts[0].endswith(": A") for shown in one.judgments)
    assert one.verdict == "tie (inconsistent orders)"
    answers = dict(one.parts)
    for said_in, top in zip(one.judgments, ("Answer A", "Answer B"), strict=True):
        prompt = said_in.prompt[0][1]
        assert prompt.index(answers[top]) == min(prompt.index(answers[name]) for name in ("Answer A", "Answer B"))
    # Another seed gives other ids: what would be asked then is not what was.
    assert all(not shown.prompt for shown in pair_examples(judged, ties=False, seed=9)[0].judgments)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_grades_are_told_with_what_they_are_worth(tmp_path: Path, by: str) -> None:
    judged = rated(tmp_path / "run", CodeJudge(by_words), [*range(20)], by)  # type: ignore[arg-type]
    result = rate_result(judged)
    found = rate_finding(result)
    assert found.headline == "Grades correlate with human grades"
    length = next(one for one in rate_checks(result) if one.name == "Length bias")
    assert result.length is not None
    assert (result.length.low or 0) > 0
    assert re.search(r"\bhigher .*\bbias\b", length.meaning)
    page = render_rate(judged, result, {"assay": "1.2.3"}, seed=0)
    stands_alone(page)
    text = words(page)
    assert result.mean is not None
    assert f"Mean grade {result.mean.estimate:.2f}" in text
    for grade, texts in result.grades:
        assert f"{grade:g} {texts}" in text
    for check in rate_checks(result):
        assert check.meaning.replace("\u00a0", " ") in text
        for number in check.numbers:
            assert f"{number.name} {check.name} {number.value} {number.interval}" in text
    assert f"Clarity {HOSTILE}" in text
    assert KOREAN in text


def test_grades_without_people_or_of_one_kind_are_called_so(tmp_path: Path) -> None:
    alone = rate_finding(rate_result(rated(tmp_path / "a", CodeJudge(by_words), [None] * 9)))  # type: ignore[arg-type]
    assert alone.headline.startswith("Mean grade")
    assert re.search(r"\bhuman\b.*\bvalidity\b.*\bunknown\b", " ".join(alone.sentences))
    same = rate_finding(rate_result(rated(tmp_path / "b", CodeJudge(lambda parts: "3"), [1, 2, 3, 4])))
    assert any(re.match(r"4 of 4 .*\bgrade 3\b", sentence) for sentence in same.sentences)
    none = rated(tmp_path / "c", CodeJudge(by_words, missing=lambda parts: True), [1, 2])  # type: ignore[arg-type]
    assert rate_finding(rate_result(none)).headline == "Nothing was scored"
    stands_alone(render_rate(none, rate_result(none), {}, seed=0))


def test_texts_far_from_people_are_shown(tmp_path: Path) -> None:
    judged = rated(tmp_path / "run", CodeJudge(by_words), [*range(18), 0, 19])  # type: ignore[arg-type]
    shown = text_examples(judged, seed=0)
    far = [one for one in shown if one.kind == "far from human"]
    assert (far[0].human, far[0].verdict) == ("0", "5.00")
    assert far[0].judgments[0].prompt
    assert {one.kind for one in shown} == {"highest", "lowest", "far from human"}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_fit_a_desk_and_a_phone(width: int, tmp_path: Path) -> None:
    long = Sample({"instruction": "x" * 3000, "output_a": "good " + "y" * 3000, "output_b": "bad"})
    fits(shot(tmp_path, page_of(judged_by(tmp_path / "run", [long, *pairs_of(6)], code=CodeJudge(first))), width, 3000))


def test_the_conversation_before_is_shown(tmp_path: Path) -> None:
    said = write_history((Message("user", "Name a fruit."), Message("assistant", "A pear.")))
    items = [Sample({**one.fields, "history": said}) for one in pairs_of(4)]
    page = page_of(judged_by(tmp_path, items, code=CodeJudge(first)))
    assert "Conversation" in page
    assert "Assistant: A pear." in page
