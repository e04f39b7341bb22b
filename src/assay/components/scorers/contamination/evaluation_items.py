"""What the scorers share that compare samples with evaluation sets: what is compared of each, and items read once."""

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
from assay.text.similarity.tokens import by_character, tokens

NOT_READ = frozenset(
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
"""Fields that say what a sample is, and not what a person would read in it."""
_NOT_ALONE = re.compile(r"(choice|answer)\d*")
"""Fields that say nothing without the question: "the fall of the Berlin wall" is no test item."""
HELD = 4
"""Evaluation sets that a process keeps at hand."""
_held: OrderedDict[str, object] = OrderedDict()
Made = TypeVar("Made")


class Part(NamedTuple):
    """One text of a sample or of an evaluation item."""

    field: str
    """Where it stands; fields joined by "+" where it is of several."""
    text: str
    owner: str = ""
    """The item: which source read it, and where it stands there."""


def parts_of(sample: Sample, fields: Sequence[str], min_words: int) -> list[Part]:
    """Each of its texts that has `min_words` words, twice as many where those are characters; else all of them as one.

    All that a person would read where no `fields` are named. Choices and answers are none by themselves, unless they
    are named. A whole that is blank is no text.

    Raises:
        FieldError: The sample has not one of the named fields.
    """
    texts = {name: sample.text(name) for name in fields} if fields else readable(sample)
    alone = [name for name in texts if fields or not _NOT_ALONE.fullmatch(name)]
    found = [Part(name, texts[name]) for name in alone if is_long(texts[name], min_words)]
    whole = "\n".join(text for text in texts.values() if text.strip())
    return found or ([Part("+".join(texts), whole)] if whole else [])


def readable(sample: Sample) -> dict[str, str]:
    """Those of its text fields that a person would read."""
    return {name: text for name, text in sample.fields.items() if name not in NOT_READ and isinstance(text, str)}


def is_long(text: str, min_words: int) -> bool:
    """Whether a text has `min_words` words, or twice as many characters where it is cut by the character."""
    return len(tokens(text)) >= (2 * min_words if by_character(text) else min_words)


def items_of(against: Sequence[Source], fields: Sequence[str], min_words: int, lab: Lab) -> list[Part]:
    """What samples are compared with: the texts of every item.

    Raises:
        FieldError: No item has such a text.
    """
    found = []
    for source in against:
        for item in source.read(lab):
            name = f"{type(source).__name__} {item.fields.get('origin', item.id)}"
            there = [one for one in fields if isinstance(item.fields.get(one), str)]
            parts = parts_of(item, there, min_words) if there or not fields else []
            found += [part._replace(owner=name) for part in parts]
    if not found:
        named = f" in {', '.join(fields)}" if fields else ""
        raise FieldError(f"The evaluation items have no text{named}.", hint="Name the fields that hold their words.")
    return found


def listing_of(against: Sequence[Source]) -> str:
    """What the sources say of the files that they read, so that other ones are compared again."""
    return "/".join(roles.listing_of(source) for source in against)


def held(scorer: Scorer, listing: str, make: Callable[[], Made]) -> Made:
    """What `make` makes of a scorer's evaluation items, made once in a process as long as the files are the same."""
    key = repr((scorer, listing))
    if key not in _held:
        _held[key] = make()
        while len(_held) > HELD:
            _held.popitem(last=False)
    _held.move_to_end(key)
    return _held[key]  # type: ignore[return-value]


def check_against(kind: str, against: object) -> None:
    """Refuses what is no evaluation set.

    Raises:
        ValueError: It is not one or more sources.
    """
    if not isinstance(against, tuple) or not against or not all(isinstance(one, Source) for one in against):
        raise ValueError(f"{kind}.against must be one or more sources, was {against!r}.")


def check_different(kind: str, name: str, fields: Sequence[str]) -> None:
    """Refuses fields of which one is named twice, or is not named.

    Raises:
        ValueError: There is such a one.
    """
    if isinstance(fields, str) or not all(fields) or len(set(fields)) < len(fields):
        raise ValueError(f"{kind}.{name} must be different fields, was {fields!r}.")
