"""Report pages of judge runs with judges of known bias: findings, checks and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.analysis.format import percent, percent_between
from assay.core.completions import Message
from assay.core.sample import Sample
from assay.judging.audit import LENGTH_CONTROL, UNSCORED, check_lines, mostly_inconsistent, pairs_checks, rate_checks
from assay.judging.engine import JudgeRun, judge_config
from assay.judging.examples import pair_examples, text_examples
from assay.judging.judgments import JudgedPairs, JudgedTexts, judge_pairs, rate
from assay.judging.report import NOTHING_SCORED, pairs_finding, rate_finding, render_pairs, render_rate
from assay.judging.results import PairsResult, pairs_result, rate_result, self_preferences
from assay.report.document import Finding
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
    samples = []
    for nth in range(n):
        a, b = (
            f"{word}{' word' * int(rng.integers(1, 40))} {HOSTILE} {nth}"
            for word in ("good", "bad")[:: 1 - nth % 2 * 2]
        )
        fields = {"instruction": f"{KOREAN} {nth}", "output_a": a, "output_b": b, "label": "ab"[nth % 2]}
        fields |= {"reference": "good word", "origin": f"x:{nth}"}
        if named:
            fields |= {"model_a": "red", "model_b": f"blue {HOSTILE}"}
        samples.append(Sample(fields))
    return samples


def judged_by(folder: Path, items: Sequence[Sample], by: str = "answers", **code: CodeJudge) -> list[JudgedPairs]:
    judging = JudgeRun(RunFolder.open(folder, create=True), Judges(code))  # type: ignore[arg-type]
    return [judge_pairs(judging, judge_config(name, by), items, ties=False) for name in code]  # type: ignore[arg-type]


def page_of(judged: Sequence[JudgedPairs]) -> str:
    results = [pairs_result(pairs) for pairs in judged]
    return render_pairs(judged, results, self_preferences(judged), {"assay": "1.2.3"}, ties=False, seed=0)


def finding_of(result: PairsResult) -> Finding:
    finding = pairs_finding([result], [None])
    return replace(finding, sentences=tuple(sentence.replace("\u00a0", " ") for sentence in finding.sentences))


def meanings(result: PairsResult) -> dict[str, str]:
    return {check.name: check.meaning.replace("\u00a0", " ") for check in pairs_checks(result, None, 1)}


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


def test_checks_name_the_model_of_the_win_rate_and_count_identical_answers(tmp_path: Path) -> None:
    alike = [Sample({**pair.fields, "output_b": pair.text("output_a")}) for pair in pairs_of(2, named=True)]
    (judged,) = judged_by(tmp_path / "run", [*pairs_of(named=True), *alike], code=CodeJudge(longer))
    result = pairs_result(judged)
    checks = meanings(result)
    assert result.same == 2
    assert re.match(r"2 .*\bidentical\b", checks["Position bias"])
    assert result.length_of in checks["Length bias"]
    assert LENGTH_CONTROL in checks["Length bias"]


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_position_bias_leads_the_finding_of_a_judge_that_prefers_the_first_position(tmp_path: Path, by: str) -> None:
    judged = judged_by(tmp_path / "run", pairs_of(named=True), by, code=CodeJudge(first))
    result = pairs_result(judged[0])
    checks, finding = meanings(result), finding_of(result)
    assert mostly_inconsistent(result.position)
    assert finding.tone == "hurt"
    assert finding.sentences[0] == checks["Position bias"]
    assert finding.sentences[-1].startswith(checks["Human agreement"])
    assert re.match(r"\D*40 inconsistent .*\bfirst .*\b100\.0%.*\bmostly\b", checks["Position bias"])
    assert [example.kind for example in pair_examples(judged[0], ties=False, seed=0)] == [
        "inconsistent",
        "inconsistent",
    ]
    page = page_of(judged)
    stands_alone(page)
    assert checks["Position bias"] in words(page)


def test_length_bias_is_in_the_finding_of_a_judge_that_prefers_longer_answers(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(80), code=CodeJudge(longer))
    result = pairs_result(judged)
    assert result.length is not None
    assert result.length.follows_length
    meaning = meanings(result)["Length bias"]
    assert re.search(r"\blonger .*\b100\.0%.*\bbias\b", meaning)
    assert meaning in finding_of(result).sentences


def test_finding_of_a_judge_that_agrees_with_the_labels(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(), code=CodeJudge(knows("good")))
    result = pairs_result(judged)
    assert finding_of(result).tone == "helped"
    assert re.search(r"\borders agree\b", meanings(result)["Position bias"])
    (judged,) = judged_by(tmp_path / "named", pairs_of(named=True), code=CodeJudge(knows("good")))
    named = finding_of(pairs_result(judged))
    assert named.tone == "unclear"
    assert not re.search(r"\b(red|blue)\b", named.headline)
    always = [Sample({**pair.fields, "output_a": "good", "output_b": "bad"}) for pair in pairs_of(named=True)]
    (judged,) = judged_by(tmp_path / "red", always, code=CodeJudge(knows("good")))
    red = finding_of(pairs_result(judged))
    assert re.match(r"red\b.*\bpreferred", red.headline)


@pytest.mark.parametrize(
    ("pick", "comparison"), [(knows("good"), "better"), (knows("bad"), "worse"), (first, "not significantly better")]
)
def test_human_agreement_is_compared_with_chance_by_its_interval(
    tmp_path: Path, pick: Callable[[Mapping[str, str]], str], comparison: str
) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(), code=CodeJudge(pick))
    result = pairs_result(judged)
    humans = result.humans
    assert humans is not None
    assert humans.judge is not None
    assert humans.judge.low is not None
    assert humans.judge.high is not None
    assert (humans.judge.low > 0.5, humans.judge.high < 0.5) == (comparison == "better", comparison == "worse")
    assert f", {comparison} than chance" in meanings(result)["Human agreement"]


def test_self_preference_is_reported_with_its_numbers(tmp_path: Path) -> None:
    items = [Sample({**pair.fields, "model_a": "a", "model_b": "other"}) for pair in pairs_of()]
    judged = judged_by(tmp_path / "run", items, a=CodeJudge(lambda parts: "A" if parts["ANSWER A"] < "c" else "B"),
                       b=CodeJudge(knows("good")))  # fmt: skip
    favor = self_preferences(judged)[0]
    assert favor is not None
    checks = pairs_checks(pairs_result(judged[0]), favor, 2)
    (check,) = [check for check in checks if check.name == "Self-preference"]
    own, others = check.numbers[:2]
    assert (own.value, others.value) == (percent(favor.own.estimate), percent(favor.others.estimate))
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
    assert UNSCORED in text
    assert f"I like {HOSTILE}" in text  # the unparsed answer
    assert "assay 1.2.3" in text


def test_without_scored_pairs_no_missing_column_is_reported(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(4), code=CodeJudge(first, say="Hm."))
    result = pairs_result(judged)
    lines = " ".join(check_lines(pairs_checks(result, None, 1), result.counts))
    assert "column label" not in lines
    assert UNSCORED in lines
    assert finding_of(result).headline == NOTHING_SCORED
    stands_alone(page_of([judged]))


def test_examples_show_both_orders_with_their_prompts(tmp_path: Path) -> None:
    (judged,) = judged_by(tmp_path / "run", pairs_of(), code=CodeJudge(first))
    example = pair_examples(judged, ties=False, seed=0)[0]
    assert [judgment.order for judgment in example.judgments] == ["A first", "B first"]
    assert [judgment.parsed for judgment in example.judgments] == ["A is better", "B is better"]
    assert all(judgment.texts[0].endswith(": A") for judgment in example.judgments)
    assert example.verdict == "tie (inconsistent orders)"
    answers = dict(example.parts)
    for judgment, top in zip(example.judgments, ("Answer A", "Answer B"), strict=True):
        prompt = judgment.prompt[0][1]
        assert prompt.index(answers[top]) == min(prompt.index(answers[name]) for name in ("Answer A", "Answer B"))
    # Another seed gives other ids in the prompts, so the stored answers are to different prompts.
    assert all(not judgment.prompt for judgment in pair_examples(judged, ties=False, seed=9)[0].judgments)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_page_of_grades_reports_their_correlation_with_humans(tmp_path: Path, by: str) -> None:
    judged = rated(tmp_path / "run", CodeJudge(by_words), [*range(20)], by)  # type: ignore[arg-type]
    result = rate_result(judged)
    finding = rate_finding(result)
    assert finding.tone == "helped"
    (length,) = [check for check in rate_checks(result) if check.name == "Length bias"]
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


def test_finding_of_grades_without_humans_of_one_value_or_unscored(tmp_path: Path) -> None:
    unlabeled = rate_finding(rate_result(rated(tmp_path / "a", CodeJudge(by_words), [None] * 9)))  # type: ignore[arg-type]
    assert unlabeled.headline.startswith("Mean grade")
    assert re.search(r"\bhuman\b.*\bvalidity\b.*\bunknown\b", " ".join(unlabeled.sentences))
    same = rate_finding(rate_result(rated(tmp_path / "b", CodeJudge(lambda parts: "3"), [1, 2, 3, 4])))
    assert any(re.match(r"4 of 4 .*\bgrade 3\b", sentence) for sentence in same.sentences)
    none = rated(tmp_path / "c", CodeJudge(by_words, missing=lambda parts: True), [1, 2])  # type: ignore[arg-type]
    assert rate_finding(rate_result(none)).headline == NOTHING_SCORED
    stands_alone(render_rate(none, rate_result(none), {}, seed=0))


def test_examples_include_the_largest_disagreement_with_humans(tmp_path: Path) -> None:
    judged = rated(tmp_path / "run", CodeJudge(by_words), [*range(18), 0, 19])  # type: ignore[arg-type]
    examples = text_examples(judged, seed=0)
    far = [example for example in examples if example.kind == "far from human"]
    assert (far[0].human, far[0].verdict) == ("0", "5.00")
    assert far[0].judgments[0].prompt
    assert {example.kind for example in examples} == {"highest", "lowest", "far from human"}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_desktop_and_phone_screens(width: int, tmp_path: Path) -> None:
    long = Sample({"instruction": "x" * 3000, "output_a": "good " + "y" * 3000, "output_b": "bad"})
    fits(shot(tmp_path, page_of(judged_by(tmp_path / "run", [long, *pairs_of(6)], code=CodeJudge(first))), width, 3000))


def test_page_shows_the_conversation_before_the_instruction(tmp_path: Path) -> None:
    history = write_history((Message("user", "Name a fruit."), Message("assistant", "A pear.")))
    items = [Sample({**pair.fields, "history": history}) for pair in pairs_of(4)]
    page = page_of(judged_by(tmp_path, items, code=CodeJudge(first)))
    assert "Conversation" in page
    assert "Assistant: A pear." in page
