"""Answers to a prompt, and what rankers say of them, to a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.components.generators.preference_calls import Pair, Prompt, Said
from assay.components.generators.prompts import asked_of
from assay.core.sample import Sample
from assay.text.prompting.rankings import FIELDS, Opinion

MADE_BY = "Preferences"


def best_worst(compared: Mapping[Pair, Mapping[str, Opinion]]) -> Pair:
    """The places of the answer that wins most comparisons and of that which loses most, the smaller place first.

    Each ranker's preference in each comparison counts one. Of equals the one that is better or worse by however little
    is taken, and then the first as the best and the last as the worst.
    """
    places = sorted({place for pair in compared for place in pair})
    standing = {place: [0, 0] for place in places}
    for (first, second), said_of in compared.items():
        for one in said_of.values():
            surely = (one.prefers == "first") - (one.prefers == "second")
            barely = (one.better > 0) - (one.better < 0)
            for place, sign in ((first, 1), (second, -1)):
                standing[place][0] += sign * surely
                standing[place][1] += sign * barely
    best = max(places, key=lambda place: (standing[place], -place))
    worst = min((place for place in places if place != best), key=lambda place: (standing[place], -place))
    return min(best, worst), max(best, worst)


def prompt_of(seed: Sample) -> Prompt:
    """The prompt of a seed, which has the number of a pair too."""
    fields = {name: value for name, value in seed.fields.items() if name != "pair" and isinstance(value, str)}
    return Prompt(fields, asked_of(seed, seed.nth))


def different(own: Sequence[Said]) -> list[int]:
    """Places of answers that say something, the first of equal ones."""
    first: dict[str, int] = {}
    for place, one in enumerate(own):
        if one.text:
            first.setdefault(one.text, place)
    return list(first.values())


def pair_of(seed: Sample, chosen: Said, rejected: Said, verdict: str, more: Mapping[str, str] | None = None) -> Sample:
    """The pair that a seed becomes; `more` are fields that rankers fill."""
    whole = {True: "yes", False: "no"}
    fields = {
        **dict.fromkeys(FIELDS, ""),
        "chosen": chosen.text,
        "rejected": rejected.text,
        "verdict": verdict,
        "chosen_from": chosen.name,
        "rejected_from": rejected.name,
        "chosen_whole": whole[chosen.whole],
        "rejected_whole": whole[rejected.whole],
        **(more or {}),
    }
    return Sample({**seed.fields, **fields}, (seed.id, *seed.parents), MADE_BY)
