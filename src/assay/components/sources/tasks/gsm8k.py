"""GSM8K: grade-school math word problems with worked solutions (Cobbe et al. 2021)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from assay.components.sources.files.records import Record, check_limit, check_path, digest_of, jsonl_records
from assay.core.errors import SourceError
from assay.core.lab import Lab
from assay.core.sample import Sample

MARK = "####"
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+", re.ASCII)


@dataclass(frozen=True)
class Gsm8k:
    """The first `limit` problems of a JSONL file, or all: objects with "question" and "answer", as published.

    Fields: question; answer, the number after "#### " without commas, as in the official code; reasoning, the text
    before it without calculator annotations ("<<3+4=7>>"); origin.

    Source: https://github.com/openai/grade-school-math, dataset.py (`ANS_RE`, `extract_answer`).
    """

    path: str
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_path("Gsm8k", self.path, "a file")
        check_limit("Gsm8k", "limit", self.limit)

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([Path(self.path)])

    def read(self, lab: Lab) -> Sequence[Sample]:
        records = jsonl_records(Path(self.path), ("question", "answer"), "GSM8K's problems as JSONL")[: self.limit]
        if not records:
            raise SourceError(f"{self.path} has no questions.")
        return [_sample(record) for record in records]


def _sample(record: Record) -> Sample:
    solution = record.text("answer")
    before, mark, after = solution.rpartition(MARK)
    answer = after.strip()
    if not mark or not _NUMBER.fullmatch(answer):
        ending = f"{MARK} {answer}" if mark else solution.strip().split("\n")[-1]
        raise record.problem(f"answer must end with '{MARK} ' and a number, ended with {ending[-60:]!r}.")
    fields = {"question": record.text("question"), "answer": answer.replace(",", "")}
    if reasoning := _CALCULATOR.sub("", before).strip():
        fields["reasoning"] = reasoning
    return Sample({**fields, "origin": record.origin})
