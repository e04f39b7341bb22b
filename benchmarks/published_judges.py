"""Judges whose bias is known, before the judging and the audit of `assay judge pairs`; for published.py."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, Found
from published_preferences import llmbar_files

from assay.analysis.format import percent_between, points, points_between
from assay.components.sources.files.judgments import read_pairs
from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    Likelihood,
    LogProbs,
    NotCompleted,
    TextRequest,
)
from assay.core.errors import ModelError
from assay.core.sample import Sample
from assay.judging.audit import pairs_checks
from assay.judging.engine import JudgeRun, judge_config
from assay.judging.judgments import judge_pairs
from assay.judging.results import PairsResult, pairs_result
from assay.stats.ratings.length_control import MIN_PAIRS
from assay.store.run_folder import RunFolder
from assay.text.prompting.delimiters import delimited_texts

COLUMNS = {"instruction": "input", "output_a": "output_1", "output_b": "output_2"}
TURN = 4
"""Of so many pairs the longer answer stands second in one, and first in the others."""


@dataclass(frozen=True)
class CodeJudge:
    """A judge that is a line of code, and is asked as any model is: it reads its prompt and writes an answer."""

    pick: Callable[[str, str], str]
    """The two answers as shown, to a letter."""
    means = Capabilities(reproducible=True)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._one(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        raise ModelError("A judge of code has no probabilities.")

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        raise ModelError("A judge of code has no probabilities.")

    def _one(self, request: TextRequest) -> Completion:
        assert not isinstance(request.prompt, str), "a judge is asked by messages"
        own, shown = delimited_texts(request.prompt[-1].text)
        said = f"ID {own}: {self.pick(shown['ANSWER A'], shown['ANSWER B'])}"
        return Completion((Answer(said, "stop"),))


@dataclass(frozen=True)
class CodeJudges:
    """Opens judges by their names."""

    def text_model(self, reference: str) -> CodeJudge:
        return JUDGES[reference]

    def likelihood_model(self, reference: str) -> CodeJudge:
        return JUDGES[reference]


FIRST, LONGER = "code:always-A", "code:the-longer"
JUDGES = {
    FIRST: CodeJudge(lambda first, second: "A"),
    LONGER: CodeJudge(lambda first, second: "A" if len(first) >= len(second) else "B"),
}


def judges(folder: Path) -> Iterator[Found]:
    """A judge that always says A contradicts itself; one that likes length is caught by the length audit."""
    pairs = _pairs(folder)
    of = f"{len(pairs)} pairs of LLMBar"
    always = _judged(FIRST, pairs)
    assert always.position is not None, "every pair was judged in both orders"
    conflict = always.position.conflict
    note = _meaning(always, "Position bias")
    yield Figure(f"Judge that always says A, {of}, orders disagree, %", 100.0, 100 * conflict.estimate, 0.0, note=note)
    yield from _length_figures("Judge that prefers the longer text", _judged(LONGER, _turned(pairs)))


def _length_figures(name: str, result: PairsResult) -> Iterator[Found]:
    audit = result.length
    if audit is None or audit.longer_preferred is None:
        yield f"{name}: left out, there are no two pairs of unequal length"
        return
    longer = audit.longer_preferred
    note = f"{_meaning(result, 'Length bias')} In {TURN - 1} of {TURN} pairs the longer answer was put on one side."
    yield Figure(f"{name}, the longer wins, %", 100.0, 100 * longer.estimate, 0.0, note=note)
    note = f"{percent_between(audit.win_rate)} at 95 %, of the side that is mostly longer"
    yield Figure(f"{name}, raw win rate, %", None, 100 * audit.win_rate.estimate, note=note)
    even = audit.length_controlled
    if even is None or audit.shift is None:
        yield f"{name}: no length-controlled win rate, it needs {MIN_PAIRS} pairs with the longer answer on each side"
    else:
        shift = f"{points(audit.shift)} ({points_between(audit.shift)})"
        note = f"{percent_between(even)} at 95 %, what it would be at equal length; length brings {shift}"
        yield Figure(f"{name}, length-controlled win rate, %", None, 100 * even.estimate, note=note)


def _pairs(folder: Path) -> list[Sample]:
    """Of all files, each pair once: they hold the same pairs with other judges' words."""
    found = [sample for path in llmbar_files(folder) for sample in read_pairs(path, COLUMNS)]
    return list({tuple(sample.text(name) for name in COLUMNS): sample for sample in found}.values())


def _turned(pairs: Sequence[Sample]) -> list[Sample]:
    """So that one side is nearly always longer, as a wordy model is."""
    found = []
    for nth, pair in enumerate(pairs):
        a, b = pair.text("output_a"), pair.text("output_b")
        turn = (len(a) < len(b)) == (nth % TURN > 0)
        labels = {"a": "b", "b": "a"} if turn else {}
        fields = {**pair.fields, "output_a": b if turn else a, "output_b": a if turn else b}
        if "label" in fields:
            fields["label"] = labels.get(pair.text("label"), pair.text("label"))
        found.append(Sample(fields))
    return found


def _judged(reference: str, pairs: Sequence[Sample]) -> PairsResult:
    with tempfile.TemporaryDirectory() as folder:  # code answers at once: nothing is worth keeping
        judging = JudgeRun(RunFolder.open(Path(folder) / "judging", create=True), CodeJudges())
        return pairs_result(judge_pairs(judging, judge_config(reference, "answers"), pairs, ties=False))


def _meaning(result: PairsResult, name: str) -> str:
    """Interpretation of one check of the judge."""
    return next(f"{one.name}: {one.meaning}" for one in pairs_checks(result, None, 1) if one.name == name)
