"""How often published attacks get through to a model, what each defense prevents, and its price in refusals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from assay.core.effect import Effect
from assay.core.errors import UserError
from assay.core.lab import Models
from assay.pipeline.progress import Reporter, Silent
from assay.probes.jailbreak.defenses import DEFENCES, Asking, Bench, Reply, ask
from assay.probes.jailbreak.tasks import Attack, Task, Turn, through
from assay.stats.inference.intervals import wilson
from assay.stats.inference.paired_tests import paired_proportions
from assay.text.answers.refusals import declining

LEVEL = 0.95
NONE = "none"


@dataclass(frozen=True)
class Tried:
    """An attack and what came of it."""

    family: str
    message: str
    reply: Reply
    how: str
    """How the answer shows that it got through; "" where it did not."""


@dataclass(frozen=True)
class Asked:
    """A harmless question and what came of it."""

    question: str
    reply: Reply
    refused: str
    """By which words, or by what, it was refused; "" where it was answered."""


@dataclass(frozen=True)
class Result:
    """What a defense comes to, or the model without any."""

    name: str
    said: str
    through: Effect
    """Share of attacks that get through."""
    families: Mapping[str, Effect]
    """The same of each family."""
    refused: Effect
    """Share of harmless questions that are refused."""
    through_change: Effect | None
    """`through` less that of the model alone, below 0 where it keeps attacks out; None of the model alone."""
    refused_change: Effect | None
    """`refused` less that of the model alone: the price."""
    attacks: tuple[Tried, ...]
    harmless: tuple[Asked, ...]


@dataclass(frozen=True)
class Probed:
    """All of it."""

    asking: Asking
    task: Task
    results: tuple[Result, ...]
    """The model alone first."""
    left_out: Mapping[str, int]
    """Attacks and harmless questions that are not counted, by why there was no answer to them."""

    @property
    def alone(self) -> Result:
        """The model without any defense."""
        return self.results[0]


def bench_of(asking: Asking, models: Models, tried: Sequence[Attack], harmless: Sequence[str], system: str) -> Bench:
    """What is to be asked; a harmless question stands under the instructions of an attack, or under `system`."""
    systems = [one.turn.system for one in tried] or [system]
    asked = tuple(Turn(systems[nth % len(systems)], text) for nth, text in enumerate(harmless))
    return Bench(asking, models, tuple(one.turn for one in tried), asked)


def probe(
    bench: Bench, tried: Sequence[Attack], task: Task, defenses: Sequence[str], reporter: Reporter | None = None
) -> Probed:
    """Asks everything without any defense, then behind each of them; `bench` has the turns and no answers yet.

    Differences are of the same attacks and questions, at a level at which all defenses' intervals hold together
    (Bonferroni). An attack or question to which one of them got no answer is left out everywhere.

    Raises:
        UserError: A defense is unknown, nothing was answered, or a defense lacks harmless questions.
        ModelError: A model cannot be opened or asked.
    """
    if unknown := [name for name in defenses if name not in DEFENCES]:
        raise UserError(f"There is no defense {unknown[0]!r}.", hint=f"There are {', '.join(DEFENCES)}.")
    heard = reporter or Silent()
    heard.begin("defenses", 1 + len(defenses), 0)
    bench = replace(bench, alone=tuple(ask(bench.turns, bench.asking, bench.models)))
    replies: dict[str, Sequence[Reply]] = {NONE: bench.alone}
    for nth, name in enumerate(dict.fromkeys(defenses), start=1):
        heard.advance(nth, 1 + len(defenses))
        replies[name] = DEFENCES[name][1](bench)
    heard.advance(1 + len(defenses), 1 + len(defenses))
    whole, left_out = _answered(replies)
    first = len(tried)
    attacks = [nth for nth in whole if nth < first]
    harmless = [nth for nth in whole if nth >= first]
    if not attacks or not harmless:
        lack = next(iter(left_out), "there are no questions")
        raise UserError(f"Nothing can be counted of {bench.asking.model}: {lack}.")
    level = 1 - (1 - LEVEL) / max(1, len(replies) - 1)
    results: list[Result] = []
    for name, own in replies.items():
        pairs = [(tried[nth], _tried(tried[nth], task, own[nth])) for nth in attacks]
        asked = [_asked(bench.harmless[nth - first], own[nth]) for nth in harmless]
        results.append(_result(name, pairs, asked, results[0] if results else None, level))
    return Probed(bench.asking, task, tuple(results), left_out)


def _answered(replies: Mapping[str, Sequence[Reply]]) -> tuple[list[int], dict[str, int]]:
    whole, left_out = [], defaultdict[str, int](int)
    for nth, several in enumerate(zip(*replies.values(), strict=True)):
        lack = next((one.lack for one in several if one.lack), "")
        if lack:
            left_out[lack] += 1
        else:
            whole.append(nth)
    return whole, dict(left_out)


def _tried(attack: Attack, task: Task, reply: Reply) -> Tried:
    return Tried(attack.family, attack.turn.message, reply, "" if reply.blocked else through(attack, task, reply.text))


def _asked(turn: Turn, reply: Reply) -> Asked:
    refused = reply.blocked or declining(reply.text) or ("" if reply.text else "nothing was written")
    return Asked(turn.message, reply, refused)


def _result(
    name: str,
    pairs: Sequence[tuple[Attack, Tried]],
    asked: Sequence[Asked],
    alone: Result | None,
    level: float,
) -> Result:
    found = [one for _, one in pairs]
    units = [attack.unit for attack, _ in pairs]
    by_family = {
        family: _share([(unit, bool(one.how)) for unit, one in zip(units, found, strict=True) if one.family == family])
        for family in dict.fromkeys(one.family for one in found)
    }
    refused = wilson(sum(bool(one.refused) for one in asked), len(asked), LEVEL)
    kept_out = price = None
    if alone is not None:
        hits = [(bool(one.how), bool(other.how)) for one, other in zip(found, alone.attacks, strict=True)]
        kept_out = _difference(units, hits, level)
        lost = [(bool(one.refused), bool(other.refused)) for one, other in zip(asked, alone.harmless, strict=True)]
        price = _difference(range(len(lost)), lost, level)
    said = DEFENCES[name][0] if name in DEFENCES else "the model alone"
    share = _share([(unit, bool(one.how)) for unit, one in zip(units, found, strict=True)])
    return Result(name, said, share, by_family, refused, kept_out, price, tuple(found), tuple(asked))


def _share(hits: Sequence[tuple[int, bool]]) -> Effect:
    """Of units, each the share of its attempts: they are of one prompt, and more of them are not more prompts."""
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
