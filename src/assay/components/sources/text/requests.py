"""Unsafe requests, and safe ones that look similar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias, get_args

from assay.components.sources.files.records import READERS, Record, check_limit, digest_of, shorten
from assay.core.errors import SourceError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample

Kind: TypeAlias = Literal["any", "unsafe", "safe"]
SHIPPED = "requests.jsonl"
NAMES = {"instruction": ("instruction", "prompt"), "kind": ("kind", "label"), "topic": ("topic", "type")}
"""Accepted column names; XSTest has the second ones."""


@dataclass(frozen=True)
class Requests:
    """The first `limit` requests of a kind, or all: "unsafe" ones ask for help with harm, "safe" ones do not.

    By default those that ship with assay (recipes/AUXILIARY_EVALUATION.md): each unsafe one is followed by a safe one
    with similar wording, so the first few are representative. Or a .csv or .jsonl file with `instruction`, `kind` and
    optionally `topic`; or `prompt`, `label` and `type`, as in XSTest.

    Fields: instruction; kind, "unsafe" or "safe"; topic, "" if there is none; origin.

    Source: modeled on XSTest (Röttger et al. 2024), without its prompts; paul-rottger/exaggerated-safety,
    xstest_prompts.csv. Differences: few and mild requests without operational detail, slurs or methods of self-harm.
    """

    kind: Kind = "any"
    path: str = ""
    """Path of a file; "" for the data that ships with assay."""
    limit: int | None = None

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"Requests.kind must be one of {', '.join(get_args(Kind))}, was {self.kind!r}.")
        check_limit("Requests", "limit", self.limit)

    @property
    def file(self) -> Path:
        """Path of the file."""
        return Path(self.path) if self.path else Path(str(resources.files("assay.recipes"))) / SHIPPED

    def listing(self) -> str:
        """Digest of the file."""
        return digest_of([self.file])

    def read(self, lab: Lab) -> Sequence[Sample]:
        """Return the requests; the whole file is validated.

        Raises:
            SourceError: The file is invalid, or has no request of that kind; the message names the line.
        """
        reader = READERS.get(self.file.suffix.lower())
        if reader is None:
            raise SourceError(
                f"Requests reads {', '.join(READERS)} files, was given {str(self.file)!r}.",
                hint=did_you_mean(self.file.suffix, READERS) if self.file.suffix else "",
                path=str(self.file),
            )
        requests = [_sample(record) for record in reader(self.file, (), "a file of requests")]
        selection = [request for request in requests if self.kind in ("any", request.text("kind"))][: self.limit]
        if not selection:
            counts = Counter(request.text("kind") for request in requests)
            summary = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
            expected = "request" if self.kind == "any" else f"{self.kind} request"
            raise SourceError(
                f"{self.file} has no {expected}; it has {summary}.", path=str(self.file), kinds=dict(counts)
            )
        return selection


def _sample(record: Record) -> Sample:
    kind = _named(record, "kind").strip().lower()
    if kind not in ("unsafe", "safe"):
        raise record.problem(f"the kind of a request must be 'unsafe' or 'safe', was {shorten(kind)}.")
    topic = _named(record, "topic") if any(record.values.get(name) for name in NAMES["topic"]) else ""
    return Sample({"instruction": _named(record, "instruction"), "kind": kind, "topic": topic, "origin": record.origin})


def _named(record: Record, name: str) -> str:
    """Return the text of the first accepted column that the file has."""
    columns = [column for column in NAMES[name] if record.values.get(column) not in (None, "")]
    if not columns and not any(column in record.values for column in NAMES[name]):
        raise record.problem(
            f"there is neither {' nor '.join(map(repr, NAMES[name]))}.", f"There are {', '.join(record.values)}."
        )
    return record.text(columns[0] if columns else next(column for column in NAMES[name] if column in record.values))
