"""Generation of preference pairs: models answer prompts, and rankers prefer one of two answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import ClassVar, Literal, get_args

from assay.components.generators.preference_calls import (
    FAILED,
    MADE_BY,
    Answerer,
    AnswerPair,
    CandidateAnswer,
    PreferencePrompt,
    Rankers,
    best_and_worst,
    candidate_answer,
    distinct_answers,
    pair_of,
    prompt_of,
)
from assay.components.generators.prompts import prompt_sample, read_texts
from assay.core.completions import TextRequest
from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.roles import ChecksPreconditions, Scorer, Source, listing_of
from assay.core.sample import Failure, Made, Sample
from assay.models.remote.budget import placeholder_text
from assay.text.instructions.dialogues import conversation
from assay.text.prompting.rankings import (
    BLANK,
    EQUAL,
    FIELDS,
    MISSING,
    Agree,
    Ranking,
    consensus,
    net_preference,
    write_rankings,
)

Pairs = Literal["best-worst", "all"]


@dataclass(frozen=True)
class Preferences:
    """Generate preference pairs, the training data of reward models and DPO: answers to prompts, and their rankings.

    Prompts are tasks or dialogues (`text.instructions.dialogues`). Each answerer gives `answers`, each with its own
    seed. With "all" every two of the k answers to a prompt are a pair, k (k - 1) / 2 in total. With "best-worst" a
    prompt gives one pair: of its distinct answers the one with the most wins against the others, and the one with the
    most losses.

    `rank` are scorers of single answers, such as EmbeddingCosine to a reference, a verifier or a reward model. They see
    the fields of the prompt, the answer as `text`, and the earlier messages and the input as `context`. A difference
    below `min_difference` is a tie. `judges` are scorers that compare `output_a` with `output_b`, 0 to 1, such as
    PairJudge; they see the same fields. A judge that disagrees with itself when the order changes is in conflict.

    Fields: those of the prompt; chosen and rejected; verdict, "" if rankers prefer `chosen`, else "tie", "conflict",
    "equal", "missing" (an answer failed, was a refusal or is empty), "unranked" or "blank" (a blank instruction), and
    then the two are only the first and the second answer; margin, the difference on the scale of the only ranker or of
    `margin_by` (negative if the others outvote it), else the difference of the fractions of rankers; chosen_from and
    rejected_from, names of answerers; ranked_by; rankings, the opinion of each ranker as JSON; chosen_whole and
    rejected_whole, "no" if an answer was truncated at max_tokens. The filter `ClearPreference` drops pairs with a
    verdict.

    The requests about a prompt depend only on its words, the seed of the run and the names of the answerers. If no
    answerer or no ranker could be reached, the pair is a failure, which the next run retries.

    Source: Ouyang et al. 2022, "Training language models to follow instructions with human feedback", section 3.5 (all
    pairs of the k answers of a prompt). Difference: there, humans rank all answers to a prompt at once.
    """

    prompts: Source
    answerers: Mapping[str, Answerer]
    """Answerers by their name in `chosen_from`: samples never contain references of models."""
    rank: Mapping[str, Scorer] = field(default_factory=dict)
    judges: Mapping[str, Scorer] = field(default_factory=dict)
    min_difference: Mapping[str, float] = field(default_factory=dict)
    """Minimum difference by name of a scorer in `rank`; 0 if it is missing here: only equal scores are then a tie."""
    answers: int = 1
    pairs: Pairs = "best-worst"
    agree: Agree = "all"
    """Whether all rankers with an opinion must prefer the same answer, or a majority of them."""
    margin_by: str = ""
    """Ranker whose difference is the margin."""
    limit: int | None = None
    """Number of prompts, the first ones of the source."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, allowed in (("pairs", get_args(Pairs)), ("agree", get_args(Agree))):
            if (value := getattr(self, name)) not in allowed:
                hint = did_you_mean(value, allowed)
                raise ValueError(f"Preferences.{name} must be one of {', '.join(allowed)}, was {value!r}. {hint}")
        for name, number in (("answers", self.answers), ("limit", self.limit)):
            if number is not None and number < 1:
                raise ValueError(f"Preferences.{name} must be at least 1, was {number}.")
        self._check_answerers()
        self._rankers.check(self.margin_by)

    def _check_answerers(self) -> None:
        if "" in self.answerers:
            raise ValueError("Preferences.answerers must each have a name, one name was empty.")
        if self._count < 2:
            raise ValueError(
                f"Preferences must have at least two answers to a prompt, had {len(self.answerers)} answerers with "
                f"{self.answers} each."
            )
        for name, answerer in self.answerers.items():
            if self.answers > 1 and answerer.decoding.strategy != "sample":
                raise ValueError(
                    f"Preferences.answerers[{name!r}].decoding must sample to give {self.answers} answers, was "
                    f"{answerer.decoding.strategy!r}: all answers would be equal."
                )

    def listing(self) -> str:
        """Digest of the files that `prompts` and the rankers read."""
        readers = (self.prompts, *(ranker for _, ranker in sorted(self._rankers.all.items())))
        return "/".join(listing_of(reader) for reader in readers)

    def seeds(self) -> Sequence[Sample]:
        """Return the prompt and the number of each pair.

        Raises:
            FieldError: A prompt has no instruction.
            UserError: As the source of prompts.
        """
        earlier: Counter[str] = Counter()
        samples = []
        for prompt in read_texts("Preferences.prompts", self.prompts)[: self.limit]:
            prompt.text("instruction")
            fields = {name: value for name, value in prompt.fields.items() if isinstance(value, str)}
            prompt_id = prompt_sample(prompt, 0).id
            for nth in range(len(self._all_pairs) if self.pairs == "all" else 1):
                samples.append(Sample({**fields, "pair": str(nth)}, (prompt.id,), MADE_BY, earlier[prompt_id]))
            earlier[prompt_id] += 1
        return samples

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        """Return one round; the pairs of a prompt stay together, so that its answers are generated once."""
        groups = [list(group) for _, group in groupby(seeds, key=lambda seed: (seed.parents, seed.nth))]
        return [groups] if groups else []

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Parse all prompts, and check the preconditions of the rankers.

        Raises:
            UserError: A dialogue's history is invalid, or a precondition of a ranker fails.
        """
        for seed in seeds:
            if not (prompt := prompt_of(seed)).blank:
                conversation(Sample(prompt.fields))
        for ranker in self._rankers.all.values():
            if isinstance(ranker, ChecksPreconditions):
                ranker.check(seeds, lab)

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """Return the pairs.

        Raises:
            ModelError: The budget is spent, or a service rejects the key or the model. Earlier answers are kept.
            RecipeError: A ranker does not return numbers.
        """
        rankers = self._rankers
        if not seeds:
            for answerer in self.answerers.values():
                lab.models.text_model(answerer.model)
            rankers.open(lab)
            return []
        prompts = {prompt.sample.id: prompt for prompt in map(prompt_of, seeds) if not prompt.blank}
        by_prompt = self._answer(list(prompts.values()), lab)
        comparisons = {
            (key, pair): (prompts[key], answers, pair)
            for seed in seeds
            if (answers := by_prompt.get(key := prompt_of(seed).sample.id)) is not None
            for pair in self._comparisons(seed, answers)
        }
        opinions = dict(zip(comparisons, rankers.opinions(list(comparisons.values()), lab), strict=True))
        return [self._sample_or_failure(seed, by_prompt.get(prompt_of(seed).sample.id), opinions) for seed in seeds]

    def asks(self, seeds: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Return the requests of `generate` at most, by model: all answers are distinct and of maximal length."""
        models = (*(answerer.model for answerer in self.answerers.values()), *self._rankers.models(lab))
        requests: dict[str, list[TextRequest]] = {model: [] for model in models}
        for prompt in {prompt.sample.id: prompt for prompt in map(prompt_of, seeds) if not prompt.blank}.values():
            for name, nth in self._turns:
                answerer = self.answerers[name]
                requests[answerer.model].append(prompt.request(name, nth, answerer, lab))
            for model, request in self._rankers.asks(prompt, self._longest, lab):
                requests[model].append(request)
        return requests

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """Return placeholder pairs of maximal length, to estimate the cost of requests about them."""
        chosen, rejected = sorted(self._longest, key=len)[-2:]
        rankers = sorted(self._rankers.all)
        fields = {
            **dict.fromkeys(FIELDS, placeholder_text(8)),
            "chosen": chosen,
            "rejected": rejected,
            **dict.fromkeys(("chosen_from", "rejected_from"), max(self.answerers, key=len)),
            "ranked_by": ", ".join(rankers),
            "rankings": placeholder_text(64 * len(rankers)),
        }
        return [Sample({**seed.fields, **fields}, (seed.id, *seed.parents), MADE_BY) for seed in seeds]

    @property
    def _rankers(self) -> Rankers:
        return Rankers(self.rank, self.judges, self.min_difference)

    @property
    def _turns(self) -> list[tuple[str, int]]:
        """(answerer, number of its answer) of each answer, independent of the order in a recipe."""
        return [(name, nth) for name in sorted(self.answerers) for nth in range(self.answers)]

    @property
    def _count(self) -> int:
        return len(self.answerers) * self.answers

    @property
    def _all_pairs(self) -> list[AnswerPair]:
        return list(combinations(range(self._count), 2))

    @property
    def _longest(self) -> list[str]:
        return [
            placeholder_text(self.answerers[name].decoding.max_tokens, 1 + at)
            for at, (name, _) in enumerate(self._turns)
        ]

    def _answer(self, prompts: Sequence[PreferencePrompt], lab: Lab) -> dict[str, list[CandidateAnswer]]:
        """Return the answers to each prompt, by the id of its `sample`."""
        by_name = {}
        for name, answerer in self.answerers.items():
            requests = [prompt.request(name, nth, answerer, lab) for prompt in prompts for nth in range(self.answers)]
            completions = lab.models.text_model(answerer.model).complete(requests) if requests else []
            by_name[name] = [candidate_answer(name, answerer.model, completion) for completion in completions]
        return {
            prompt.sample.id: [by_name[name][place * self.answers + nth] for name, nth in self._turns]
            for place, prompt in enumerate(prompts)
        }

    def _comparisons(self, seed: Sample, answers: Sequence[CandidateAnswer]) -> Iterator[AnswerPair]:
        """Yield the pairs of answers to rank."""
        if self.pairs == "best-worst":
            yield from combinations(distinct_answers(answers), 2)
            return
        first, second = self._all_pairs[int(seed.text("pair"))]
        if answers[first].text and answers[second].text and answers[first].text != answers[second].text:
            yield first, second

    def _sample_or_failure(
        self,
        seed: Sample,
        answers: Sequence[CandidateAnswer] | None,
        opinions: Mapping[tuple[str, AnswerPair], dict[str, Ranking]],
    ) -> Made:
        if answers is None:
            return pair_of(seed, CandidateAnswer("", ""), CandidateAnswer("", ""), BLANK)
        if all(answer.failed for answer in answers):
            return Failure(seed.id, answers[0].failed)
        key = prompt_of(seed).sample.id
        compared = {pair: opinions[key, pair] for pair in self._comparisons(seed, answers)}
        if not compared:
            first, second = self._unranked_pair(seed, answers)
            return pair_of(seed, first, second, EQUAL if first.text and second.text else MISSING)
        pair = best_and_worst(compared) if self.pairs == "best-worst" else next(iter(compared))
        return self._ranked(seed, answers[pair[0]], answers[pair[1]], compared[pair])

    def _unranked_pair(
        self, seed: Sample, answers: Sequence[CandidateAnswer]
    ) -> tuple[CandidateAnswer, CandidateAnswer]:
        """Return two answers of a pair without a comparison, preferably not empty ones."""
        if self.pairs == "all":
            first, second = self._all_pairs[int(seed.text("pair"))]
            return answers[first], answers[second]
        first_answer, second_answer = sorted(answers, key=lambda answer: not answer.text)[:2]
        return first_answer, second_answer

    def _ranked(
        self, seed: Sample, first: CandidateAnswer, second: CandidateAnswer, opinions: Mapping[str, Ranking]
    ) -> Made:
        preference = consensus(list(opinions.values()), self.agree)
        if preference == "unranked" and (
            why := [ranking.why for ranking in opinions.values() if ranking.why.startswith(FAILED)]
        ):
            return Failure(seed.id, f"no ranker could say: {why[0].removeprefix(FAILED)}")
        if preference == "second":
            first, second, opinions = second, first, {name: ranking.turned for name, ranking in opinions.items()}
        verdict = "" if preference in ("first", "second") else preference
        margin = "" if verdict else f"{self._margin(opinions) + 0.0:.6g}"  # no "-0"
        ranked_by = ", ".join(name for name, ranking in sorted(opinions.items()) if ranking.says)
        more = {"margin": margin, "ranked_by": ranked_by, "rankings": write_rankings(dict(sorted(opinions.items())))}
        return pair_of(seed, first, second, verdict, more)

    def _margin(self, opinions: Mapping[str, Ranking]) -> float:
        by = self.margin_by or (next(iter(opinions)) if len(opinions) == 1 else "")
        return opinions[by].better if by and opinions[by].says else net_preference(list(opinions.values()))
