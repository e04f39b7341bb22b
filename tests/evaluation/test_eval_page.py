"""Report page of an evaluation: summary, numbers, examples, and escaping of model text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from eval_example import CITIES, SUMS, ScriptedModel, evaluated, page_of

from assay.analysis.format import count, p_value, percent, percent_between, points, points_between
from assay.analysis.measures import between, value
from assay.core.score import Score
from assay.evaluation.ask_cells import rendered_prompt
from assay.evaluation.examples import EXAMPLES_PER_KIND, examples
from assay.evaluation.findings import by_subject, caution, finding, metric_name, more_data, truncated
from assay.evaluation.metrics import text_metric
from assay.evaluation.report import CHANCE_WORDS, render_eval
from assay.evaluation.results import comparisons, result
from assay.evaluation.run import EvaluatedCell
from assay.report.document import Finding, Tone
from page_parts import CHROMIUM, HOSTILE, KOREAN, fits, shot, stands_alone, words

EvalPage = tuple[list[EvaluatedCell], str]


@pytest.fixture(scope="module")
def eval_page(tmp_path_factory: pytest.TempPathFactory) -> EvalPage:
    folder = tmp_path_factory.mktemp("eval")
    models = {"good": ScriptedModel(38), f"bad {HOSTILE}": ScriptedModel(20, 1)}
    entries = evaluated(folder, models, {"sums": SUMS, "cities": CITIES}, ["zero-shot", "letter"])
    return entries, page_of(entries)


def summary_of(entries: list[EvaluatedCell]) -> tuple[Finding, str]:
    """The finding, and its sentences as one text."""
    summary = finding(entries, [result(entry) for entry in entries], comparisons(entries))
    return summary, " ".join(summary.sentences).replace("\u00a0", " ")


def test_page_is_self_contained_and_escapes_model_text(eval_page: EvalPage) -> None:
    stands_alone(eval_page[1])
    assert "<script" not in eval_page[1]
    assert "alert(&#34;1&#34;)" in eval_page[1]
    assert KOREAN in words(eval_page[1])


def test_every_number_is_on_the_page(eval_page: EvalPage) -> None:
    entries, page = eval_page
    text = words(page)
    for cell_result in map(result, entries):
        assert cell_result.prompt in text
        assert f"{count(cell_result.scored)} of {count(cell_result.n)}" in text
        if cell_result.accuracy is not None:
            assert percent(cell_result.accuracy.estimate).replace("\u00a0", " ") in text
            assert percent_between(cell_result.accuracy) in text
    for pair in comparisons(entries):
        effect = pair.compared.effect
        assert points(effect).replace("\u00a0", " ") in text
        assert points_between(effect) in text
        assert p_value(pair.compared.adjusted_p).replace("\u00a0", " ") in text
    for subject in (subject for entry in entries for subject in by_subject(entry)):
        assert subject.name.replace("_", " ") in text
    assert re.search(r"\b33 tokens\b", text)
    assert "assay 1.2.3" in text


def test_finding_subjects_and_truncation_are_in_results_json(eval_page: EvalPage) -> None:
    entries, page = eval_page
    summary, _ = summary_of(entries)
    data = json.loads(json.dumps(more_data(entries, summary), allow_nan=False))
    assert data["finding"]["headline"] == summary.headline
    assert summary.headline in words(page)
    cities = [row for row in data["subjects"] if row["model"] == "good" and row["prompt"] == "letter"]
    assert [subject["n"] for subject in cities[0]["subjects"]] == [6, 6, 6]
    assert data["truncated"][0] == {
        "model": "good", "task": "sums", "prompt": "zero-shot", "decoding": "greedy", "metric": "accuracy",
        "answers": 10, "n": 40,
    }  # fmt: skip


def test_subjects_add_up_to_the_cell(eval_page: EvalPage) -> None:
    for entry in eval_page[0]:
        subjects, accuracy = by_subject(entry), result(entry).accuracy
        if subjects and accuracy is not None:
            assert sum(subject.accuracy.n for subject in subjects) == accuracy.n
            rights = sum(subject.accuracy.estimate * subject.accuracy.n for subject in subjects)
            assert rights == pytest.approx(accuracy.estimate * accuracy.n)


@pytest.mark.parametrize(
    ("limits", "tone", "headline"),
    [((38, 20), "hurt", r"second\b.*\bworse\b.*\bfirst$"), ((20, 21), "unclear", r"No significant difference$")],
)
def test_summary_of_one_comparison(limits: tuple[int, int], tone: Tone, headline: str, tmp_path: Path) -> None:
    models = {name: ScriptedModel(limit) for name, limit in zip(("first", "second"), limits, strict=True)}
    summary, text = summary_of(evaluated(tmp_path, models, {"sums": SUMS}))
    assert summary.tone == tone
    assert re.match(headline, summary.headline)
    assert text.startswith(summary.headline)
    assert re.search(r"\bsecond\b.*\bfirst\b.*\bsums\b.*\(Holm\), 39 questions", text)


def test_interval_of_width_zero_has_a_caution(tmp_path: Path) -> None:
    entries = evaluated(tmp_path, {"first": ScriptedModel(20), "second": ScriptedModel(20)}, {"sums": SUMS})
    (compared,) = comparisons(entries)
    assert compared.compared.effect.low == compared.compared.effect.high == 0
    assert caution(compared)
    assert caution(compared) in summary_of(entries)[1]


@pytest.mark.parametrize(
    ("answers", "state", "tone"),
    [("ABC" * 6, "no better", "unclear"), ("A" * 18, "better", "helped"), ("B" * 18, "worse", "hurt")],
)
def test_summary_compares_one_cell_with_chance(answers: str, state: str, tone: Tone, tmp_path: Path) -> None:
    rows = [row | {"answer": answer} for row, answer in zip(CITIES, answers, strict=True)]
    summary, text = summary_of(evaluated(tmp_path, {"model": ScriptedModel(0)}, {"cities": rows}, ["letter"]))
    assert summary.tone == tone
    assert summary.headline.lower() == CHANCE_WORDS[state]
    assert re.search(r"\b33\.3% on cities\b", text)


def test_summary_reports_failures_and_truncation(eval_page: EvalPage) -> None:
    _, text = summary_of(eval_page[0])
    failed = sum(result(entry).failed for entry in eval_page[0])
    assert re.search(rf"\b{failed} questions? .*\bfailed\b", text)
    assert re.search(r"\btruncated .*\b33 tokens\b", text)
    assert truncated(eval_page[0][0]) == 10


def test_cell_without_answers_has_no_number(tmp_path: Path) -> None:
    entries = evaluated(tmp_path, {"model": ScriptedModel(1)}, {"sums": SUMS[39:]})
    summary, text = summary_of(entries)
    assert summary.tone == "unclear"
    assert re.findall(r"\d[\d.%]*", text) == ["1"]
    assert "none" in words(page_of(entries))
    stands_alone(page_of(entries))


def test_examples_cover_each_kind_and_show_the_prompt(eval_page: EvalPage) -> None:
    entry = eval_page[0][0]
    page_examples = examples(entry)
    kinds = ["correct"] * EXAMPLES_PER_KIND["correct"] + ["unparsed", "failed"]
    assert [example.kind for example in page_examples] == kinds
    right = page_examples[0]
    assert f"<mark>{right.extracted}</mark>" in right.texts[0]
    assert right.extracted == right.reference
    assert right.prompt[-1][1] == right.question
    assert "<mark>" not in page_examples[2].texts[0]
    assert re.match(r"gone\b.*\bserver\b", page_examples[3].failure)
    for entry in eval_page[0]:
        for item, row in zip(entry.items, entry.rows, strict=True):
            assert rendered_prompt(entry.cell, item, entry.pool)[1] == row.prompt


def test_examples_omit_a_prompt_that_differs_from_the_stored_digest(eval_page: EvalPage) -> None:
    entry = eval_page[0][0]
    other = replace(entry, rows=[replace(row, prompt="0" * 16) for row in entry.rows])
    assert all(example.prompt == () for example in examples(other))


def test_examples_of_likelihood_cells_show_probabilities(eval_page: EvalPage) -> None:
    letter = next(entry for entry in eval_page[0] if entry.cell.setup.name == "letter")
    for example in examples(letter):
        assert sum(choice.probability for choice in example.choices) == pytest.approx(1)
        assert [choice.letter for choice in example.choices if choice.chosen] == ["A"]
        assert (example.kind == "correct") == example.choices[0].correct


def test_metric_without_proportions_is_not_shown_in_percent(eval_page: EvalPage) -> None:
    entry = eval_page[0][0]
    bleu = text_metric("bleu")
    assert bleu is not None
    cell = replace(entry.cell, metric=bleu)
    outcomes = [Score(float(nth)) for nth in range(40)]
    whole = replace(entry, cell=cell, outcomes=outcomes)
    plain = result(entry)
    assert plain.accuracy is not None
    accuracy = replace(plain.accuracy, estimate=19.5, low=16.0, high=23.0)
    mean = replace(plain, cell=cell, accuracy=accuracy, kind="mean")
    assert (metric_name(cell), value(19.5, proportion=False), between(accuracy, proportion=False)) == (
        "bleu",
        "19.5",
        "16\u201323",
    )
    page = render_eval([whole], [mean], [], {})
    stands_alone(page)
    text = words(page)
    assert "19.5 bleu" in text
    assert bleu.description in text
    assert "1950" not in text
    assert [example.kind for example in examples(whole)] == ["lowest"] * 2 + ["middle"] + ["highest"] * 2


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_wide_and_narrow_screens(eval_page: EvalPage, width: int, tmp_path: Path) -> None:
    fits(shot(tmp_path, eval_page[1], width, 3000))
