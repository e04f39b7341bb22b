"""Questions from a CSV or JSONL file, with or without choices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from assay.components.sources.files.records import (
    READERS,
    Record,
    check_limit,
    check_path,
    digest_of,
    lettered,
    shorten,
)
from assay.core.errors import SourceError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.text.answers.choices import LETTERS

READINGS = ("any", "letter", "number", "text")


@dataclass(frozen=True)
class Questions:
    """The first `limit` questions of a file, or all, in its order; the first `per_subject` of each subject.

    Choices are a list in the column `choices` (in CSV: a JSON list in the cell), or columns choice0, choice1, ... or A,
    B, ..., of which the last ones may be blank. The answer is then a letter ("B", "A,C" or a list for several), the
    number of a choice from 0, or the text of one. Without choices the answer is any text; in JSONL it may be a list of
    equally good texts.

    Fields: question, answer (letters if there are choices), answer1, answer2, ... for further texts, choice0, choice1,
    ..., subject and reasoning if the file has them, origin. Other columns are ignored.
    """

    path: str
    question: str = "question"
    """Name of the column of the question; likewise for the next four."""
    answer: str = "answer"
    choices: str = "choices"
    subject: str = "subject"
    reasoning: str = "reasoning"
    answers: Literal["any", "letter", "number", "text"] = "any"
    """How the answer names a choice; "any" refuses an answer that could name two choices."""
    limit: int | None = None
    per_subject: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("Questions", self.path, "a file")
        check_limit("Questions", "limit", self.limit)
        check_limit("Questions", "per_subject", self.per_subject)
        if self.answers not in READINGS:
            raise ValueError(f"Questions.answers must be one of {', '.join(READINGS)}, was {self.answers!r}.")

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        file = Path(self.path)
        reader = READERS.get(file.suffix.lower())
        if reader is None:
            raise SourceError(
                f"Questions reads {', '.join(READERS)} files, was given {self.path!r}.",
                hint=did_you_mean(file.suffix, READERS) if file.suffix else "",
            )
        samples, counts = [], dict[str, int]()
        for record in reader(file, (self.question, self.answer), "a table of questions"):
            sample = self._sample(record)
            subject = str(sample.fields.get("subject", ""))
            counts[subject] = counts.get(subject, 0) + 1
            if self.per_subject is None or counts[subject] <= self.per_subject:
                samples.append(sample)
        if not samples:
            raise SourceError(f"{self.path} has no questions.")
        return samples[: self.limit]

    def _sample(self, record: Record) -> Sample:
        fields = {"question": record.text(self.question)}
        choices = self._choices(record)
        if choices:
            fields |= lettered(record, choices, self._correct(record, choices))
        else:
            fields |= self._answers(record)
        for name, column in (("subject", self.subject), ("reasoning", self.reasoning)):
            # Empty cells are omitted.
            if record.values.get(column) not in (None, ""):
                fields[name] = record.text(column)
        return Sample({**fields, "origin": record.origin})

    def _answers(self, record: Record) -> dict[str, str]:
        value = record.values[self.answer]
        if not isinstance(value, list):
            return {"answer": record.text(self.answer)}
        if not value or not all(isinstance(text, str) and text.strip() for text in value):
            raise record.problem(
                f"{self.answer} must be text, or a list of texts that are not blank, was {shorten(value)}."
            )
        texts = [record.whole(text, self.answer) for text in value]
        return {f"answer{nth or ''}": text for nth, text in enumerate(texts)}

    def _choices(self, record: Record) -> list[str]:
        if record.values.get(self.choices) not in (None, ""):
            return _listed(record, self.choices)
        # The answer's column may be named A, so columns in use are not choices.
        used_columns = {self.question, self.answer, self.subject, self.reasoning}
        for candidates in ([f"choice{nth}" for nth in range(len(LETTERS))], LETTERS):
            names = [name for name in candidates if name not in used_columns]
            filled = [nth for nth, name in enumerate(names) if record.values.get(name) not in (None, "")]
            if filled:
                return [record.text(name) for name in names[: filled[-1] + 1]]
        return []

    def _correct(self, record: Record, choices: Sequence[str]) -> frozenset[int]:
        value = record.values[self.answer]
        if not isinstance(value, list):
            return self._choices_named(record, record.text(self.answer).strip(), choices)
        if not value or not all(isinstance(name, str) for name in value):
            raise record.problem(f"{self.answer} must name the correct choices, was {shorten(value)}.")
        return frozenset[int]().union(*(self._choices_named(record, name.strip(), choices) for name in value))

    def _choices_named(self, record: Record, answer: str, choices: Sequence[str]) -> frozenset[int]:
        """The choices that an answer names."""
        letters = LETTERS[: len(choices)]
        names: dict[str, Sequence[str]] = {"letter": letters, "number": [str(nth) for nth in range(len(choices))]}
        readings = {kind: _several(answer.upper(), options) for kind, options in names.items()}
        readings["text"] = {frozenset([nth]) for nth, choice in enumerate(choices) if choice.strip() == answer}
        kinds = READINGS[1:] if self.answers == "any" else (self.answers,)
        matches = set[frozenset[int]]().union(*(readings[kind] for kind in kinds))
        if len(matches) > 1:
            named = " or ".join(sorted(",".join(letters[nth] for nth in sorted(match)) for match in matches))
            hint = "Set answers='letter', 'number' (from 0) or 'text'." if self.answers == "any" else ""
            raise record.problem(f"{self.answer} {shorten(answer)} is ambiguous: {named}.", hint)
        if not matches:
            forms_by_kind = {
                "letter": f"letters from A to {letters[-1]}",
                "number": f"numbers from 0 to {len(choices) - 1}",
                "text": "the text of a choice",
            }
            forms = ", or ".join(forms_by_kind[kind] for kind in kinds)
            raise record.problem(
                f"{self.answer} must be {forms}, was {shorten(answer)}.", did_you_mean(answer, choices)
            )
        return matches.pop()


def _several(answer: str, names: Sequence[str]) -> set[frozenset[int]]:
    """Return the choices that comma-separated names stand for, as the only reading; none if a part is not a name."""
    parts = [part.strip() for part in answer.split(",")]
    return {frozenset(map(names.index, parts))} if set(parts) <= set(names) else set()


def _listed(record: Record, column: str) -> list[str]:
    value = record.values[column]
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise record.problem(
                f'{column} must be a JSON list such as ["red", "blue"], was {shorten(value)}.'
            ) from error
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise record.problem(f"{column} must be a list of texts, was {shorten(value)}.")
    return value
