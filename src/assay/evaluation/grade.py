"""Grade stored answers; no model is called."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.asking import extract_answer
from assay.evaluation.metrics import MASS, EvalMetric, reference_answers, text_scores
from assay.evaluation.plan import EvalCell, choices_of
from assay.store.answers import StoredAnswer
from assay.text.answers.aggregation import vote
from assay.text.answers.choices import LETTERS
from assay.text.answers.normalization import same_number, same_text
from assay.text.prompting.methods import Kind
from assay.text.prompting.multiple_choice import Convention, choose, item_of, mass_on_right, scores

REASON_LENGTH = 300
"""Characters of an unparsed text that are stored in the reason."""


def grade(cell: EvalCell, items: Sequence[Sample], rows: Sequence[StoredAnswer], lab: Lab) -> list[Outcome]:
    """Grade each item: 1 if correct, 0 if not, or the value of the metric of the cell.

    Returns:
        One outcome per item; "unparsed" if no answer could be extracted, "failed" if there is no answer.
    """
    if cell.metric.grader == "text":
        return _text_outcomes(cell, items, rows, lab)
    return [_grade_item(cell, item, row) for item, row in zip(items, rows, strict=True)]


def _text_outcomes(cell: EvalCell, items: Sequence[Sample], rows: Sequence[StoredAnswer], lab: Lab) -> list[Outcome]:
    """Text metrics of generated answers against references; of several samples the first counts."""
    answered = [(item, row) for item, row in zip(items, rows, strict=True) if not row.lack]
    texts = [_final_text(cell, row.texts[0]) for _, row in answered]
    scores_ = iter(text_scores(cell.metric, [item for item, _ in answered], texts, lab))
    return [_failed(row) if row.lack else next(scores_) for row in rows]


def _final_text(cell: EvalCell, text: str) -> str:
    """The whole text, or the conclusion of a chain of thought."""
    if cell.setup.method not in ("chain-of-thought", "zero-shot-cot"):
        return text.strip()
    answer = extract_answer(text, cell.setup.prompting("text", 0))
    return answer.value if answer is not None else ""


def _failed(row: StoredAnswer) -> Unscored:
    return Unscored("failed", f"{row.lack}: {row.reason}")


def _grade_item(cell: EvalCell, item: Sample, row: StoredAnswer) -> Outcome:
    """Grade one answer; several samples vote."""
    kind, setup = cell.task.kind, cell.setup
    if row.lack:
        return _failed(row)
    if setup.convention is not None:
        return _by_likelihood(cell.metric, setup.convention, item, row)
    choices = choices_of(item)
    prompting = setup.prompting(kind, len(choices))
    continues = prompting.steps == 2 and prompting.layout == "plain"
    answer = vote(
        [extract_answer(text, prompting, choices, continues=continues) for text in row.texts],
        same_text if kind == "text" else lambda first, second: first == second,
    )
    if answer.value is None:
        return Unscored("unparsed", f"no {kind} answer found in {row.texts[0][:REASON_LENGTH]!r}")
    votes = {"votes": float(answer.votes), "samples": float(answer.n)} if answer.n > 1 else {}
    right = any(is_correct(kind, answer.value, reference) for reference in reference_answers(item))
    return Score(float(right), evidence=votes, answer=answer.value)


def is_correct(kind: Kind, answer: str, reference: str) -> bool:
    """Whether an extracted answer matches the reference; several letters are separated by commas."""
    if kind == "choice":
        return answer in reference.split(",")
    if kind == "number":
        return same_number(answer, reference)
    return same_text(answer, reference)


def _by_likelihood(metric: EvalMetric, convention: Convention, item: Sample, row: StoredAnswer) -> Outcome:
    choices = item_of(item)
    best = choose(scores(choices, row.likelihoods, convention))
    if metric == MASS:
        return Score(mass_on_right(choices, row.likelihoods), answer=LETTERS[best])
    return Score(float(best in choices.right), answer=LETTERS[best])
