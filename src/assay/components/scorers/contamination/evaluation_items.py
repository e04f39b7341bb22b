"""Texts of samples and of evaluation items that the contamination scorers compare."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from assay.core import roles
from assay.core.errors import FieldError
from assay.core.lab import Lab
from assay.core.roles import Scorer, Source
from assay.core.sample import Sample
from assay.text.similarity.tokens import is_character_tokenized, tokens

METADATA = frozenset(
    (
        *(
            "classification",
            "end",
            "id",
            "label",
            "language",
            "name",
            "origin",
            "part",
            "prompt",
            "rejected",
            "subject",
        ),
        *("pair", "verdict", "margin", "chosen_from", "rejected_from", "ranked_by", "rankings"),
        *("chosen_whole", "rejected_whole"),
    )
)
"""Fields with metadata, which is not part of the readable text."""
_NOT_ALONE = re.compile(r"(choice|answer)\d*")
"""Fields that are not compared on their own: an answer such as "the fall of the Berlin wall" does not identify an item.
"""
CACHE_SIZE = 4
"""Evaluation sets that a process caches."""
_cache: OrderedDict[str, object] = OrderedDict()
Made = TypeVar("Made")


class TextPart(NamedTuple):
    """One text of a sample or of an evaluation item."""

    field: str
    """Field of the text; fields that were joined have "+" between them."""
    text: str
    owner: str = ""
    """Source and origin of the item."""


def parts_of(sample: Sample, fields: Sequence[str], min_words: int) -> list[TextPart]:
    """Return the texts of a sample with at least `min_words` words, or all of them as one if there are none.

    The minimum doubles for a text that is tokenized by character. Without `fields`, all readable text is used, but no
    choice or answer on its own. A blank text is skipped.

    Raises:
        FieldError: The sample lacks a field.
    """
    texts = {name: sample.text(name) for name in fields} if fields else readable(sample)
    separate = [name for name in texts if fields or not _NOT_ALONE.fullmatch(name)]
    long_parts = [TextPart(name, texts[name]) for name in separate if is_long(texts[name], min_words)]
    whole = "\n".join(text for text in texts.values() if text.strip())
    return long_parts or ([TextPart("+".join(texts), whole)] if whole else [])


def readable(sample: Sample) -> dict[str, str]:
    """Return the text fields that are not metadata."""
    return {name: text for name, text in sample.fields.items() if name not in METADATA and isinstance(text, str)}


def is_long(text: str, min_words: int) -> bool:
    """Whether a text has `min_words` words, or twice as many characters if it is tokenized by character."""
    return len(tokens(text)) >= (2 * min_words if is_character_tokenized(text) else min_words)


def items_of(against: Sequence[Source], fields: Sequence[str], min_words: int, lab: Lab) -> list[TextPart]:
    """Return the texts of all evaluation items.

    Raises:
        FieldError: No item has such a text.
    """
    all_parts = []
    for source in against:
        for item in source.read(lab):
            name = f"{type(source).__name__} {item.fields.get('origin', item.id)}"
            present = [field for field in fields if isinstance(item.fields.get(field), str)]
            parts = parts_of(item, present, min_words) if present or not fields else []
            all_parts += [part._replace(owner=name) for part in parts]
    if not all_parts:
        named = f" in {', '.join(fields)}" if fields else ""
        raise FieldError(
            f"The evaluation items have no text{named}.",
            hint="Set against_fields to the fields of their text.",
            names=tuple(fields),
        )
    return all_parts


def listing_of(against: Sequence[Source]) -> str:
    """Digest of the files that the sources read."""
    return "/".join(roles.listing_of(source) for source in against)


def cached(scorer: Scorer, listing: str, make: Callable[[], Made]) -> Made:
    """Return the result of `make`, cached by scorer and by the digest of its files."""
    key = repr((scorer, listing))
    if key not in _cache:
        _cache[key] = make()
        while len(_cache) > CACHE_SIZE:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]  # type: ignore[return-value]


def check_against(kind: str, against: object) -> None:
    """Validate that `against` is one or more sources.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(against, tuple) or not against or not all(isinstance(source, Source) for source in against):
        raise ValueError(f"{kind}.against must be one or more sources, was {against!r}.")


def check_different(kind: str, name: str, fields: Sequence[str]) -> None:
    """Validate that fields are named, non-empty and unique.

    Raises:
        ValueError: They are not.
    """
    if isinstance(fields, str) or not all(fields) or len(set(fields)) < len(fields):
        raise ValueError(f"{kind}.{name} must be different fields, was {fields!r}.")
