"""A sample: named fields, and where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from assay.core.errors import FieldError, did_you_mean

COLLECTED = "collected"
"""What `made_by` says of a sample that was there before the run. Who wrote it is not known to assay."""


@dataclass(frozen=True)
class Image:
    """An image by reference; its bytes lie in the store under `digest`."""

    digest: str
    """SHA-256 of the encoded bytes, in hexadecimal."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


@dataclass(frozen=True)
class Sample:
    """One item of data.

    Samples are values: a stage never changes one, it makes another whose `parents` name the old.
    """

    fields: Mapping[str, str | Image]
    parents: tuple[str, ...] = ()
    """Ids of the samples this one was made from; empty for collected data."""
    made_by: str = COLLECTED
    """The component that made it, or "collected"."""
    nth: int = 0
    """Tells samples apart that are alike in everything else, such as the tenth image of one prompt."""

    @cached_property
    def id(self) -> str:
        """Digest of content and lineage: equal on every machine, whatever the order of work. 16 hexadecimal digits."""
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
        """Whether a component made it; what a source gives is collected, whoever wrote it."""
        return self.made_by != COLLECTED

    def text(self, name: str) -> str:
        """The text field `name`.

        Raises:
            FieldError: The field is missing, or is an image.
        """
        value = self.fields.get(name)
        if isinstance(value, str):
            return value
        kind = "does not exist" if value is None else "is an image, not text"
        raise FieldError(f"Field {name!r} of sample {self.id} {kind}.", hint=did_you_mean(name, self.fields))

    def image(self, name: str = "image") -> Image:
        """The image field `name`.

        Raises:
            FieldError: The field is missing, or is text.
        """
        value = self.fields.get(name)
        if isinstance(value, Image):
            return value
        kind = "does not exist" if value is None else "is text, not an image"
        raise FieldError(f"Field {name!r} of sample {self.id} {kind}.", hint=did_you_mean(name, self.fields))


@dataclass(frozen=True)
class Failure:
    """A sample that could not be made: stored as failed and tried again on the next run, never an image."""

    seed: str
    """Id of the sample it should have been made from."""
    reason: str


Made = Sample | Failure
"""What a generator gives for one seed."""
