"""Jailbreak probe: attack success rate and over-refusal, with and without defenses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import Models
from assay.pipeline.progress import Reporter, SilentReporter
from assay.probes.jailbreak.defenses import DEFENSES, Bench, JailbreakSetup, Reply, ask
from assay.probes.jailbreak.tasks import Attack, JailbreakTask, Turn, through
from assay.stats.inference.intervals import wilson
from assay.stats.inference.paired_proportions import paired_proportions
from assay.text.answers.refusals import declining

LEVEL = 0.95
NONE = "none"


@dataclass(frozen=True)
class AttackOutcome:
    """An attack with its answer and outcome."""

    family: str
    message: str
    reply: Reply
    how: str
    """Evidence of success in the answer; "" if the attack failed."""


@dataclass(frozen=True)
class HarmlessOutcome:
    """A harmless question with its answer and outcome."""

    question: str
    reply: Reply
    refused: str
    """Evidence of refusal; "" if it was answered."""


@dataclass(frozen=True)
class DefenseResult:
    """DefenseResult of one defense, or of the model without defense."""

    name: str
    description: str
    through: Effect
    """Attack success rate."""
    families: Mapping[str, Effect]
    """Attack success rate by family."""
    refused: Effect
    """Refusal rate on harmless questions."""
    through_change: Effect | None
    """Change of the attack success rate against no defense; None without defense."""
    refused_change: Effect | None
    """Change of the refusal rate against no defense (over-refusal)."""
    attacks: tuple[AttackOutcome, ...]
    harmless: tuple[HarmlessOutcome, ...]


@dataclass(frozen=True)
class JailbreakResult:
    """DefenseResult of the jailbreak probe."""

    asking: JailbreakSetup
    task: JailbreakTask
    results: tuple[DefenseResult, ...]
    """No defense first."""
    left_out: Mapping[str, int]
    """Excluded attacks and harmless questions by failure reason."""

    @property
    def alone(self) -> DefenseResult:
        """DefenseResult without defense."""
        return self.results[0]


def bench_of(
    asking: JailbreakSetup, models: Models, tried: Sequence[Attack], harmless: Sequence[str], system: str
) -> Bench:
    """Prepare the prompts; harmless questions use the system prompts of the attacks, or `system`."""
    systems = [one.turn.system for one in tried] or [system]
    asked = tuple(Turn(systems[nth % len(systems)], text) for nth, text in enumerate(harmless))
    return Bench(asking, models, tuple(one.turn for one in tried), asked)


def probe(
    bench: Bench,
    tried: Sequence[Attack],
    task: JailbreakTask,
    defenses: Sequence[str],
    reporter: Reporter | None = None,
) -> JailbreakResult:
    """Run all attacks and questions without defense, then with each defense.

    Differences are paired, with Bonferroni-adjusted intervals. An attack or question with a failure in any run is
    excluded from all.

    Raises:
        UserError: A defense is unknown, there are no answers, or too few harmless questions.
        ModelError: A model cannot be loaded or called.
    """
    if unknown := [name for name in defenses if name not in DEFENSES]:
        raise UserError(f"Unknown defense {unknown[0]!r}.", hint=f"Known defenses: {', '.join(DEFENSES)}.")
    progress = reporter or SilentReporter()
    progress.begin("defenses", 1 + len(defenses), 0)
    bench = replace(bench, alone=tuple(ask(bench.turns, bench.asking, bench.models)))
    replies: dict[str, Sequence[Reply]] = {NONE: bench.alone}
    for nth, name in enumerate(dict.fromkeys(defenses), start=1):
        progress.advance(nth, 1 + len(defenses))
        replies[name] = DEFENSES[name][1](bench)
    progress.advance(1 + len(defenses), 1 + len(defenses))
    whole, left_out = _answered(replies)
    first = len(tried)
    attacks = [nth for nth in whole if nth < first]
    harmless = [nth for nth in whole if nth >= first]
    if not attacks or not harmless:
        lack = next(iter(left_out), "there are no questions")
        raise UserError(f"No complete answers of {bench.asking.model}: {lack}.")
    level = 1 - (1 - LEVEL) / max(1, len(replies) - 1)
    results: list[DefenseResult] = []
    for name, own in replies.items():
        pairs = [(tried[nth], _tried(tried[nth], task, own[nth])) for nth in attacks]
        asked = [_asked(bench.harmless[nth - first], own[nth]) for nth in harmless]
        results.append(_result(name, pairs, asked, results[0] if results else None, level))
    return JailbreakResult(bench.asking, task, tuple(results), left_out)


def _answered(replies: Mapping[str, Sequence[Reply]]) -> tuple[list[int], dict[str, int]]:
    whole, left_out = [], defaultdict[str, int](int)
    for nth, several in enumerate(zip(*replies.values(), strict=True)):
        lack = next((one.lack for one in several if one.lack), "")
        if lack:
            left_out[lack] += 1
        else:
            whole.append(nth)
    return whole, dict(left_out)


def _tried(attack: Attack, task: JailbreakTask, reply: Reply) -> AttackOutcome:
    return AttackOutcome(
        attack.family, attack.turn.message, reply, "" if reply.blocked else through(attack, task, reply.text)
    )


def _asked(turn: Turn, reply: Reply) -> HarmlessOutcome:
    refused = reply.blocked or declining(reply.text) or ("" if reply.text else "the answer is empty")
    return HarmlessOutcome(turn.message, reply, refused)


def _result(
    name: str,
    pairs: Sequence[tuple[Attack, AttackOutcome]],
    asked: Sequence[HarmlessOutcome],
    alone: DefenseResult | None,
    level: float,
) -> DefenseResult:
    found = [one for _, one in pairs]
    units = [attack.unit for attack, _ in pairs]
    by_family = {
        family: _rate([(unit, bool(one.how)) for unit, one in zip(units, found, strict=True) if one.family == family])
        for family in dict.fromkeys(one.family for one in found)
    }
    refused = wilson(sum(bool(one.refused) for one in asked), len(asked), LEVEL)
    kept_out = price = None
    if alone is not None:
        hits = [(bool(one.how), bool(other.how)) for one, other in zip(found, alone.attacks, strict=True)]
        kept_out = _difference(units, hits, level)
        lost = [(bool(one.refused), bool(other.refused)) for one, other in zip(asked, alone.harmless, strict=True)]
        price = _difference(range(len(lost)), lost, level)
    description = DEFENSES[name][0] if name in DEFENSES else "no defense"
    share = _rate([(unit, bool(one.how)) for unit, one in zip(units, found, strict=True)])
    return DefenseResult(name, description, share, by_family, refused, kept_out, price, tuple(found), tuple(asked))


def _rate(hits: Sequence[tuple[int, bool]]) -> Effect:
    """Success rate over units; attempts of one unit are averaged, since they share a prompt."""
    shares = _means((unit, float(hit)) for unit, hit in hits)
    return wilson(min(len(shares), math.fsum(shares)), len(shares), LEVEL)


def _difference(units: Iterable[int], pairs: Sequence[tuple[bool, bool]], level: float) -> Effect:
    both, first, second, neither = (
        math.fsum(_means((unit, float(pair == cell)) for unit, pair in zip(units, pairs, strict=True)))
        for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    return paired_proportions(both, first, second, neither, level)


def _means(values: Iterable[tuple[int, float]]) -> list[float]:
    grouped = defaultdict[int, list[float]](list)
    for unit, value in values:
        grouped[unit].append(value)
    return [math.fsum(own) / len(own) for own in grouped.values()]
