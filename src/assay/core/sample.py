"""Samples: named fields with their lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from assay.core.errors import FieldError, did_you_mean

COLLECTED = "collected"
"""`made_by` of a sample that existed before the run."""


@dataclass(frozen=True)
class Image:
    """Reference to an image in the store."""

    digest: str
    """SHA-256 of the encoded bytes, in hexadecimal."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


@dataclass(frozen=True)
class Sample:
    """Data item.

    Immutable: a stage makes a new sample whose `parents` are the ids of the old ones.
    """

    fields: Mapping[str, str | Image]
    parents: tuple[str, ...] = ()
    """Ids of the samples that it was made from; empty for collected data."""
    made_by: str = COLLECTED
    """Component that made it, or "collected"."""
    nth: int = 0
    """Distinguishes otherwise equal samples, such as several images of one prompt."""

    @cached_property
    def id(self) -> str:
        """Digest of content and lineage, 16 hexadecimal digits; independent of machine and order of work."""
        canonical = json.dumps(
            {
                "fields": {
                    name: value if isinstance(value, str) else asdict(value) for name, value in self.fields.items()
                },
                "parents": self.parents,
                "made_by": self.made_by,
                "nth": self.nth,
            },
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def synthetic(self) -> bool:
        """Whether a component made it; samples of a source are collected."""
        return self.made_by != COLLECTED

    def text(self, name: str) -> str:
        """Text field `name`.

        Raises:
            FieldError: The field is missing, or is an image.
        """
        value = self.fields.get(name)
        if isinstance(value, str):
            return value
        kind = "does not exist" if value is None else "is an image, not text"
        hint = did_you_mean(name, self.fields)
        raise FieldError(
            f"Field {name!r} of sample {self.id} {kind}.", hint=hint, name=name, sample=self.id, value=value
        )

    def image(self, name: str = "image") -> Image:
        """Image field `name`.

        Raises:
            FieldError: The field is missing, or is text.
        """
        value = self.fields.get(name)
        if isinstance(value, Image):
            return value
        kind = "does not exist" if value is None else "is text, not an image"
        hint = did_you_mean(name, self.fields)
        raise FieldError(
            f"Field {name!r} of sample {self.id} {kind}.", hint=hint, name=name, sample=self.id, value=value
        )


@dataclass(frozen=True)
class Failure:
    """Sample that could not be generated; stored as failed and retried on the next run."""

    seed: str
    """Id of the seed sample."""
    reason: str


Made = Sample | Failure
"""Result of a generator for one seed sample."""
