"""Prompt templates with slots: fills them, adapts the article, and removes double spaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

MARK = "\x00"
"""Marks words from slots: articles before other words of the template are not changed."""
ARTICLE = re.compile(rf"\b([Aa])n? (?={MARK})")
AN = re.compile(r"(?!uni|eu|one\b|use)[aeiou]|hour|honest|heir", re.IGNORECASE)
"""Beginnings of words that take "an": vowels, with the most common exceptions by pronunciation."""


def template_slots(template: str) -> tuple[str, ...]:
    """Names of the `{slots}` of a template.

    Raises:
        ValueError: Braces do not match, or a slot has no name, a format or a conversion.
    """
    names = []
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"slot {{{name}}} must be a plain name")
        names.append(name)
    return tuple(names)


def fill(template: str, words: Mapping[str, str]) -> str:
    """Fill the slots of `template` with `words`; "a" or "an" before a slot is adapted to the next word.

    An empty word leaves no double space: "a {tone} {label}" without a tone is "an ankle boot".
    """
    text = template.format(**{name: f"{MARK}{word}" if word else "" for name, word in words.items()})
    marked = " ".join(text.split())
    return ARTICLE.sub(lambda match: f"{match[1]}{'n' if AN.match(marked, match.end() + 1) else ''} ", marked).replace(
        MARK, ""
    )
