"""What answerers say to a prompt and what rankers say of it: the questions of `Preferences`, and its pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from assay.components.generators.prompts import prompt_sample, with_context
from assay.core.completions import HOPELESS, Completion, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError, did_you_mean
from assay.core.lab import Lab
from assay.core.roles import Scorer, SendsRequests, compares_samples
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.core.scored import scored
from assay.text.instructions.dialogues import conversation
from assay.text.prompting.rankings import FIELDS, Opinion, pairwise, pointwise

MADE_BY = "Preferences"
Pair = tuple[int, int]
"""Places of two answers among those to a prompt, the smaller one first."""


@dataclass(frozen=True)
class Answerer:
    """Who answers: a model, how it decodes, and what it is told before."""

    model: str
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", max_tokens=128))
    """One answer; its seed is not used, for every answer has its own."""
    system: str = ""

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("Answerer.model must name a model, was empty.")
        if self.decoding.answers != 1:
            raise ValueError(f"Answerer.decoding must give one answer, was {self.decoding.answers}.")


@dataclass(frozen=True)
class Prompt:
    """A prompt, and what is asked of it."""

    fields: Mapping[str, str]
    """Of the sample that it came from."""
    asked: Sample
    """What the randomness of its answers depends on, beside the run's seed."""

    @property
    def blank(self) -> bool:
        """Whether nothing is asked."""
        return not self.fields["instruction"].strip()

    def request(self, name: str, nth: int, answerer: Answerer, lab: Lab) -> TextRequest:
        """Asks for the nth answer of an answerer."""
        seed = lab.seed_of(self.asked, f"answer/{name}/{nth}")
        prompt = conversation(Sample(self.fields), system=answerer.system)
        return TextRequest(prompt, replace(answerer.decoding, seed=seed))


@dataclass(frozen=True)
class Said:
    """One answer to a prompt."""

    name: str
    """Of the answerer."""
    text: str
    whole: bool = True
    """Whether it ended by itself, and was not cut at max_tokens."""
    failed: str = ""
    """Why the model gave none, where asking again may mend it."""


def said(name: str, model: str, answered: Completion | NotCompleted) -> Said:
    """An answer as it is compared; what was declined or withheld is an empty one.

    Raises:
        ModelError: The budget is spent, or the service knows the key or the model not.
    """
    if isinstance(answered, NotCompleted):
        if answered.lack in HOPELESS:
            raise fatal_error(model, answered.lack, answered.reason)
        return Said(name, "", failed=answered.reason)
    answer = answered.answers[0]
    text = answer.text.strip() if answer.end in ("stop", "length") else ""
    return Said(name, text, answer.end != "length")


@dataclass(frozen=True)
class Rankers:
    """Everybody who ranks."""

    rank: Mapping[str, Scorer]
    judges: Mapping[str, Scorer]
    min_difference: Mapping[str, float]

    @property
    def all(self) -> dict[str, Scorer]:
        """By name."""
        return {**self.rank, **self.judges}

    def check(self, margin_by: str) -> None:
        """Refuses what cannot rank.

        Raises:
            ValueError: There is none, a name stands twice or for nobody, or a scorer cannot say which of two is better.
        """
        if not self.all:
            raise ValueError("Preferences.rank or Preferences.judges must name a ranker, both were empty.")
        if both := sorted(self.rank.keys() & self.judges.keys()):
            raise ValueError(
                f"Preferences.rank and Preferences.judges must have different names, both had {both[0]!r}."
            )
        if margin_by and margin_by not in self.all:
            raise ValueError(
                f"Preferences.margin_by must name a ranker, was {margin_by!r}. {did_you_mean(margin_by, self.all)}"
            )
        for name, ranker in self.all.items():
            if compares_samples(ranker):
                raise ValueError(f"Preferences cannot rank by {name!r}: it compares samples with one another.")
            if name in self.rank and ranker.scale.better == "neither":
                raise ValueError(f"Preferences cannot rank by {name!r}: neither way of its scale is better.")
        self._check_least()

    def _check_least(self) -> None:
        for name, least in self.min_difference.items():
            if name not in self.rank:
                raise ValueError(
                    f"Preferences.min_difference must name scorers of rank, was {name!r}. "
                    f"{did_you_mean(name, self.rank)}"
                )
            if not 0 <= least < float("inf"):
                raise ValueError(f"Preferences.min_difference[{name!r}] must be 0 or more, was {least}.")

    def open(self, lab: Lab) -> None:
        """Has each look at nothing, which opens its model."""
        for ranker in self.all.values():
            ranker.score([], lab)

    def alone(self, prompt: Prompt, answer: str) -> Sample:
        """What a pointwise ranker sees of an answer."""
        return Sample({**with_context(Sample(prompt.fields), list(prompt.fields)), "text": answer}, made_by="answer")

    def beside(self, prompt: Prompt, first: str, second: str) -> Sample:
        """What a judge sees of two answers."""
        seen = with_context(Sample(prompt.fields), list(prompt.fields))
        return Sample({**seen, "output_a": first, "output_b": second}, made_by="answers")

    def opinions(self, wanted: Sequence[tuple[Prompt, Sequence[Said], Pair]], lab: Lab) -> list[dict[str, Opinion]]:
        """What each ranker says of each two answers; nobody is asked twice about one answer."""
        alone = {(prompt.asked.id, nth): (prompt, own[nth]) for prompt, own, pair in wanted for nth in pair}
        samples = {place: self.alone(prompt, one.text) for place, (prompt, one) in alone.items()}
        pairs = [self.beside(prompt, own[a].text, own[b].text) for prompt, own, (a, b) in wanted]
        found: list[dict[str, Opinion]] = [{} for _ in wanted]
        for name, ranker in self.rank.items():
            outcomes = dict(zip(samples, scored(ranker, list(samples.values()), lab) if samples else (), strict=True))
            for row, (prompt, _, (a, b)) in zip(found, wanted, strict=True):
                row[name] = self._numbers(name, outcomes[prompt.asked.id, a], outcomes[prompt.asked.id, b])
        for name, ranker in self.judges.items():
            for row, outcome in zip(found, scored(ranker, pairs, lab) if pairs else (), strict=True):
                row[name] = _worth(name, outcome)
        return found

    def _numbers(self, name: str, first: Outcome, second: Outcome) -> Opinion:
        lacking = [one for one in (first, second) if isinstance(one, Unscored)]
        if lacking:
            return _silent(min(lacking, key=lambda one: one.cause))
        lower = self.rank[name].scale.better == "lower"
        return pointwise(
            _value(name, first), _value(name, second), lower=lower, least=self.min_difference.get(name, 0.0)
        )

    def models(self, lab: Lab) -> list[str]:
        """References of the models that they ask, as far as they say so."""
        return [model for ranker in self.all.values() for model in _asks_of(ranker, [], lab)]

    def asks(self, prompt: Prompt, answers: Sequence[str], lab: Lab) -> Iterator[tuple[str, TextRequest]]:
        """What they would ask of a prompt's answers, with the model."""
        alone = [self.alone(prompt, one) for one in answers]
        beside = [self.beside(prompt, one, two) for one, two in combinations(answers, 2)]
        for rankers, samples in ((self.rank, alone), (self.judges, beside)):
            for ranker in rankers.values():
                told = _asks_of(ranker, samples, lab)
                yield from ((model, request) for model, requests in told.items() for request in requests)


FAILED = "failed: "
"""Begins the reason of a ranker that may say more when it is asked again."""


def _silent(outcome: Unscored) -> Opinion:
    return Opinion(why=f"{outcome.cause}: {outcome.reason}")


def _worth(name: str, outcome: Outcome) -> Opinion:
    if isinstance(outcome, Unscored):
        return _silent(outcome)
    worth = _value(name, outcome)
    evidence = outcome.evidence if isinstance(outcome, Score) else {}
    both = [evidence[order] for order in ("as given", "swapped") if order in evidence]
    return pairwise(worth, (both[0], both[1]) if len(both) == 2 else None)


def _value(name: str, outcome: Outcome) -> float:
    if isinstance(outcome, Score):
        return outcome.value
    raise RecipeError(f"Preferences cannot rank by {name!r}: it gives a {type(outcome).__name__} and no number.")


def _asks_of(ranker: Scorer, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
    return ranker.asks(samples, lab) if isinstance(ranker, SendsRequests) else {}


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
    return Prompt(fields, prompt_sample(seed, seed.nth))


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
