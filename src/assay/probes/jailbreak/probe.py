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
from assay.probes.jailbreak.attacks import Attack, JailbreakTask, Turn, attack_evidence
from assay.probes.jailbreak.defenses import DEFENSES, Bench, JailbreakSetup, Reply, ask
from assay.stats.inference.intervals import wilson
from assay.stats.inference.paired_tests import paired_proportions
from assay.text.answers.refusals import refusal_phrase

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
    """Result of one defense, or of the model without defense."""

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
    """Result of the jailbreak probe."""

    asking: JailbreakSetup
    task: JailbreakTask
    results: tuple[DefenseResult, ...]
    """No defense first."""
    left_out: Mapping[str, int]
    """Excluded attacks and harmless questions by failure reason."""

    @property
    def baseline(self) -> DefenseResult:
        """Result without defense."""
        return self.results[0]


def bench_of(
    setup: JailbreakSetup, models: Models, attacks: Sequence[Attack], harmless: Sequence[str], system: str
) -> Bench:
    """Prepare the prompts; harmless questions use the system prompts of the attacks, or `system`."""
    systems = [attack.turn.system for attack in attacks] or [system]
    questions = tuple(Turn(systems[nth % len(systems)], text) for nth, text in enumerate(harmless))
    return Bench(setup, models, tuple(attack.turn for attack in attacks), questions)


def probe(
    bench: Bench,
    attacks: Sequence[Attack],
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
        raise UserError(
            f"Unknown defense {unknown[0]!r}.", hint=f"Known defenses: {', '.join(DEFENSES)}.", defense=unknown[0]
        )
    progress = reporter or SilentReporter()
    progress.begin("defenses", 1 + len(defenses), 0)
    bench = replace(bench, baseline=tuple(ask(bench.turns, bench.setup, bench.models)))
    replies: dict[str, Sequence[Reply]] = {NONE: bench.baseline}
    for nth, name in enumerate(dict.fromkeys(defenses), start=1):
        progress.advance(nth, 1 + len(defenses))
        replies[name] = DEFENSES[name][1](bench)
    progress.advance(1 + len(defenses), 1 + len(defenses))
    complete, left_out = _complete(replies)
    first = len(attacks)
    answered_attacks = [nth for nth in complete if nth < first]
    harmless = [nth for nth in complete if nth >= first]
    if not answered_attacks or not harmless:
        reason = next(iter(left_out), "there are no questions")
        raise UserError(f"No complete answers of {bench.setup.model}: {reason}.", reason=reason)
    level = 1 - (1 - LEVEL) / max(1, len(replies) - 1)
    results: list[DefenseResult] = []
    for name, answers in replies.items():
        pairs = [(attacks[nth], _attack_outcome(attacks[nth], task, answers[nth])) for nth in answered_attacks]
        questions = [_harmless_outcome(bench.harmless[nth - first], answers[nth]) for nth in harmless]
        results.append(_result(name, pairs, questions, results[0] if results else None, level))
    return JailbreakResult(bench.setup, task, tuple(results), left_out)


def _complete(replies: Mapping[str, Sequence[Reply]]) -> tuple[list[int], dict[str, int]]:
    """Positions with an answer in every run, and the number of other positions by reason."""
    complete, left_out = [], defaultdict[str, int](int)
    for nth, position_replies in enumerate(zip(*replies.values(), strict=True)):
        lack = next((reply.lack for reply in position_replies if reply.lack), "")
        if lack:
            left_out[lack] += 1
        else:
            complete.append(nth)
    return complete, dict(left_out)


def _attack_outcome(attack: Attack, task: JailbreakTask, reply: Reply) -> AttackOutcome:
    return AttackOutcome(
        attack.family, attack.turn.message, reply, "" if reply.blocked else attack_evidence(attack, task, reply.text)
    )


def _harmless_outcome(turn: Turn, reply: Reply) -> HarmlessOutcome:
    refused = reply.blocked or refusal_phrase(reply.text) or ("" if reply.text else "the answer is empty")
    return HarmlessOutcome(turn.message, reply, refused)


def _result(
    name: str,
    pairs: Sequence[tuple[Attack, AttackOutcome]],
    questions: Sequence[HarmlessOutcome],
    baseline: DefenseResult | None,
    level: float,
) -> DefenseResult:
    outcomes = [outcome for _, outcome in pairs]
    units = [attack.unit for attack, _ in pairs]
    by_family = {
        family: _rate(
            [
                (unit, bool(outcome.how))
                for unit, outcome in zip(units, outcomes, strict=True)
                if outcome.family == family
            ]
        )
        for family in dict.fromkeys(outcome.family for outcome in outcomes)
    }
    refused = wilson(sum(bool(question.refused) for question in questions), len(questions), LEVEL)
    success_change = refusal_change = None
    if baseline is not None:
        hits = [
            (bool(outcome.how), bool(before.how)) for outcome, before in zip(outcomes, baseline.attacks, strict=True)
        ]
        success_change = _difference(units, hits, level)
        refusals = [
            (bool(question.refused), bool(before.refused))
            for question, before in zip(questions, baseline.harmless, strict=True)
        ]
        refusal_change = _difference(range(len(refusals)), refusals, level)
    description = DEFENSES[name][0] if name in DEFENSES else "no defense"
    success = _rate([(unit, bool(outcome.how)) for unit, outcome in zip(units, outcomes, strict=True)])
    return DefenseResult(
        name,
        description,
        success,
        by_family,
        refused,
        success_change,
        refusal_change,
        tuple(outcomes),
        tuple(questions),
    )


def _rate(hits: Sequence[tuple[int, bool]]) -> Effect:
    """Success rate over units; attempts of one unit are averaged, since they share a prompt."""
    rates = _means((unit, float(hit)) for unit, hit in hits)
    return wilson(min(len(rates), math.fsum(rates)), len(rates), LEVEL)


def _difference(units: Iterable[int], pairs: Sequence[tuple[bool, bool]], level: float) -> Effect:
    """Paired difference of rates over units."""
    both, first, second, neither = (
        math.fsum(_means((unit, float(pair == cell)) for unit, pair in zip(units, pairs, strict=True)))
        for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    return paired_proportions(both, first, second, neither, level)


def _means(values: Iterable[tuple[int, float]]) -> list[float]:
    """Mean value of each unit."""
    groups = defaultdict[int, list[float]](list)
    for unit, value in values:
        groups[unit].append(value)
    return [math.fsum(group) / len(group) for group in groups.values()]
