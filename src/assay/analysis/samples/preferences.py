"""Preference pairs: length bias, duplicates, agreement of the rankers, and win rates of the answering models."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.analysis.finished_run import FinishedRun
from assay.core.effect import Effect
from assay.core.sample import Sample
from assay.stats.ratings.preferences import (
    Duplication,
    LabelNoise,
    LengthStatistics,
    RaterAgreement,
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
from assay.text.prompting.rankings import CONFLICT, TIE, Ranking, read_rankings
from assay.text.similarity.tokens import tokens

LENGTH_BIAS = 0.6
"""The pairs are length-biased if the interval of the length rule's accuracy lies above this fraction."""
PROMPT_FIELDS = ("history", "instruction", "input")
UNDECIDED = (TIE, CONFLICT)


@dataclass(frozen=True)
class JudgeConsistency:
    """Consistency of a judge that compared pairs in both orders."""

    judge: str
    pairs: int
    same: Effect
    """Fraction of pairs with the same judgment in both orders."""
    noise: LabelNoise | None
    """Lower bound of the judge's noise, since both judgments share its bias; None below 50% consistency."""


@dataclass(frozen=True)
class PreferenceStatistics:
    """Counts, length bias, duplicates, ranker agreement and win rates of the preference pairs."""

    made: int
    """All pairs, also those without a preference."""
    kept: int
    """Pairs with a chosen answer that passed every filter."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Reasons why pairs have no preference, most frequent first, before filtering."""
    lengths: Mapping[str, LengthStatistics] = field(default_factory=dict)
    """Length bias of the kept pairs in words and in characters; empty if none was kept."""
    doubled: Duplication | None = None
    """Duplicates and contradictions among the kept pairs."""
    cut: int = 0
    """Kept pairs with an answer truncated at its token limit."""
    agreements: tuple[RaterAgreement, ...] = ()
    """Agreement of every two rankers over the pairs that both ranked."""
    alpha: float | None = None
    """Krippendorff's alpha of all rankers; None with fewer than two, or if undefined."""
    orders: tuple[JudgeConsistency, ...] = ()
    wins: tuple[WinRecord, ...] = ()
    """Win rates of the answering models; empty with fewer than two named models."""

    @property
    def length_biased(self) -> bool:
        """Whether length alone predicts the chosen answer significantly better than `LENGTH_BIAS`."""
        ends = [bias.predicts.low for bias in self.lengths.values()]
        return any(low is not None and low > LENGTH_BIAS for low in ends)

    @property
    def disagreeing(self) -> tuple[RaterAgreement, ...]:
        """Rankers whose agreement is not significantly above chance."""
        return tuple(
            pair
            for pair in self.agreements
            if pair.decided is None or pair.decided.low is None or pair.decided.low <= 0.5
        )


@dataclass(frozen=True)
class _Pair:
    prompt: str
    chosen: str
    rejected: str
    verdict: str
    names: tuple[str, str]
    opinions: Mapping[str, Ranking]
    truncated: bool

    @property
    def usable(self) -> bool:
        return not self.verdict and bool(self.chosen) and bool(self.rejected) and self.chosen != self.rejected

    @property
    def turned(self) -> bool:
        """Whether the rejected answer is first: random by hash, so that the chosen one has no fixed position."""
        chosen, rejected = (hashlib.sha256(text.encode()).digest() for text in (self.chosen, self.rejected))
        return rejected < chosen


def preference_pairs(run: FinishedRun) -> PreferenceStatistics | None:
    """Analyze the preference pairs; None for other samples."""
    texts = [sample.fields.get(name) for sample in run.samples for name in ("chosen", "rejected")]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    pairs = [_pair(sample) for sample in run.samples]
    kept = [pair for pair, row in zip(pairs, run.decisions, strict=True) if row.keep and pair.usable]
    verdicts = Counter(pair.verdict for pair in pairs if pair.verdict)
    sides, prompts = _sides(pairs), [pair.prompt for pair in pairs]
    return PreferenceStatistics(
        made=len(pairs),
        kept=len(kept),
        verdicts=dict(verdicts.most_common()),
        lengths=_lengths(kept),
        doubled=_duplicates(kept),
        cut=sum(pair.truncated for pair in kept),
        agreements=tuple(agreements(sides, prompts)),
        alpha=krippendorff_alpha(list(sides.values())) if len(sides) > 1 else None,
        orders=_position_consistency(pairs),
        wins=_wins(pairs),
    )


def _pair(sample: Sample) -> _Pair:
    def text(name: str) -> str:
        value = sample.fields.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    return _Pair(
        json.dumps([text(name) for name in PROMPT_FIELDS]),
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
        unit: length_statistics(
            [length(pair.chosen) for pair in kept], [length(pair.rejected) for pair in kept], prompts
        )
        for unit, length in units.items()
    }


def _duplicates(kept: Sequence[_Pair]) -> Duplication | None:
    def plain(text: str) -> str:
        return " ".join(text.split())

    return duplication([(pair.prompt, plain(pair.chosen), plain(pair.rejected)) for pair in kept]) if kept else None


def _sides(pairs: Sequence[_Pair]) -> dict[str, list[Side | None]]:
    names = dict.fromkeys(name for pair in pairs for name in pair.opinions)
    return {name: [_side(pair, name) for pair in pairs] for name in names}


def _side(pair: _Pair, name: str) -> Side | None:
    """Return the answer that a ranker prefers; position inconsistency counts as a tie."""
    opinion = pair.opinions.get(name)
    if opinion is None or not opinion.says:
        return None
    preferred = (opinion.turned if pair.turned else opinion).prefers
    return "tie" if preferred == "conflict" else preferred


def _position_consistency(pairs: Sequence[_Pair]) -> tuple[JudgeConsistency, ...]:
    judges = []
    for name in dict.fromkeys(name for pair in pairs for name in pair.opinions):
        opinions = [(pair.prompt, pair.opinions[name]) for pair in pairs if name in pair.opinions]
        judged = [(prompt, opinion.orders) for prompt, opinion in opinions if opinion.orders]
        if judged:
            prompts: list[Hashable] = [prompt for prompt, _ in judged]
            same = by_prompt([first == second for _, (first, second) in judged], prompts)
            judges.append(JudgeConsistency(name, len(judged), same, label_noise(same)))
    return tuple(judges)


def _wins(pairs: Sequence[_Pair]) -> tuple[WinRecord, ...]:
    """Compute win rates; a tie or a position inconsistency is half a win each, unranked pairs are left out."""
    ranked = [pair for pair in pairs if all(pair.names) and (pair.usable or pair.verdict in UNDECIDED)]
    first, second = ([pair.names[nth] for pair in ranked] for nth in (0, 1))
    outcomes = [0.5 if pair.verdict else 1.0 for pair in ranked]
    return tuple(win_records(first, second, outcomes, [pair.prompt for pair in ranked]))
