"""From a finished run's folder to what its pairs of answers are like."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from assay.analysis.finished_run import Finished
from assay.analysis.preferences import Orders, Preferences
from assay.core.sample import Sample
from assay.stats.ratings.preferences import (
    Duplication,
    LengthStatistics,
    Side,
    WinRecord,
    agreements,
    by_prompt,
    duplication,
    krippendorff_alpha,
    label_noise,
    length_statistics,
    win_records,
)
from assay.text.prompting.rankings import CONFLICT, TIE, Opinion, read_rankings
from assay.text.similarity.tokens import tokens

PROMPT = ("history", "instruction", "input")
UNDECIDED = (TIE, CONFLICT)


@dataclass(frozen=True)
class _Pair:
    prompt: str
    chosen: str
    rejected: str
    verdict: str
    names: tuple[str, str]
    opinions: Mapping[str, Opinion]
    cut: bool

    @property
    def usable(self) -> bool:
        return not self.verdict and bool(self.chosen) and bool(self.rejected) and self.chosen != self.rejected

    @property
    def turned(self) -> bool:
        """Whether the rejected answer is called the first: by lot, so that no side is always the chosen one."""
        one, two = (hashlib.sha256(text.encode()).digest() for text in (self.chosen, self.rejected))
        return two < one


def preferences(run: Finished) -> Preferences | None:
    """What the pairs are like; None where samples are none."""
    texts = [[isinstance(one.fields.get(name), str) for name in ("chosen", "rejected")] for one in run.samples]
    if not texts or not all(map(all, texts)):
        return None
    pairs = [_pair(sample) for sample in run.samples]
    kept = [pair for pair, row in zip(pairs, run.decisions, strict=True) if row.keep and pair.usable]
    verdicts = Counter(pair.verdict for pair in pairs if pair.verdict)
    said, prompts = _said(pairs), [pair.prompt for pair in pairs]
    return Preferences(
        made=len(pairs),
        kept=len(kept),
        verdicts=dict(verdicts.most_common()),
        lengths=_lengths(kept),
        doubled=_doubled(kept),
        cut=sum(pair.cut for pair in kept),
        agreements=tuple(agreements(said, prompts)),
        alpha=krippendorff_alpha(list(said.values())) if len(said) > 1 else None,
        orders=_orders(pairs),
        wins=_wins(pairs),
    )


def _pair(sample: Sample) -> _Pair:
    def text(name: str) -> str:
        value = sample.fields.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    return _Pair(
        json.dumps([text(name) for name in PROMPT]),
        text("chosen"),
        text("rejected"),
        text("verdict"),
        (text("chosen_from"), text("rejected_from")),
        read_rankings(text("rankings"), sample.id),
        "no" in (text("chosen_whole"), text("rejected_whole")),
    )


def _lengths(kept: Sequence[_Pair]) -> dict[str, LengthStatistics]:
    if not kept:
        return {}
    prompts = [pair.prompt for pair in kept]
    units = {"words": lambda text: len(tokens(text)), "characters": len}
    return {
        unit: length_statistics([of(pair.chosen) for pair in kept], [of(pair.rejected) for pair in kept], prompts)
        for unit, of in units.items()
    }


def _doubled(kept: Sequence[_Pair]) -> Duplication | None:
    def plain(text: str) -> str:
        return " ".join(text.split())

    return duplication([(pair.prompt, plain(pair.chosen), plain(pair.rejected)) for pair in kept]) if kept else None


def _said(pairs: Sequence[_Pair]) -> dict[str, list[Side | None]]:
    names = dict.fromkeys(name for pair in pairs for name in pair.opinions)
    return {name: [_side(pair, name) for pair in pairs] for name in names}


def _side(pair: _Pair, name: str) -> Side | None:
    """What a ranker says; at odds with itself counts as a tie."""
    opinion = pair.opinions.get(name)
    if opinion is None or not opinion.says:
        return None
    said = (opinion.turned if pair.turned else opinion).prefers
    return "tie" if said == "conflict" else said


def _orders(pairs: Sequence[_Pair]) -> tuple[Orders, ...]:
    found = []
    for name in dict.fromkeys(name for pair in pairs for name in pair.opinions):
        own = [(pair.prompt, both) for pair in pairs if name in pair.opinions and (both := pair.opinions[name].orders)]
        if own:
            prompts: list[Hashable] = [prompt for prompt, _ in own]
            same = by_prompt([one == other for _, (one, other) in own], prompts)
            found.append(Orders(name, len(own), same, label_noise(same)))
    return tuple(found)


def _wins(pairs: Sequence[_Pair]) -> tuple[WinRecord, ...]:
    """Whoever was chosen has won; a tie or a conflict is half a win each, and what nobody ranked is left out."""
    ranked = [pair for pair in pairs if all(pair.names) and (pair.usable or pair.verdict in UNDECIDED)]
    first, second = ([pair.names[nth] for pair in ranked] for nth in (0, 1))
    outcomes = [0.5 if pair.verdict else 1.0 for pair in ranked]
    return tuple(win_records(first, second, outcomes, [pair.prompt for pair in ranked]))
