"""Words into prompts: slots filled, articles right, no double spaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

MARK = "\x00"
"""Stands before each word that came from a slot: an article of the template's own text is left as it is."""
ARTICLE = re.compile(rf"\b([Aa])n? (?={MARK})")
AN = re.compile(r"(?!uni|eu|one\b|use)[aeiou]|hour|honest|heir", re.IGNORECASE)
"""What "an" stands before, near enough: by ear, not by letter, for the commonest exceptions."""


def slots_of(template: str) -> tuple[str, ...]:
    """The names of the `{slots}` in a template.

    Raises:
        ValueError: Braces that do not match, or a slot without a name, or with a format or conversion.
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
    """`template` with `words` in its slots; "a" or "an" before a slot suits the word that comes after it.

    An empty word leaves no gap: "a {tone} {label}" without a tone is "an ankle boot".
    """
    text = template.format(**{name: f"{MARK}{word}" if word else "" for name, word in words.items()})
    marked = " ".join(text.split())
    return ARTICLE.sub(lambda found: f"{found[1]}{'n' if AN.match(marked, found.end() + 1) else ''} ", marked).replace(
        MARK, ""
    )
