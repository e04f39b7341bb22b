"""Judgings with judges whose bias is known: what is asked, kept and counted, and what the audit finds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import ModelError, UserError
from assay.core.sample import Sample
from assay.core.score import Score, Unscored
from assay.judging.audit import (
    LENGTH_CONTROL,
    JudgeCheck,
    check_lines,
    mostly_inconsistent,
    pairs_checks,
    rate_checks,
    scoring_method,
)
from assay.judging.data import pair_rows, pairs_data, rate_data, rate_rows
from assay.judging.engine import JudgeConfig, JudgeRun, judge_config
from assay.judging.judgments import JudgedPairs, JudgedTexts, judge_pairs, rate, with_steps
from assay.judging.results import pairs_result, rate_result, self_preferences
from assay.store.run_folder import RunFolder
from assay.text.answers.judgments import Grades, PairJudgment
from assay.text.prompting.judge_prompts import Rubric
from judges import CodeJudge, Judges, first, knows, longer
from shared_data import shared

RUBRIC = Rubric("Clarity: it is easy to follow.")


def items(n: int = 60, *, named: bool = False) -> list[Sample]:
    """Pairs with one right answer, right and long answers on either side in turn, of all lengths."""
    rng = np.random.default_rng(0)
    found = []
    for nth in range(n):
        words = {side: f"{'good' if right else 'bad'}{' word' * int(rng.integers(1, 40))} {nth}" for side, right in
                 (("a", nth % 2 == 0), ("b", nth % 2 == 1))}  # fmt: skip
        fields = {"instruction": f"Question {nth}?", "output_a": words["a"], "output_b": words["b"]}
        fields |= {"label": "ab"[nth % 2], "reference": "good word", "origin": f"x:{nth}"}
        if named:
            fields |= {"model_a": "red" if nth % 4 < 2 else "blue", "model_b": "blue" if nth % 4 < 2 else "red"}
        found.append(Sample(fields))
    return found


def judging(folder: Path, **known: CodeJudge) -> JudgeRun:
    return JudgeRun(RunFolder.open(folder, create=True), Judges(known))  # type: ignore[arg-type]


def judged(folder: Path, code: CodeJudge, samples: list[Sample], by: str = "answers", **more: bool) -> JudgedPairs:
    return judge_pairs(judging(folder, code=code), judge_config("code", by), samples, ties=more.get("ties", False))  # type: ignore[arg-type]


def check_text(found: JudgedPairs) -> str:
    result = pairs_result(found)
    return "\n".join(check_lines(pairs_checks(result, None, 1), result.counts)).replace("\u00a0", " ")


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_that_always_says_a_has_a_conflict_rate_of_100_percent(tmp_path: Path, by: str) -> None:
    found = judged(tmp_path / "run", CodeJudge(first), items(), by)
    result = pairs_result(found)
    assert result.position is not None
    assert result.position.conflict.estimate == 1.0
    assert result.position.first_place.estimate == 1.0
    assert result.wins[0][1].estimate == 0.5
    assert result.humans is not None
    assert result.humans.judge.estimate == 0.5
    assert "position inconsistency: 100.0%" in check_text(found)
    assert mostly_inconsistent(result.position)
    assert "mostly on position" in check_text(found)
    assert (result.humans.judge.low or 0) < 0.5 < (result.humans.judge.high or 0)
    assert "not significantly better" in check_text(found)


@pytest.mark.full
def test_a_judge_that_likes_length_is_caught_by_the_length_audit(tmp_path: Path) -> None:
    found = judged(tmp_path / "run", CodeJudge(longer), items(200))
    result = pairs_result(found)
    assert result.position is not None
    assert result.length is not None
    assert result.position.conflict.estimate < 0.1
    assert result.length.longer_preferred is not None
    assert result.length.longer_preferred.estimate == 1.0
    assert result.length.correlation is not None
    assert result.length.correlation.estimate > 0.8
    assert result.length.length_controlled is not None
    assert result.length.length_controlled.estimate == pytest.approx(0.5, abs=0.1)
    assert result.length.follows_length
    # Where one side is nearly always longer it nearly always wins, and the audit says what is left without.
    padded = [Sample({**one.fields, "output_a": one.text("output_a") + " word" * 15}) for one in items(200)]
    lopsided = pairs_result(judged(tmp_path / "padded", CodeJudge(longer), padded)).length
    assert lopsided is not None
    assert lopsided.win_rate.estimate > 0.75
    assert lopsided.length_controlled is not None
    assert lopsided.length_controlled.estimate == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_that_knows_the_label_is_right_without_bias(tmp_path: Path, by: str) -> None:
    found = judged(tmp_path / "run", CodeJudge(knows("good")), items(), by)
    result = pairs_result(found)
    assert result.position is not None
    assert result.position.agreement.estimate == 1.0
    assert result.position.first_place.estimate == 0.5
    assert result.humans is not None
    assert result.humans.judge.estimate == 1.0
    assert result.humans.beyond_chance is not None
    assert result.humans.beyond_chance.estimate == 1.0
    assert result.humans.rouge is not None
    assert result.humans.rouge.estimate > 0.5  # "good" is in the reference; long answers share less of it
    assert (result.humans.balanced is not None) == (by == "likelihood")
    assert (result.mass == pytest.approx(0.7)) if by == "likelihood" else result.mass is None
    assert result.position.first_in_conflicts is None


def test_ties_count_half_and_are_no_conflicts(tmp_path: Path) -> None:
    found = judged(tmp_path / "run", CodeJudge(knows("word")), items(20), ties=True)
    assert [one.preference for one in found.verdicts] == [0.5] * 20
    result = pairs_result(found)
    assert result.position is not None
    assert result.position.conflict.estimate == 0.0
    assert result.humans is not None
    assert result.humans.judge.estimate == 0.0
    assert result.length is not None
    assert result.length.longer_preferred is None


def test_a_conflict_counts_as_a_tie_and_orders_are_mapped_back() -> None:
    agreed = PairJudgment(Score(1.0), Score(1.0))
    assert (agreed.preference, agreed.inconsistent) == (1.0, False)
    torn = PairJudgment(Score(1.0, evidence={"first": 0.9}), Score(0.0, evidence={"first": 0.3}))
    assert (torn.preference, torn.inconsistent) == (0.5, True)
    assert torn.balanced == pytest.approx(0.6)
    assert PairJudgment(Score(1.0), Score(0.5)).inconsistent
    lacking = PairJudgment(Score(1.0), Unscored("failed", "x"))
    assert (lacking.preference, lacking.inconsistent, lacking.orders, lacking.balanced) == (None, False, None, None)


def test_what_fails_or_cannot_be_read_is_counted_apart_and_never_half_a_win(tmp_path: Path) -> None:
    down = CodeJudge(knows("good"), missing=lambda parts: " 3?" in parts["INSTRUCTION"])
    result = pairs_result(judged(tmp_path / "down", down, items(10)))
    assert (result.counts.n, result.counts.scored, result.counts.failed, result.counts.unparsed) == (10, 9, 1, 0)
    assert result.counts.why == "gone: the server is down"
    assert result.counts.why in check_lines([], result.counts)[0]
    chatty = pairs_result(judged(tmp_path / "chatty", CodeJudge(first, say="I like {said} best."), items(10)))
    assert (chatty.counts.scored, chatty.counts.unparsed) == (0, 10)
    assert chatty.wins == ()
    assert chatty.position is None
    assert not pairs_checks(chatty, None, 1)[0].numbers


def test_nobody_is_asked_twice_whatever_the_order_and_what_failed_is_asked_again(tmp_path: Path) -> None:
    code = CodeJudge(knows("good"), missing=lambda parts: " 3?" in parts["INSTRUCTION"])
    judged(tmp_path / "run", code, items(10))
    assert len(code.asked) == 20
    labeled = [Sample({**one.fields, "label": "tie", "origin": "other"}) for one in reversed(items(10))]
    code.asked.clear()
    judged(tmp_path / "run", code, labeled)
    assert len(code.asked) == 2  # the two orders of the one that failed
    code.missing = lambda parts: False
    assert pairs_result(judged(tmp_path / "run", code, items(12))).counts.scored == 12
    code.asked.clear()
    judged(tmp_path / "run", code, items(12))
    assert code.asked == []
    judged(tmp_path / "run", code, items(12), "likelihood")
    judged(tmp_path / "run", code, items(12), ties=True)
    assert len(code.asked) == 48  # other questions


def test_answers_are_read_again_without_asking(tmp_path: Path) -> None:
    code = CodeJudge(knows("good"), say="ID {own}: {said}")
    judged(tmp_path / "run", code, items(4))
    (part,) = (tmp_path / "run").glob("judge-*/part-*.jsonl")
    rows = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["texts"] = [row["texts"][0].replace(": B", ": A")]
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code.asked.clear()
    result = pairs_result(judged(tmp_path / "run", code, items(4)))
    assert code.asked == []
    assert result.position is not None
    assert result.position.conflict.estimate == 1.0


def test_a_stopped_judging_loses_one_part_at_most(tmp_path: Path) -> None:
    def stop(parts: object) -> bool:
        if len(code.asked) == 70:
            raise KeyboardInterrupt
        return False

    code = CodeJudge(knows("good"), missing=stop)
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path / "run", code, items(50))
    code.missing = lambda parts: False
    code.asked.clear()
    assert pairs_result(judged(tmp_path / "run", code, items(50))).counts.scored == 50
    assert len(code.asked) == 100 - 64


def test_self_preference_needs_several_judges_and_names(tmp_path: Path) -> None:
    red, neutral = CodeJudge(knows("good")), CodeJudge(knows("good"))
    at = judging(tmp_path / "run", red=red, green=neutral)
    samples = items(40, named=True)
    # Red's own answers, to a judge that prefers them whatever they say.
    own = {one.text(f"output_{'a' if one.text('model_a') == 'red' else 'b'}") for one in samples}
    red.pick = lambda parts: "A" if parts["ANSWER A"] in own else "B"
    decoding = judge_config("x", "answers").decoding
    both = [judge_pairs(at, JudgeConfig(name, "answers", decoding), samples, ties=False) for name in
            ("red", "green")]  # fmt: skip
    found = self_preferences(both)
    assert found[1] is None
    assert found[0] is not None
    assert found[0].own.estimate == 1.0
    assert found[0].others.estimate == pytest.approx(0.5)
    assert found[0].significant
    check = next(one for one in pairs_checks(pairs_result(both[0]), found[0], 2) if one.name == "Self-preference")
    assert check.numbers[0].effect == found[0].own
    assert dict(pairs_result(both[0]).wins)["red"].estimate == 1.0
    assert dict(pairs_result(both[0]).wins)["blue"].estimate == 0.0
    named = replace(both[0].judge, family="blue")
    assert self_preferences([replace(both[0], judge=named), both[1]])[0].own.estimate == 0.0  # type: ignore[union-attr]
    assert self_preferences(both[:1]) == [None]
    unnamed = judge_pairs(at, both[0].judge, items(4), ties=False)
    assert self_preferences([unnamed, unnamed]) == [None, None]


@pytest.mark.parametrize(("name", "right", "agreed"), [("gpt-4", 95.5, 95.0), ("chatgpt", 81.5, 71.0)])
def test_figures_of_llmbar_come_out_as_published(name: str, right: float, agreed: float) -> None:
    file = shared(f"llmbar-natural-{name}.jsonl") / f"llmbar-natural-{name}.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    worth = {"1": Score(1.0), "2": Score(0.0)}
    samples = [
        Sample({"output_a": row["output_1"], "output_b": row["output_2"], "label": "ab"[int(row["label"]) - 1]})
        for row in rows
    ]
    verdicts = [PairJudgment(worth[row["winner_as_given"]], worth[row["winner_swapped"]]) for row in rows]
    result = pairs_result(JudgedPairs(JudgeConfig("x", "answers", None), samples, verdicts, []))
    assert result.humans is not None
    assert result.position is not None
    assert 100 * result.humans.judge.estimate == pytest.approx(right)
    assert 100 * result.position.agreement.estimate == pytest.approx(agreed)


def texts(n: int = 30) -> list[Sample]:
    """Texts of 1 to 5 words, with human grades that are the number of words, and a reference."""
    return [
        Sample({"output": "word " * (1 + nth % 5) + str(nth), "human": str(1 + nth % 5), "reference": "word"})
        for nth in range(n)
    ]


def graded(folder: Path, code: CodeJudge, samples: list[Sample], judge: JudgeConfig) -> JudgedTexts:
    return rate(judging(folder, code=code), judge, RUBRIC, samples)


def by_words(parts: dict[str, str]) -> str:
    return str(len(parts["TEXT"].split()) - 1)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_texts_are_graded_counted_and_compared_with_people(tmp_path: Path, by: str) -> None:
    found = graded(tmp_path / "run", CodeJudge(by_words), texts(), judge_config("code", by))  # type: ignore[arg-type]
    result = rate_result(found)
    assert (result.counts.n, result.counts.scored) == (30, 30)
    assert result.mean is not None
    assert result.mean.estimate == pytest.approx(3.0)
    assert result.mean.low is not None
    assert result.mean.low < 3 < (result.mean.high or 0)
    assert result.humans is not None
    assert result.humans.judge.estimate == pytest.approx(1.0)
    assert result.humans.rouge is not None
    assert result.humans.rouge.estimate < 0  # longer texts share less of a reference of one word
    assert result.length is not None
    assert result.length.estimate > 0.9
    assert result.length.low is not None
    assert result.length.low > 0
    length = next(one for one in rate_checks(result) if one.name == "Length bias")
    assert re.search(r"\bLonger .*\bhigher\b", length.meaning)
    assert f"Length bias: {length.meaning}" in check_lines(rate_checks(result), result.counts)
    assert scoring_method(result) == ("probabilities" if by == "likelihood" else "answer")
    assert sum(count for _, count in result.grades) == 30
    if by == "answers":
        assert result.grades == tuple((float(grade), 6) for grade in range(1, 6))
        assert result.counts.dollars == pytest.approx(7.5)


def test_the_mean_of_samples_is_what_counts(tmp_path: Path) -> None:
    judge = judge_config("code", samples=4)
    assert judge.by == "answers"
    found = graded(tmp_path / "run", CodeJudge(by_words), texts(5), judge)
    assert all(isinstance(one, Score) and one.evidence == {"samples": 4.0, "read": 4.0} for one in found.outcomes)
    assert scoring_method(rate_result(found)) == "mean of 4 answers"


def test_steps_are_asked_once_and_held_fixed(tmp_path: Path) -> None:
    code = CodeJudge(by_words)
    at = judging(tmp_path / "run", code=code)
    rubric = with_steps(at, judge_config("code"), RUBRIC)
    assert rubric.steps == "1. Read it.\n2. Grade it."
    assert with_steps(at, judge_config("code"), RUBRIC) == rubric
    assert len(code.asked) == 1
    rate(at, judge_config("code"), rubric, texts(3))
    assert all("1. Read it.\n2. Grade it." in prompt for prompt in code.asked[1:])


def test_truncated_steps_are_an_error(tmp_path: Path) -> None:
    at = judging(tmp_path / "run", code=CodeJudge(by_words, steps_end="length"))
    with pytest.raises(ModelError, match="400 tokens"):
        with_steps(at, judge_config("code"), RUBRIC)


def test_json_has_all_numbers(tmp_path: Path) -> None:
    found = judged(tmp_path / "run", CodeJudge(first), items(4))
    data = json.loads(json.dumps(pairs_data([pairs_result(found)], self_preferences([found]))))
    assert data["pairs"][0]["position"]["conflict"]["estimate"] == 1.0
    assert data["pairs"][0]["wins"][0]["name"] == "output_a"
    assert [row["preference"] for row in pair_rows([found])] == [0.5] * 4
    texts_found = rate(judging(tmp_path / "rate", code=CodeJudge(by_words)), judge_config("code"), RUBRIC, texts(5))
    more = json.loads(json.dumps(rate_data(rate_result(texts_found), texts_found)))
    assert more["rubric"]["criteria"] == RUBRIC.criteria
    assert [row["value"] for row in rate_rows(texts_found)] == pytest.approx([1.96, 2.5, 3.0, 3.5, 4.0], abs=0.6)


def test_scoring_method_depends_on_the_model() -> None:
    assert judge_config("embedded:smollm2").by == "likelihood"
    assert judge_config("openai:gpt-4o").by == "answers"
    assert judge_config("embedded:smollm2", samples=5).by == "answers"
    with pytest.raises(UserError, match="openai:gpt-4o"):
        judge_config("openai:gpt-4o", "likelihood")
    with pytest.raises(UserError, match="deterministic"):
        judge_config("embedded:smollm2", "likelihood", samples=2)


def test_grades_on_another_scale_stay_on_it(tmp_path: Path) -> None:
    rubric = Rubric("Accuracy.", grades=Grades(0, 5, 0.5), dimension="accuracy")
    code = CodeJudge(lambda parts: "4.5")
    found = rate(judging(tmp_path / "run", code=code), judge_config("code", "answers"), rubric, texts(3))
    assert [one.value for one in found.outcomes if isinstance(one, Score)] == [4.5] * 3


def test_an_answer_beside_itself_is_a_tie_and_no_conflict(tmp_path: Path) -> None:
    """Whatever a judge names there is the same answer: it cannot show whether it looks at places or at answers."""
    alike = [Sample({**one.fields, "output_b": one.text("output_a")}) for one in items(4)]
    found = judged(tmp_path / "run", CodeJudge(knows("good"), say="ID {own}: A"), [*items(6)[4:], *alike])
    result = pairs_result(found)
    assert result.same == 4
    assert result.position is not None
    assert result.position.conflict.n == 2
    assert re.search(r"\b4\D+identical\b", check_text(found))
    only = judged(tmp_path / "alike", CodeJudge(first), alike)
    assert pairs_result(only).position is None
    assert pairs_result(only).wins[0][1].estimate == 0.5
    assert not pairs_checks(pairs_result(only), None, 1)[0].numbers


@pytest.mark.full
def test_the_length_audit_says_whose_win_rate_it_is(tmp_path: Path) -> None:
    two = judged(tmp_path / "two", CodeJudge(longer), items(200, named=True))
    assert pairs_result(two).length_of == "red"
    assert re.search(r"\bof red: \d", check_text(two))
    three = [Sample({**one.fields, "model_b": f"green{nth % 2}"}) for nth, one in enumerate(items(200, named=True))]
    assert re.search(r"\bof output_a: \d", check_text(judged(tmp_path / "three", CodeJudge(longer), three)))
    assert LENGTH_CONTROL in check_text(two)


def test_all_that_a_judge_wrote_is_kept_where_it_cannot_be_read(tmp_path: Path) -> None:
    chatter = "I would rather not say. " * 200
    found = judged(tmp_path / "run", CodeJudge(first, say=chatter), items(1))
    (row,) = pair_rows([found])
    assert [row[order]["texts"] for order in ("as_given", "swapped")] == [[chatter]] * 2
    chat = judging(tmp_path / "rate", code=CodeJudge(first, say=chatter))
    (unread,) = rate_rows(rate(chat, judge_config("code", "answers"), RUBRIC, written(1)))
    assert unread["texts"] == [chatter]


def written(n: int, **more: str) -> list[Sample]:
    return [Sample({"output": f"good{' word' * nth} {nth}", "human": str(nth % 3), **more}) for nth in range(n)]


def agreement(folder: Path, samples: list[Sample], grade: str = "") -> JudgeCheck:
    judge = CodeJudge(lambda parts: grade or str(1 + len(parts["TEXT"].split()) % 5))
    found = rate(judging(folder, code=judge), judge_config("code", "answers"), RUBRIC, samples)
    return next(one for one in rate_checks(rate_result(found)) if one.name == "Human agreement")


def test_why_there_is_no_agreement_with_people_is_told(tmp_path: Path) -> None:
    unlabeled = agreement(tmp_path / "a", [Sample({"output": "x"}), Sample({"output": "xy"})])
    assert "(column human)" in unlabeled.meaning
    never = agreement(tmp_path / "b", written(6), grade="3")
    assert "column human" not in never.meaning
    assert re.search(r"\bNo correlation\b.*\b6\b.*\bconstant grades\b", never.meaning)
    assert unlabeled.numbers == never.numbers == ()
    unreferenced = agreement(tmp_path / "c", written(6))
    assert re.search(r"\bWithout references\b.*\bROUGE-L\b", unreferenced.meaning)
    some = agreement(tmp_path / "d", [*written(4, reference="good word"), Sample({"output": "x", "human": "1"})])
    assert re.search(r"\b1 of 5\b.*\breference\b", some.meaning)
    assert not any("ROUGE-L" in one.name for one in (*unreferenced.numbers, *some.numbers))
    whole = agreement(tmp_path / "e", written(6, reference="good word"))
    assert any("ROUGE-L" in one.name for one in whole.numbers)
    pairs = [*items(5), Sample({name: value for name, value in items(6)[5].fields.items() if name != "reference"})]
    assert re.search(r"\b1 of 6\b.*\breference\b", check_text(judged(tmp_path / "f", CodeJudge(knows("good")), pairs)))
