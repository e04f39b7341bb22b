"""Which columns hold which fields of samples: any field name fits, and ordinary ones keep their name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.core.sample import Sample

Kind = Literal["text", "image"]

RESERVED = ("id", "parents", "made_by", "nth", "failure", "failure_seed")
_IMAGE_PARTS = ("", "_digest", "_width", "_height")
# A dot would mean a part of a struct to parquet readers, and tools choke on control characters.
_PLAIN = re.compile(r"\w(?:[\w -]*\w)?")


@dataclass(frozen=True)
class Column:
    """Where one field lies. An image has three more columns: NAME_digest, NAME_width and NAME_height."""

    field: str
    kind: Kind
    name: str

    @property
    def names(self) -> list[str]:
        """Every column of the field but the one that holds encoded bytes."""
        return [self.name] if self.kind == "text" else [self.name + part for part in _IMAGE_PARTS[1:]]


def field_kinds(samples: Iterable[Sample]) -> set[tuple[str, Kind]]:
    """Every field of `samples` with its kind; one name may occur as both."""
    return {
        (name, "text" if isinstance(value, str) else "image")
        for sample in samples
        for name, value in sample.fields.items()
    }


def lay_out(fields: Iterable[tuple[str, Kind]], reserved: Sequence[str] = RESERVED) -> list[Column]:
    """One column for each field, in order of name; the same for the same set of fields.

    A name that is taken gets underscores behind it, and one that is no plain word is called "field".
    """
    taken = set(reserved)
    columns = []
    for field, kind in sorted(set(fields)):
        parts = _IMAGE_PARTS if kind == "image" else ("",)
        name = field if _PLAIN.fullmatch(field) else "field"
        while any(name + part in taken for part in parts):
            name += "_"
        taken.update(name + part for part in parts)
        columns.append(Column(field, kind, name))
    return columns
