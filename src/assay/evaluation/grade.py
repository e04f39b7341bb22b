"""Whether an answer is right: read out of what was kept, as often as one likes, without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.evaluation.asking import read_answer
from assay.evaluation.measures import MASS, Measure, measured, wanted_of
from assay.evaluation.plan import Cell, choices_of
from assay.store.answers import StoredAnswer
from assay.text.answers.choices import LETTERS
from assay.text.answers.normalization import same_number, same_text
from assay.text.answers.voting import vote
from assay.text.prompting.methods import Kind
from assay.text.prompting.multiple_choice import Convention, choose, item_of, mass_on_right, scores

SHOWN = 300
"""Characters of a text that could not be read, as they are kept in the reason."""


def grade(cell: Cell, items: Sequence[Sample], rows: Sequence[StoredAnswer], lab: Lab) -> list[Outcome]:
    """One outcome an item: 1 for right and 0 for wrong, or what else the cell measures.

    What cannot be read is "unparsed"; what has no answer is "failed".
    """
    if cell.measure.owner == "text":
        return _near(cell, items, rows, lab)
    return [_graded(cell, item, row) for item, row in zip(items, rows, strict=True)]


def _near(cell: Cell, items: Sequence[Sample], rows: Sequence[StoredAnswer], lab: Lab) -> list[Outcome]:
    """Of written answers beside references. Of several samples of one question the first counts."""
    there = [(item, row) for item, row in zip(items, rows, strict=True) if not row.lack]
    texts = [_whole(cell, row.texts[0]) for _, row in there]
    found = iter(measured(cell.measure, [item for item, _ in there], texts, lab))
    return [_failed(row) if row.lack else next(found) for row in rows]


def _whole(cell: Cell, text: str) -> str:
    """All that was written; where reasoning comes first, what it comes to."""
    if cell.manner.method not in ("chain-of-thought", "zero-shot-cot"):
        return text.strip()
    found = read_answer(text, cell.manner.prompting("text", 0))
    return found.value if found is not None else ""


def _failed(row: StoredAnswer) -> Unscored:
    return Unscored("failed", f"{row.lack}: {row.reason}")


def _graded(cell: Cell, item: Sample, row: StoredAnswer) -> Outcome:
    """Where several texts were written they vote."""
    kind, manner = cell.task.kind, cell.manner
    if row.lack:
        return _failed(row)
    if manner.convention is not None:
        return _by_likelihood(cell.measure, manner.convention, item, row)
    choices = choices_of(item)
    prompting = manner.prompting(kind, len(choices))
    continues = prompting.steps == 2 and prompting.layout == "plain"
    found = vote(
        [read_answer(text, prompting, choices, continues=continues) for text in row.texts],
        same_text if kind == "text" else lambda one, two: one == two,
    )
    if found.value is None:
        return Unscored("unparsed", f"no {kind} could be read in {row.texts[0][:SHOWN]!r}")
    votes = {"votes": float(found.votes), "samples": float(found.n)} if found.n > 1 else {}
    right = any(is_right(kind, found.value, wanted) for wanted in wanted_of(item))
    return Score(float(right), evidence=votes, answer=found.value)


def is_right(kind: Kind, answer: str, wanted: str) -> bool:
    """Whether an answer that was read is the one that is wanted; of letters, one of them."""
    if kind == "choice":
        return answer in wanted.split(",")
    if kind == "number":
        return same_number(answer, wanted)
    return same_text(answer, wanted)


def _by_likelihood(measure: Measure, convention: Convention, item: Sample, row: StoredAnswer) -> Outcome:
    choices = item_of(item)
    best = choose(scores(choices, row.likelihoods, convention))
    if measure == MASS:
        return Score(mass_on_right(choices, row.likelihoods), answer=LETTERS[best])
    return Score(float(best in choices.right), answer=LETTERS[best])
