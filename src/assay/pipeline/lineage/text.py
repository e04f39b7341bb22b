"""Provenance in words, a line each: what `assay why` prints."""

from __future__ import annotations

from collections.abc import Mapping

from assay.core.provenance import UNKNOWN, Ancestor, Provenance, Used

SHOWN = 8
"""Ancestors that are named; the others are counted."""
LONGEST = 300
"""Characters of one thing that somebody else wrote."""


def in_words(said: Provenance) -> list[str]:
    """What is known, a line each; what somebody else wrote stays on its line and moves no cursor."""
    lines = [_what(said)]
    lines += [f"with {_model(one)}" for one in said.models]
    if said.prompt:
        lines.append(f"prompt: {clean(said.prompt)}")
    if said.synthetic:
        own = f"seed {said.seed}, " if said.seed is not None else ""
        lines.append(f"{own}seed of the run {said.run_seed}")
    if said.settings:
        lines.append(f"set to {_values(said.settings)}")
    lines += _chain(said)
    for column, judge in said.scored_by.items():
        asked = f", with {', '.join(map(clean, judge.models))}" if judge.models else ""
        lines.append(f"looked at by {clean(judge.component)} ({clean(column)}, version {judge.version}){asked}")
    return [*lines, _run(said)]


def clean(text: str) -> str:
    """One line without characters that are not to be seen, cut where it is long."""
    line = "".join(one if one.isprintable() else " " for one in text)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _values(values: Mapping[str, object]) -> str:
    named = {name: f"({_values(one)})" if isinstance(one, Mapping) else clean(str(one)) for name, one in values.items()}
    return ", ".join(f"{clean(name)} {value}" for name, value in named.items())


def _what(said: Provenance) -> str:
    if not said.synthetic:
        return "collected: it was there before the run; who wrote it is not known"
    return f"synthetic: made by {clean(said.made_by)}, version {said.version}"


def _model(one: Used) -> str:
    part = f" ({clean(one.part)})" if one.part else ""
    license = "license unknown" if one.license == UNKNOWN else f"license {clean(one.license)}"
    return f"{clean(one.model)}{part}, {license}"


def _chain(said: Provenance) -> list[str]:
    if not said.chain:
        return ["from nothing before it"]
    lines = [f"from {_ancestor(one)}" for one in said.chain[:SHOWN]]
    if others := len(said.chain) - len(lines) + said.more:
        lines.append(f"and {others:,} farther back")
    return lines


def _ancestor(one: Ancestor) -> str:
    place = f" ({clean(one.origin)})" if one.origin else ""
    how = {"": "of which nothing is known any more", "collected": "collected"}.get(one.made_by)
    return f"{clean(one.id)}, {how or 'by ' + clean(one.made_by)}{place}"


def _run(said: Provenance) -> str:
    when = f" on {clean(said.date)}" if said.date else ""
    digest = f" (sha256 {clean(said.recipe_sha256[:12])})" if said.recipe_sha256 else ""
    return f"recipe {clean(said.recipe)}{digest}, {clean(said.stage)}, assay {clean(said.assay) or UNKNOWN}{when}"
