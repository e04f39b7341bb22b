"""Judge runs with judges of known bias: questions, stored answers, counts and checks."""

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
from assay.judging.judgments import STEPS_TOKENS, JudgedPairs, JudgedTexts, judge_pairs, rate, with_steps
from assay.judging.results import pairs_result, rate_result, self_preferences
from assay.store.run_folder import RunFolder
from assay.text.answers.judgments import Grades, PairJudgment
from assay.text.prompting.judge_prompts import Rubric
from judges import CodeJudge, Judges, first, knows, longer
from shared_data import shared

RUBRIC = Rubric("Clarity: it is easy to follow.")


def labeled_pairs(n: int = 60, *, named: bool = False) -> list[Sample]:
    """Pairs with one right answer, right and long answers on either side in turn, of all lengths."""
    rng = np.random.default_rng(0)
    pairs = []
    for nth in range(n):
        words = {side: f"{'good' if right else 'bad'}{' word' * int(rng.integers(1, 40))} {nth}" for side, right in
                 (("a", nth % 2 == 0), ("b", nth % 2 == 1))}  # fmt: skip
        fields = {"instruction": f"Question {nth}?", "output_a": words["a"], "output_b": words["b"]}
        fields |= {"label": "ab"[nth % 2], "reference": "good word", "origin": f"x:{nth}"}
        if named:
            fields |= {"model_a": "red" if nth % 4 < 2 else "blue", "model_b": "blue" if nth % 4 < 2 else "red"}
        pairs.append(Sample(fields))
    return pairs


def judge_run(folder: Path, **judges: CodeJudge) -> JudgeRun:
    return JudgeRun(RunFolder.open(folder, create=True), Judges(judges))  # type: ignore[arg-type]


def run_pair_judge(
    folder: Path, code: CodeJudge, samples: list[Sample], by: str = "answers", **more: bool
) -> JudgedPairs:
    return judge_pairs(judge_run(folder, code=code), judge_config("code", by), samples, ties=more.get("ties", False))  # type: ignore[arg-type]


def check_text(judged_pairs: JudgedPairs) -> str:
    result = pairs_result(judged_pairs)
    return "\n".join(check_lines(pairs_checks(result, None, 1), result.counts)).replace("\u00a0", " ")


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_that_prefers_the_first_position_is_always_inconsistent(tmp_path: Path, by: str) -> None:
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(first), labeled_pairs(), by)
    result = pairs_result(judged_pairs)
    assert result.position is not None
    assert result.position.conflict.estimate == 1.0
    assert result.position.first_place.estimate == 1.0
    assert result.wins[0][1].estimate == 0.5
    assert result.humans is not None
    assert result.humans.judge.estimate == 0.5
    assert "position inconsistency: 100.0%" in check_text(judged_pairs)
    assert mostly_inconsistent(result.position)
    assert (result.humans.judge.low or 0) < 0.5 < (result.humans.judge.high or 0)


@pytest.mark.full
def test_length_audit_detects_a_judge_that_prefers_longer_answers(tmp_path: Path) -> None:
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(longer), labeled_pairs(200))
    result = pairs_result(judged_pairs)
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
    # If one side is nearly always longer, it nearly always wins, but not at equal length.
    padded = [Sample({**pair.fields, "output_a": pair.text("output_a") + " word" * 15}) for pair in labeled_pairs(200)]
    lopsided = pairs_result(run_pair_judge(tmp_path / "padded", CodeJudge(longer), padded)).length
    assert lopsided is not None
    assert lopsided.win_rate.estimate > 0.75
    assert lopsided.length_controlled is not None
    assert lopsided.length_controlled.estimate == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_a_judge_that_knows_the_labels_agrees_without_bias(tmp_path: Path, by: str) -> None:
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(knows("good")), labeled_pairs(), by)
    result = pairs_result(judged_pairs)
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


def test_ties_count_half_and_are_consistent(tmp_path: Path) -> None:
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(knows("word")), labeled_pairs(20), ties=True)
    assert [verdict.preference for verdict in judged_pairs.verdicts] == [0.5] * 20
    result = pairs_result(judged_pairs)
    assert result.position is not None
    assert result.position.conflict.estimate == 0.0
    assert result.humans is not None
    assert result.humans.judge.estimate == 0.0
    assert result.length is not None
    assert result.length.longer_preferred is None


def test_an_inconsistent_pair_counts_as_a_tie() -> None:
    agreed = PairJudgment(Score(1.0), Score(1.0))
    assert (agreed.preference, agreed.inconsistent) == (1.0, False)
    torn = PairJudgment(Score(1.0, evidence={"first": 0.9}), Score(0.0, evidence={"first": 0.3}))
    assert (torn.preference, torn.inconsistent) == (0.5, True)
    assert torn.balanced == pytest.approx(0.6)
    assert PairJudgment(Score(1.0), Score(0.5)).inconsistent
    lacking = PairJudgment(Score(1.0), Unscored("failed", "x"))
    assert (lacking.preference, lacking.inconsistent, lacking.orders, lacking.balanced) == (None, False, None, None)


def test_failed_and_unparsed_pairs_are_counted_separately_and_excluded(tmp_path: Path) -> None:
    down = CodeJudge(knows("good"), missing=lambda parts: " 3?" in parts["INSTRUCTION"])
    result = pairs_result(run_pair_judge(tmp_path / "down", down, labeled_pairs(10)))
    assert (result.counts.n, result.counts.scored, result.counts.failed, result.counts.unparsed) == (10, 9, 1, 0)
    assert result.counts.why == "gone: the server is down"
    assert result.counts.why in check_lines([], result.counts)[0]
    chatty = pairs_result(
        run_pair_judge(tmp_path / "chatty", CodeJudge(first, say="I like {said} best."), labeled_pairs(10))
    )
    assert (chatty.counts.scored, chatty.counts.unparsed) == (0, 10)
    assert chatty.wins == ()
    assert chatty.position is None
    assert not pairs_checks(chatty, None, 1)[0].numbers


def test_stored_answers_are_reused_in_any_order_and_failed_ones_are_asked_again(tmp_path: Path) -> None:
    code = CodeJudge(knows("good"), missing=lambda parts: " 3?" in parts["INSTRUCTION"])
    run_pair_judge(tmp_path / "run", code, labeled_pairs(10))
    assert len(code.asked) == 20
    labeled = [Sample({**pair.fields, "label": "tie", "origin": "other"}) for pair in reversed(labeled_pairs(10))]
    code.asked.clear()
    run_pair_judge(tmp_path / "run", code, labeled)
    assert len(code.asked) == 2  # both orders of the failed pair
    code.missing = lambda parts: False
    assert pairs_result(run_pair_judge(tmp_path / "run", code, labeled_pairs(12))).counts.scored == 12
    code.asked.clear()
    run_pair_judge(tmp_path / "run", code, labeled_pairs(12))
    assert code.asked == []
    run_pair_judge(tmp_path / "run", code, labeled_pairs(12), "likelihood")
    run_pair_judge(tmp_path / "run", code, labeled_pairs(12), ties=True)
    assert len(code.asked) == 48  # other questions


def test_stored_answers_are_parsed_again_without_calls(tmp_path: Path) -> None:
    code = CodeJudge(knows("good"), say="ID {own}: {said}")
    run_pair_judge(tmp_path / "run", code, labeled_pairs(4))
    (part,) = (tmp_path / "run").glob("judge-*/part-*.jsonl")
    rows = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["texts"] = [row["texts"][0].replace(": B", ": A")]
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code.asked.clear()
    result = pairs_result(run_pair_judge(tmp_path / "run", code, labeled_pairs(4)))
    assert code.asked == []
    assert result.position is not None
    assert result.position.conflict.estimate == 1.0


def test_an_interrupted_judge_run_loses_at_most_one_part(tmp_path: Path) -> None:
    def stop(parts: object) -> bool:
        if len(code.asked) == 70:
            raise KeyboardInterrupt
        return False

    code = CodeJudge(knows("good"), missing=stop)
    with pytest.raises(KeyboardInterrupt):
        run_pair_judge(tmp_path / "run", code, labeled_pairs(50))
    code.missing = lambda parts: False
    code.asked.clear()
    assert pairs_result(run_pair_judge(tmp_path / "run", code, labeled_pairs(50))).counts.scored == 50
    assert len(code.asked) == 100 - 64


def test_self_preference_needs_several_judges_and_model_names(tmp_path: Path) -> None:
    red, neutral = CodeJudge(knows("good")), CodeJudge(knows("good"))
    run = judge_run(tmp_path / "run", red=red, green=neutral)
    samples = labeled_pairs(40, named=True)
    # The judge "red" prefers the answers of the model "red".
    red_answers = {pair.text(f"output_{'a' if pair.text('model_a') == 'red' else 'b'}") for pair in samples}
    red.pick = lambda parts: "A" if parts["ANSWER A"] in red_answers else "B"
    decoding = judge_config("x", "answers").decoding
    both = [judge_pairs(run, JudgeConfig(name, "answers", decoding), samples, ties=False) for name in
            ("red", "green")]  # fmt: skip
    preferences = self_preferences(both)
    assert preferences[1] is None
    assert preferences[0] is not None
    assert preferences[0].own.estimate == 1.0
    assert preferences[0].others.estimate == pytest.approx(0.5)
    assert preferences[0].significant
    check = next(
        check for check in pairs_checks(pairs_result(both[0]), preferences[0], 2) if check.name == "Self-preference"
    )
    assert check.numbers[0].effect == preferences[0].own
    assert dict(pairs_result(both[0]).wins)["red"].estimate == 1.0
    assert dict(pairs_result(both[0]).wins)["blue"].estimate == 0.0
    named = replace(both[0].judge, family="blue")
    assert self_preferences([replace(both[0], judge=named), both[1]])[0].own.estimate == 0.0  # type: ignore[union-attr]
    assert self_preferences(both[:1]) == [None]
    unnamed = judge_pairs(run, both[0].judge, labeled_pairs(4), ties=False)
    assert self_preferences([unnamed, unnamed]) == [None, None]


@pytest.mark.parametrize(("name", "right", "agreed"), [("gpt-4", 95.5, 95.0), ("chatgpt", 81.5, 71.0)])
def test_llmbar_agreement_rates_match_the_published_ones(name: str, right: float, agreed: float) -> None:
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


def run_grading_judge(folder: Path, code: CodeJudge, samples: list[Sample], judge: JudgeConfig) -> JudgedTexts:
    return rate(judge_run(folder, code=code), judge, RUBRIC, samples)


def by_words(parts: dict[str, str]) -> str:
    return str(len(parts["TEXT"].split()) - 1)


@pytest.mark.parametrize("by", ["answers", "likelihood"])
def test_grades_are_counted_and_correlated_with_human_grades(tmp_path: Path, by: str) -> None:
    judged_texts = run_grading_judge(tmp_path / "run", CodeJudge(by_words), texts(), judge_config("code", by))  # type: ignore[arg-type]
    result = rate_result(judged_texts)
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
    length = next(check for check in rate_checks(result) if check.name == "Length bias")
    assert re.search(r"\bLonger .*\bhigher\b", length.meaning)
    assert f"Length bias: {length.meaning}" in check_lines(rate_checks(result), result.counts)
    assert scoring_method(result) == ("probabilities" if by == "likelihood" else "answer")
    assert sum(count for _, count in result.grades) == 30
    if by == "answers":
        assert result.grades == tuple((float(grade), 6) for grade in range(1, 6))
        assert result.counts.dollars == pytest.approx(7.5)


def test_sampled_grades_are_averaged(tmp_path: Path) -> None:
    judge = judge_config("code", samples=4)
    assert judge.by == "answers"
    judged_texts = run_grading_judge(tmp_path / "run", CodeJudge(by_words), texts(5), judge)
    assert all(
        isinstance(outcome, Score) and outcome.evidence == {"samples": 4.0, "read": 4.0}
        for outcome in judged_texts.outcomes
    )
    assert scoring_method(rate_result(judged_texts)) == "mean of 4 answers"


def test_evaluation_steps_are_generated_once_and_reused(tmp_path: Path) -> None:
    code = CodeJudge(by_words)
    run = judge_run(tmp_path / "run", code=code)
    rubric = with_steps(run, judge_config("code"), RUBRIC)
    assert rubric.steps == "1. Read it.\n2. Grade it."
    assert with_steps(run, judge_config("code"), RUBRIC) == rubric
    assert len(code.asked) == 1
    rate(run, judge_config("code"), rubric, texts(3))
    assert all("1. Read it.\n2. Grade it." in prompt for prompt in code.asked[1:])


def test_truncated_steps_are_an_error(tmp_path: Path) -> None:
    run = judge_run(tmp_path / "run", code=CodeJudge(by_words, steps_end="length"))
    with pytest.raises(ModelError, match=f"{STEPS_TOKENS} tokens"):
        with_steps(run, judge_config("code"), RUBRIC)


def test_json_has_results_and_rows(tmp_path: Path) -> None:
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(first), labeled_pairs(4))
    data = json.loads(json.dumps(pairs_data([pairs_result(judged_pairs)], self_preferences([judged_pairs]))))
    assert data["pairs"][0]["position"]["conflict"]["estimate"] == 1.0
    assert data["pairs"][0]["wins"][0]["name"] == "output_a"
    assert [row["preference"] for row in pair_rows([judged_pairs])] == [0.5] * 4
    judged_texts = rate(judge_run(tmp_path / "rate", code=CodeJudge(by_words)), judge_config("code"), RUBRIC, texts(5))
    rate_json = json.loads(json.dumps(rate_data(rate_result(judged_texts), judged_texts)))
    assert rate_json["rubric"]["criteria"] == RUBRIC.criteria
    assert [row["value"] for row in rate_rows(judged_texts)] == pytest.approx([1.96, 2.5, 3.0, 3.5, 4.0], abs=0.6)


def test_scoring_method_depends_on_the_model() -> None:
    assert judge_config("embedded:smollm2").by == "likelihood"
    assert judge_config("openai:gpt-4o").by == "answers"
    assert judge_config("embedded:smollm2", samples=5).by == "answers"
    with pytest.raises(UserError, match="openai:gpt-4o"):
        judge_config("openai:gpt-4o", "likelihood")
    with pytest.raises(UserError, match="deterministic"):
        judge_config("embedded:smollm2", "likelihood", samples=2)


def test_grades_use_the_scale_of_the_rubric(tmp_path: Path) -> None:
    rubric = Rubric("Accuracy.", grades=Grades(0, 5, 0.5), dimension="accuracy")
    code = CodeJudge(lambda parts: "4.5")
    judged_texts = rate(judge_run(tmp_path / "run", code=code), judge_config("code", "answers"), rubric, texts(3))
    assert [outcome.value for outcome in judged_texts.outcomes if isinstance(outcome, Score)] == [4.5] * 3


def test_identical_answers_are_ties_and_excluded_from_position_bias(tmp_path: Path) -> None:
    alike = [Sample({**pair.fields, "output_b": pair.text("output_a")}) for pair in labeled_pairs(4)]
    judged_pairs = run_pair_judge(
        tmp_path / "run", CodeJudge(knows("good"), say="ID {own}: A"), [*labeled_pairs(6)[4:], *alike]
    )
    result = pairs_result(judged_pairs)
    assert result.same == 4
    assert result.position is not None
    assert result.position.conflict.n == 2
    assert re.search(r"\b4\D+identical\b", check_text(judged_pairs))
    only = run_pair_judge(tmp_path / "alike", CodeJudge(first), alike)
    assert pairs_result(only).position is None
    assert pairs_result(only).wins[0][1].estimate == 0.5
    assert not pairs_checks(pairs_result(only), None, 1)[0].numbers


@pytest.mark.full
def test_length_audit_names_the_model_of_the_win_rate(tmp_path: Path) -> None:
    two = run_pair_judge(tmp_path / "two", CodeJudge(longer), labeled_pairs(200, named=True))
    assert pairs_result(two).length_of == "red"
    assert re.search(r"\bof red: \d", check_text(two))
    three = [
        Sample({**pair.fields, "model_b": f"green{nth % 2}"}) for nth, pair in enumerate(labeled_pairs(200, named=True))
    ]
    assert re.search(r"\bof output_a: \d", check_text(run_pair_judge(tmp_path / "three", CodeJudge(longer), three)))
    assert LENGTH_CONTROL in check_text(two)


def test_unparsed_answers_are_stored_in_full(tmp_path: Path) -> None:
    chatter = "I would rather not say. " * 200
    judged_pairs = run_pair_judge(tmp_path / "run", CodeJudge(first, say=chatter), labeled_pairs(1))
    (row,) = pair_rows([judged_pairs])
    assert [row[order]["texts"] for order in ("as_given", "swapped")] == [[chatter]] * 2
    chat = judge_run(tmp_path / "rate", code=CodeJudge(first, say=chatter))
    (unread,) = rate_rows(rate(chat, judge_config("code", "answers"), RUBRIC, graded_texts(1)))
    assert unread["texts"] == [chatter]


def graded_texts(n: int, **more: str) -> list[Sample]:
    return [Sample({"output": f"good{' word' * nth} {nth}", "human": str(nth % 3), **more}) for nth in range(n)]


def agreement(folder: Path, samples: list[Sample], grade: str = "") -> JudgeCheck:
    judge = CodeJudge(lambda parts: grade or str(1 + len(parts["TEXT"].split()) % 5))
    judged_texts = rate(judge_run(folder, code=judge), judge_config("code", "answers"), RUBRIC, samples)
    return next(check for check in rate_checks(rate_result(judged_texts)) if check.name == "Human agreement")


def test_missing_human_agreement_is_explained(tmp_path: Path) -> None:
    unlabeled = agreement(tmp_path / "a", [Sample({"output": "x"}), Sample({"output": "xy"})])
    assert "(column human)" in unlabeled.meaning
    never = agreement(tmp_path / "b", graded_texts(6), grade="3")
    assert "column human" not in never.meaning
    assert re.search(r"\bNo correlation\b.*\b6\b.*\bconstant grades\b", never.meaning)
    assert unlabeled.numbers == never.numbers == ()
    unreferenced = agreement(tmp_path / "c", graded_texts(6))
    assert re.search(r"\bWithout references\b.*\bROUGE-L\b", unreferenced.meaning)
    some = agreement(tmp_path / "d", [*graded_texts(4, reference="good word"), Sample({"output": "x", "human": "1"})])
    assert re.search(r"\b1 of 5\b.*\breference\b", some.meaning)
    assert not any("ROUGE-L" in number.name for number in (*unreferenced.numbers, *some.numbers))
    whole = agreement(tmp_path / "e", graded_texts(6, reference="good word"))
    assert any("ROUGE-L" in number.name for number in whole.numbers)
    pairs = [
        *labeled_pairs(5),
        Sample({name: value for name, value in labeled_pairs(6)[5].fields.items() if name != "reference"}),
    ]
    assert re.search(
        r"\b1 of 6\b.*\breference\b", check_text(run_pair_judge(tmp_path / "f", CodeJudge(knows("good")), pairs))
    )
