"""Asks a judge, many questions at a time, and nothing twice: answers are kept in the folder and read from there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from assay.core.completions import HOPELESS, Completion, Continuations, Message, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.errors import UserError
from assay.core.model_kinds import LikelihoodModel, TextModel
from assay.core.score import Outcome, Unscored
from assay.models.remote.services import is_remote
from assay.pipeline.progress import Reporter, Silent
from assay.pipeline.quiet import hushed
from assay.store.answers import AnswerLog, StoredAnswer
from assay.store.receipts import canonical_json, stage_key
from assay.store.run_folder import RunFolder
from assay.text.prompting.judge_prompts import By, Reader

VERSION = 1
"""Of how judges are asked; another number asks everything anew."""
PART = 32
"""Questions of a part: what a kill can lose."""


class JudgeModels(Protocol):
    """What opens judges."""

    def text_model(self, reference: str) -> TextModel: ...

    def likelihood_model(self, reference: str) -> LikelihoodModel: ...


@dataclass(frozen=True)
class Judge:
    """A model and how it judges."""

    reference: str
    by: By
    decoding: Decoding | None
    """None where probabilities are compared."""
    family: str = ""
    """Whose answers count as its own; the reference where empty."""

    @property
    def own(self) -> str:
        """The name by which its own answers are known."""
        return self.family or self.reference

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that its answers depend on, beside the questions."""
        decoding = asdict(self.decoding) if self.decoding is not None else None
        return {"judge": self.reference, "by": self.by, "decoding": decoding}


@dataclass(frozen=True)
class Question:
    """One prompt, and what may follow it where probabilities are compared."""

    prompt: tuple[Message, ...]
    words: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Digest of all that the judge is given, 24 hexadecimal digits."""
        turns = [(turn.role, turn.text) for turn in self.prompt]
        return hashlib.sha256(canonical_json([turns, self.words]).encode()).hexdigest()[:24]


def judge_of(
    reference: str,
    by: Literal["auto", "answers", "likelihood"] = "auto",
    *,
    samples: int = 1,
    max_tokens: int = 64,
    seed: int = 0,
    family: str = "",
) -> Judge:
    """How a model judges: by probabilities where it is open ("auto") and one sample is wanted, else by its answers.

    Several samples are drawn at temperature 1, as G-Eval does with GPT-4; a single answer is greedy.

    Raises:
        UserError: Samples of probabilities are wanted, or probabilities of a closed model.
    """
    if by == "likelihood" and samples > 1:
        raise UserError("Probabilities are not sampled: there is nothing to average.", hint="Use --by answers.")
    if by == "likelihood" and is_remote(reference):
        raise UserError(
            f"{reference!r} does not show how probable its words are.", hint="Use --by answers, or an open model."
        )
    if by == "likelihood" or (by == "auto" and samples == 1 and not is_remote(reference)):
        return Judge(reference, "likelihood", None, family)
    if samples == 1:
        return Judge(reference, "answers", Decoding(max_tokens=max_tokens), family)
    drawn = Decoding("sample", max_tokens=max_tokens, answers=samples, seed=seed)
    return Judge(reference, "answers", drawn, family)


@dataclass
class Judging:
    """Judgments in a folder."""

    folder: RunFolder
    models: JudgeModels
    reporter: Reporter = field(default_factory=Silent)

    def ask(self, judge: Judge, questions: Sequence[Question]) -> list[StoredAnswer]:
        """One row a question, in order; those that were answered before are read, those that had no answer asked again.

        Raises:
            UserError: Something the user can mend, such as a budget that is spent; what was answered stays.
        """
        with self.folder.lock(), hushed():
            self.folder.clean_temporaries()
            log = self._log(judge)
            rows = log.read()
            asked = {one.key: one for one in questions}
            todo = _todo(asked, rows)
            self.reporter.begin(judge.reference, len(asked), len(asked) - len(todo))
            for start in range(0, len(todo), PART):
                part = todo[start : start + PART]
                fresh = self._part(judge, [asked[key] for key in part])
                if lasting := [row for row in fresh if row.lack not in HOPELESS]:
                    log.add(lasting)
                rows |= {row.id: row for row in fresh}
                if hopeless := next((row for row in fresh if row.lack in HOPELESS), None):
                    raise fatal_error(judge.reference, hopeless.lack, hopeless.reason)
                self.reporter.advance(len(asked) - len(todo) + start + len(part), len(asked))
            lacking = sum(bool(rows[key].lack) for key in asked)
            self.reporter.end(f"{len(todo)} asked, {len(asked) - len(todo)} kept, {lacking} without an answer")
            return [rows[one.key] for one in questions]

    def requests(self, judge: Judge, questions: Sequence[Question]) -> list[TextRequest]:
        """What `ask` would let the judge write: nothing that was answered before, and none where it compares.

        Raises:
            StoreError: What was answered before cannot be read.
        """
        if judge.decoding is None:
            return []
        asked = {one.key: one for one in questions}
        return [_request(judge.decoding, asked[key]) for key in _todo(asked, self._log(judge).read())]

    def _log(self, judge: Judge) -> AnswerLog:
        place = self.folder.stage(f"judge-{stage_key(judge.spec, [], VERSION, 0)}")
        self.folder.write_text(f"{place.name}.json", canonical_json(judge.spec) + "\n")
        return AnswerLog(place)

    def _part(self, judge: Judge, questions: Sequence[Question]) -> list[StoredAnswer]:
        started = time.perf_counter()
        if judge.by == "likelihood":
            rows = _compared(self.models.likelihood_model(judge.reference), questions)
        else:
            rows = _written(self.models.text_model(judge.reference), judge, questions)
        share = (time.perf_counter() - started) / len(questions)
        return [replace(row, seconds=share) for row in rows]


def outcome_of(row: StoredAnswer, reader: Reader) -> Outcome:
    """What `reader` makes of a kept answer; what has no answer is "failed"."""
    return Unscored("failed", f"{row.lack}: {row.reason}") if row.lack else reader(row.texts, row.ends)


def own_stream(decoding: Decoding, key: str) -> Decoding:
    """With a seed of the question's own: else the nth sample of every question would draw alike."""
    seed = int(hashlib.sha256(f"{decoding.seed}/{key}".encode()).hexdigest()[:15], 16)
    return replace(decoding, seed=seed)


def _compared(model: LikelihoodModel, questions: Sequence[Question]) -> list[StoredAnswer]:
    found = model.likelihoods([Continuations(one.prompt, one.words) for one in questions])
    return [
        StoredAnswer(one.key, one.key, lack=given.lack, reason=given.reason)
        if isinstance(given, NotCompleted)
        else StoredAnswer(one.key, one.key, likelihoods=given)
        for one, given in zip(questions, found, strict=True)
    ]


def _written(model: TextModel, judge: Judge, questions: Sequence[Question]) -> list[StoredAnswer]:
    assert judge.decoding is not None, "a judge that writes decodes"
    asked = [_request(judge.decoding, one) for one in questions]
    return [_row(one.key, given) for one, given in zip(questions, model.complete(asked), strict=True)]


def _request(decoding: Decoding, question: Question) -> TextRequest:
    return TextRequest(question.prompt, own_stream(decoding, question.key))


def _todo(asked: Mapping[str, Question], rows: Mapping[str, StoredAnswer]) -> list[str]:
    """Keys of what has no answer yet."""
    return [key for key in asked if key not in rows or rows[key].lack]


def _row(key: str, given: Completion | NotCompleted) -> StoredAnswer:
    if isinstance(given, NotCompleted):
        return StoredAnswer(key, key, lack=given.lack, reason=given.reason, dollars=given.dollars)
    counts = [answer.tokens for answer in given.answers]
    known = [count for count in counts if count is not None]
    return StoredAnswer(
        key,
        key,
        texts=tuple(answer.text for answer in given.answers),
        ends=tuple(answer.end for answer in given.answers),
        tokens=sum(known) if len(known) == len(counts) else None,
        dollars=0.0 if given.cached else given.dollars,
    )
