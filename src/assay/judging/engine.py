"""Judge run: batched questions to LLM judges, with answers stored in a folder and reused."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from assay.core.completions import FATAL, Continuations, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.errors import UserError
from assay.core.lab import request_seed
from assay.core.model_kinds import LikelihoodModel, TextModel
from assay.core.score import Outcome, Unscored
from assay.models.remote.services import is_remote
from assay.pipeline.progress import Reporter, SilentReporter, quiet_libraries
from assay.store.answers import AnswerLog, StoredAnswer, answer_row
from assay.store.receipts import canonical_json, stage_key
from assay.store.run_folder import RunFolder
from assay.text.prompting.judge_prompts import By, JudgePrompt, JudgeQuestion

VERSION = 1
"""Version of the questions; a change invalidates stored answers."""
PART = 32
"""Questions per stored part; an interruption loses at most one part."""


class JudgeModels(Protocol):
    """Loads the models of judges."""

    def text_model(self, reference: str) -> TextModel: ...

    def likelihood_model(self, reference: str) -> LikelihoodModel: ...


@dataclass(frozen=True)
class JudgeConfig:
    """Configuration of a judge."""

    reference: str
    by: By
    decoding: Decoding | None
    """None if likelihoods are compared."""
    family: str = ""
    """Model family for self-preference; the reference if empty."""

    @property
    def family_name(self) -> str:
        """Name of the model family whose answers are its own."""
        return self.family or self.reference

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that determines its answers, except the questions."""
        decoding = asdict(self.decoding) if self.decoding is not None else None
        return {"judge": self.reference, "by": self.by, "decoding": decoding}


def judge_config(
    reference: str,
    by: Literal["auto", "answers", "likelihood"] = "auto",
    *,
    samples: int = 1,
    max_tokens: int = 64,
    seed: int = 0,
    family: str = "",
) -> JudgeConfig:
    """Configure a judge; "auto" compares likelihoods for an open model and a single sample, else parses answers.

    Several samples are drawn at temperature 1, as in G-Eval with GPT-4; a single answer is greedy.

    Raises:
        UserError: Several samples with likelihoods, or likelihoods of a remote model.
    """
    if by == "likelihood" and samples > 1:
        raise UserError("Likelihoods are deterministic: several samples have no effect.", hint="Use --by answers.")
    if by == "likelihood" and is_remote(reference):
        raise UserError(f"{reference!r} provides no likelihoods.", hint="Use --by answers, or an open model.")
    if by == "likelihood" or (by == "auto" and samples == 1 and not is_remote(reference)):
        return JudgeConfig(reference, "likelihood", None, family)
    if samples == 1:
        return JudgeConfig(reference, "answers", Decoding(max_tokens=max_tokens), family)
    sampling = Decoding("sample", max_tokens=max_tokens, answers=samples, seed=seed)
    return JudgeConfig(reference, "answers", sampling, family)


@dataclass
class JudgeRun:
    """Judgments stored in a folder."""

    folder: RunFolder
    models: JudgeModels
    reporter: Reporter = field(default_factory=SilentReporter)

    def ask(self, judge: JudgeConfig, questions: Sequence[JudgePrompt]) -> list[StoredAnswer]:
        """Answer questions in order; stored answers are reused, failed ones are asked again.

        Raises:
            UserError: A problem that the user can fix, such as a spent budget; answers are kept.
        """
        with self.folder.lock(), quiet_libraries():
            self.folder.clean_temporaries()
            log = self._log(judge)
            rows = log.read()
            by_key = {question_key(question): question for question in questions}
            todo = _unanswered(by_key, rows)
            self.reporter.begin(judge.reference, len(by_key), len(by_key) - len(todo))
            for start in range(0, len(todo), PART):
                part = todo[start : start + PART]
                fresh = self._part(judge, {key: by_key[key] for key in part})
                if lasting := [row for row in fresh if row.lack not in FATAL]:
                    log.add(lasting)
                rows |= {row.id: row for row in fresh}
                if fatal := next((row for row in fresh if row.lack in FATAL), None):
                    raise fatal_error(judge.reference, fatal.lack, fatal.reason)
                self.reporter.advance(len(by_key) - len(todo) + start + len(part), len(by_key))
            failed = sum(bool(rows[key].lack) for key in by_key)
            self.reporter.end(f"{len(todo)} asked, {len(by_key) - len(todo)} stored, {failed} failed")
            return [rows[question_key(question)] for question in questions]

    def requests(self, judge: JudgeConfig, questions: Sequence[JudgePrompt]) -> list[TextRequest]:
        """Outstanding requests of `ask`; none for likelihoods.

        Raises:
            StoreError: Stored answers cannot be read.
        """
        if judge.decoding is None:
            return []
        by_key = {question_key(question): question for question in questions}
        return [_request(judge.decoding, key, by_key[key]) for key in _unanswered(by_key, self._log(judge).read())]

    def _log(self, judge: JudgeConfig) -> AnswerLog:
        place = self.folder.stage(f"judge-{stage_key(judge.spec, [], VERSION, 0)}")
        self.folder.write_text(f"{place.name}.json", canonical_json(judge.spec) + "\n")
        return AnswerLog(place)

    def _part(self, judge: JudgeConfig, questions: Mapping[str, JudgePrompt]) -> list[StoredAnswer]:
        started = time.perf_counter()
        if judge.by == "likelihood":
            rows = _likelihood_rows(self.models.likelihood_model(judge.reference), questions)
        else:
            rows = _written_rows(self.models.text_model(judge.reference), judge, questions)
        seconds = (time.perf_counter() - started) / len(questions)
        return [replace(row, seconds=seconds) for row in rows]


def outcome_of(row: StoredAnswer, question: JudgeQuestion) -> Outcome:
    """Outcome of a stored answer; "failed" if there is none."""
    if row.lack:
        return Unscored("failed", f"{row.lack}: {row.reason}")
    return question.outcome(row.texts, row.ends, row.likelihoods)


def question_key(question: JudgePrompt) -> str:
    """Digest of everything the judge is given, 24 hexadecimal digits."""
    turns = [(turn.role, turn.text) for turn in question.prompt]
    return hashlib.sha256(canonical_json([turns, question.words]).encode()).hexdigest()[:24]


def _likelihood_rows(model: LikelihoodModel, questions: Mapping[str, JudgePrompt]) -> list[StoredAnswer]:
    results = model.likelihoods([Continuations(question.prompt, question.words) for question in questions.values()])
    return [
        StoredAnswer(key, key, lack=result.lack, reason=result.reason)
        if isinstance(result, NotCompleted)
        else StoredAnswer(key, key, likelihoods=result)
        for key, result in zip(questions, results, strict=True)
    ]


def _written_rows(model: TextModel, judge: JudgeConfig, questions: Mapping[str, JudgePrompt]) -> list[StoredAnswer]:
    assert judge.decoding is not None, "a judge that writes has a decoding"
    requests = [_request(judge.decoding, key, question) for key, question in questions.items()]
    return [
        answer_row(key, key, [completion]) for key, completion in zip(questions, model.complete(requests), strict=True)
    ]


def _request(decoding: Decoding, key: str, question: JudgePrompt) -> TextRequest:
    # A separate stream per question: otherwise the nth samples of all questions would be correlated.
    return TextRequest(question.prompt, replace(decoding, seed=request_seed(decoding.seed, key)))


def _unanswered(questions: Mapping[str, JudgePrompt], rows: Mapping[str, StoredAnswer]) -> list[str]:
    """Keys of questions without an answer."""
    return [key for key in questions if key not in rows or rows[key].lack]
