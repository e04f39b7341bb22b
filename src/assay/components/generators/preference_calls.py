"""Requests to the answerers and rankers of `Preferences`, and the pairs that result from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from assay.components.generators.prompts import prompt_sample, with_context
from assay.core.completions import FATAL, Completion, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.errors import RecipeError, did_you_mean
from assay.core.lab import Lab
from assay.core.roles import Scorer, SendsRequests, compares_samples
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.core.scoring import score_isolated
from assay.text.instructions.dialogues import conversation
from assay.text.prompting.rankings import FIELDS, Ranking, pairwise, pointwise

MADE_BY = "Preferences"
AnswerPair = tuple[int, int]
"""Indices of two answers to a prompt, in ascending order."""


@dataclass(frozen=True)
class Answerer:
    """A model that answers prompts, its decoding, and its system message."""

    model: str
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", max_tokens=128))
    """Must give one answer. Its seed is ignored, as each answer has its own."""
    system: str = ""

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("Answerer.model must name a model, was empty.")
        if self.decoding.answers != 1:
            raise ValueError(f"Answerer.decoding must give one answer, was {self.decoding.answers}.")


@dataclass(frozen=True)
class PreferencePrompt:
    """A prompt that is answered and ranked."""

    fields: Mapping[str, str]
    """Fields of its sample."""
    sample: Sample
    """Sample that the randomness of its answers depends on, with the seed of the run."""

    @property
    def blank(self) -> bool:
        """Whether the instruction is blank."""
        return not self.fields["instruction"].strip()

    def request(self, name: str, nth: int, answerer: Answerer, lab: Lab) -> TextRequest:
        """Return the request for the nth answer of an answerer."""
        seed = lab.seed_of(self.sample, f"answer/{name}/{nth}")
        prompt = conversation(Sample(self.fields), system=answerer.system)
        return TextRequest(prompt, replace(answerer.decoding, seed=seed))


@dataclass(frozen=True)
class CandidateAnswer:
    """An answer to a prompt."""

    name: str
    """Name of the answerer."""
    text: str
    whole: bool = True
    """Whether the answer is complete, not truncated at max_tokens."""
    failed: str = ""
    """Why the model gave no answer, if a retry may succeed."""


def candidate_answer(name: str, model: str, answered: Completion | NotCompleted) -> CandidateAnswer:
    """Return the answer of a completion; a refusal or a withheld answer is empty.

    Raises:
        ModelError: The budget is spent, or the service rejects the key or the model.
    """
    if isinstance(answered, NotCompleted):
        if answered.lack in FATAL:
            raise fatal_error(model, answered.lack, answered.reason)
        return CandidateAnswer(name, "", failed=answered.reason)
    answer = answered.answers[0]
    text = answer.text.strip() if answer.end in ("stop", "length") else ""
    return CandidateAnswer(name, text, answer.end != "length")


@dataclass(frozen=True)
class Rankers:
    """All rankers: scorers of single answers, and judges of pairs."""

    rank: Mapping[str, Scorer]
    judges: Mapping[str, Scorer]
    min_difference: Mapping[str, float]

    @property
    def all(self) -> dict[str, Scorer]:
        """Rankers by name."""
        return {**self.rank, **self.judges}

    def check(self, margin_by: str) -> None:
        """Validate the rankers.

        Raises:
            ValueError: There is none, a name is duplicated or unknown, or a scorer cannot order two answers.
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
                raise ValueError(f"Preferences cannot rank by {name!r}: it compares samples with each other.")
            if name in self.rank and ranker.scale.better == "neither":
                raise ValueError(
                    f"Preferences cannot rank by {name!r}: on its scale neither higher nor lower is better."
                )
        self._check_min_difference()

    def _check_min_difference(self) -> None:
        for name, least in self.min_difference.items():
            if name not in self.rank:
                raise ValueError(
                    f"Preferences.min_difference must name scorers of rank, was {name!r}. "
                    f"{did_you_mean(name, self.rank)}"
                )
            if not 0 <= least < float("inf"):
                raise ValueError(f"Preferences.min_difference[{name!r}] must be 0 or more, was {least}.")

    def open(self, lab: Lab) -> None:
        """Score no samples, which opens the models."""
        for ranker in self.all.values():
            ranker.score([], lab)

    def single_sample(self, prompt: PreferencePrompt, answer: str) -> Sample:
        """Return the sample of an answer that a scorer of single answers gets."""
        return Sample({**with_context(Sample(prompt.fields), list(prompt.fields)), "text": answer}, made_by="answer")

    def pair_sample(self, prompt: PreferencePrompt, first: str, second: str) -> Sample:
        """Return the sample of two answers that a judge gets."""
        fields = with_context(Sample(prompt.fields), list(prompt.fields))
        return Sample({**fields, "output_a": first, "output_b": second}, made_by="answers")

    def opinions(
        self, triples: Sequence[tuple[PreferencePrompt, Sequence[CandidateAnswer], AnswerPair]], lab: Lab
    ) -> list[dict[str, Ranking]]:
        """Return the opinion of each ranker on each pair; each answer is scored once."""
        single = {(prompt.sample.id, nth): (prompt, answers[nth]) for prompt, answers, pair in triples for nth in pair}
        samples = {key: self.single_sample(prompt, answer.text) for key, (prompt, answer) in single.items()}
        pairs = [self.pair_sample(prompt, answers[a].text, answers[b].text) for prompt, answers, (a, b) in triples]
        rankings: list[dict[str, Ranking]] = [{} for _ in triples]
        for name, ranker in self.rank.items():
            outcomes = dict(
                zip(samples, score_isolated(ranker, list(samples.values()), lab) if samples else (), strict=True)
            )
            for row, (prompt, _, (a, b)) in zip(rankings, triples, strict=True):
                row[name] = self._by_scores(name, outcomes[prompt.sample.id, a], outcomes[prompt.sample.id, b])
        for name, ranker in self.judges.items():
            for row, outcome in zip(rankings, score_isolated(ranker, pairs, lab) if pairs else (), strict=True):
                row[name] = _by_judge(name, outcome)
        return rankings

    def _by_scores(self, name: str, first: Outcome, second: Outcome) -> Ranking:
        unscored = [outcome for outcome in (first, second) if isinstance(outcome, Unscored)]
        if unscored:
            return _no_opinion(min(unscored, key=lambda outcome: outcome.cause))
        lower = self.rank[name].scale.better == "lower"
        return pointwise(
            _value(name, first), _value(name, second), lower=lower, least=self.min_difference.get(name, 0.0)
        )

    def models(self, lab: Lab) -> list[str]:
        """References of the models that the rankers send requests to, as far as they declare them."""
        return [model for ranker in self.all.values() for model in _requests_of(ranker, [], lab)]

    def asks(self, prompt: PreferencePrompt, answers: Sequence[str], lab: Lab) -> Iterator[tuple[str, TextRequest]]:
        """Yield (model, request) for the ranking of a prompt's answers."""
        singles = [self.single_sample(prompt, answer) for answer in answers]
        pairs = [self.pair_sample(prompt, first, second) for first, second in combinations(answers, 2)]
        for rankers, samples in ((self.rank, singles), (self.judges, pairs)):
            for ranker in rankers.values():
                by_model = _requests_of(ranker, samples, lab)
                yield from ((model, request) for model, requests in by_model.items() for request in requests)


FAILED = "failed: "
"""Prefix of the reason of a ranker that may succeed in a retry."""


def _no_opinion(outcome: Unscored) -> Ranking:
    return Ranking(why=f"{outcome.cause}: {outcome.reason}")


def _by_judge(name: str, outcome: Outcome) -> Ranking:
    if isinstance(outcome, Unscored):
        return _no_opinion(outcome)
    value = _value(name, outcome)
    evidence = outcome.evidence if isinstance(outcome, Score) else {}
    orders = [evidence[order] for order in ("as given", "swapped") if order in evidence]
    return pairwise(value, (orders[0], orders[1]) if len(orders) == 2 else None)


def _value(name: str, outcome: Outcome) -> float:
    if isinstance(outcome, Score):
        return outcome.value
    raise RecipeError(f"Preferences cannot rank by {name!r}: it returns a {type(outcome).__name__}, not a number.")


def _requests_of(ranker: Scorer, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
    return ranker.asks(samples, lab) if isinstance(ranker, SendsRequests) else {}


def best_and_worst(compared: Mapping[AnswerPair, Mapping[str, Ranking]]) -> AnswerPair:
    """Return the indices of the answers with the most wins and with the most losses, in ascending order.

    Each preference of a ranker in a comparison counts one. Ties are broken by the sign of the difference, then by the
    order: the first as the best, the last as the worst.
    """
    indices = sorted({index for pair in compared for index in pair})
    wins = {index: [0, 0] for index in indices}
    for (first, second), opinions in compared.items():
        for opinion in opinions.values():
            preference = (opinion.prefers == "first") - (opinion.prefers == "second")
            difference = (opinion.better > 0) - (opinion.better < 0)
            for index, sign in ((first, 1), (second, -1)):
                wins[index][0] += sign * preference
                wins[index][1] += sign * difference
    best = max(indices, key=lambda index: (wins[index], -index))
    worst = min((index for index in indices if index != best), key=lambda index: (wins[index], -index))
    return min(best, worst), max(best, worst)


def prompt_of(seed: Sample) -> PreferencePrompt:
    """Return the prompt of a seed."""
    fields = {name: value for name, value in seed.fields.items() if name != "pair" and isinstance(value, str)}
    return PreferencePrompt(fields, prompt_sample(seed, seed.nth))


def distinct_answers(answers: Sequence[CandidateAnswer]) -> list[int]:
    """Return the indices of answers that are not empty, the first of equal ones."""
    first: dict[str, int] = {}
    for index, answer in enumerate(answers):
        if answer.text:
            first.setdefault(answer.text, index)
    return list(first.values())


def pair_of(
    seed: Sample,
    chosen: CandidateAnswer,
    rejected: CandidateAnswer,
    verdict: str,
    more: Mapping[str, str] | None = None,
) -> Sample:
    """Return the pair of a seed; `more` are fields of the rankers."""
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
