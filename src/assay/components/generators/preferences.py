"""Prompts to pairs of answers, of which rankers prefer one."""

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
    Pair,
    Prompt,
    Rankers,
    Said,
    best_worst,
    different,
    pair_of,
    prompt_of,
    said,
)
from assay.components.generators.prompts import prompt_sample, read_texts
from assay.core.completions import TextRequest
from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.roles import ChecksPreconditions, Scorer, Source, listing_of
from assay.core.sample import Failure, Made, Sample
from assay.models.remote.budget import placeholder_text
from assay.text.instructions.dialogues import conversation
from assay.text.prompting.rankings import BLANK, EQUAL, FIELDS, MISSING, Agree, Opinion, net, settled, write_rankings

Pairs = Literal["best-worst", "all"]


@dataclass(frozen=True)
class Preferences:
    """Has answerers answer each prompt, and rankers say of two answers which is better: the data of reward models.

    Prompts are tasks or dialogues (`text.dialogues`). Each answerer gives `answers`, each with a seed of its own. With
    "all" every two of a prompt's k answers are a pair, k (k - 1) / 2 in all; with "best-worst" a prompt gives one: of
    its different answers that which wins most comparisons with the others, and that which loses most.

    `rank` are scorers that give each answer a number, such as EmbeddingCosine to a reference, a verifier or a reward
    model: they see the prompt's fields, the answer as `text`, and as `context` what was said before and the input. A
    difference below its `min_difference` is a tie. `judges` are scorers that compare `output_a` with
    `output_b`, 0 to 1, such as PairJudge; they see the same. A judge whose two orders disagree is in conflict with
    itself.

    Fields: those of the prompt; chosen and rejected; verdict, "" where rankers prefer `chosen`, else "tie", "conflict",
    "equal", "missing" (an answer failed, was declined or is empty), "unranked" or "blank" (a prompt that asks nothing),
    and then the two are only the first and the second answer; margin, by how much `chosen` is better, on the ranker's
    scale where there is one or `margin_by` names one (below 0 where the others outvote it), else how many more rankers
    prefer it, as a share; chosen_from and
    rejected_from, names of answerers; ranked_by; rankings, what each ranker says, as JSON; chosen_whole and
    rejected_whole, "no" where an answer was cut at max_tokens. The filter `ClearPreference` drops what has a verdict.

    What is asked of a prompt depends on its words, the run's seed and the answerers' names alone. Where no answerer
    could be reached, or no ranker, it is a failure, and the next run asks again.

    Source: Ouyang et al. 2022, "Training language models to follow instructions with human feedback", section 3.5 (all
    pairs of the k answers of a prompt). Where we differ: people rank there, and all of a prompt's answers at once.
    """

    prompts: Source
    answerers: Mapping[str, Answerer]
    """By the name that `chosen_from` has: samples never hold the reference of a model."""
    rank: Mapping[str, Scorer] = field(default_factory=dict)
    judges: Mapping[str, Scorer] = field(default_factory=dict)
    min_difference: Mapping[str, float] = field(default_factory=dict)
    """By name of a scorer in `rank`; 0 where it is not here, and then only equal numbers are a tie."""
    answers: int = 1
    pairs: Pairs = "best-worst"
    agree: Agree = "all"
    """How many rankers must prefer the same answer, of those who could say."""
    margin_by: str = ""
    limit: int | None = None
    """Prompts, the first ones of the source."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, known in (("pairs", get_args(Pairs)), ("agree", get_args(Agree))):
            if (value := getattr(self, name)) not in known:
                hint = did_you_mean(value, known)
                raise ValueError(f"Preferences.{name} must be one of {', '.join(known)}, was {value!r}. {hint}")
        for name, number in (("answers", self.answers), ("limit", self.limit)):
            if number is not None and number < 1:
                raise ValueError(f"Preferences.{name} must be at least 1, was {number}.")
        self._check_answerers()
        self._rankers.check(self.margin_by)

    def _check_answerers(self) -> None:
        if "" in self.answerers:
            raise ValueError("Preferences.answerers must each have a name, one was empty.")
        if self._count < 2:
            raise ValueError(
                f"Preferences must have two answers or more to a prompt, had {len(self.answerers)} answerers with "
                f"{self.answers} each."
            )
        for name, one in self.answerers.items():
            if self.answers > 1 and one.decoding.strategy != "sample":
                raise ValueError(
                    f"Preferences.answerers[{name!r}].decoding must sample, as {self.answers} answers are wanted, was "
                    f"{one.decoding.strategy!r}: they would all be the same."
                )

    def listing(self) -> str:
        """What `prompts` and the rankers say of the files that they read, so that others are gone on from anew."""
        readers = (self.prompts, *(ranker for _, ranker in sorted(self._rankers.all.items())))
        return "/".join(listing_of(one) for one in readers)

    def seeds(self) -> Sequence[Sample]:
        """A prompt and the number of a pair for each pair.

        Raises:
            FieldError: A prompt has no instruction.
            UserError: As the source of prompts.
        """
        before: Counter[str] = Counter()
        found = []
        for prompt in read_texts("Preferences.prompts", self.prompts)[: self.limit]:
            prompt.text("instruction")
            fields = {name: value for name, value in prompt.fields.items() if isinstance(value, str)}
            asked = prompt_sample(prompt, 0).id
            for nth in range(len(self._places) if self.pairs == "all" else 1):
                found.append(Sample({**fields, "pair": str(nth)}, (prompt.id,), MADE_BY, before[asked]))
            before[asked] += 1
        return found

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        """One round; the pairs of a prompt are made together, so that its answers are made once."""
        groups = [list(own) for _, own in groupby(seeds, key=lambda seed: (seed.parents, seed.nth))]
        return [groups] if groups else []

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Reads every prompt as it will be asked, and has the rankers check what they will need.

        Raises:
            UserError: A dialogue's history is none, or a ranker sees something coming.
        """
        for seed in seeds:
            if not (prompt := prompt_of(seed)).blank:
                conversation(Sample(prompt.fields))
        for ranker in self._rankers.all.values():
            if isinstance(ranker, ChecksPreconditions):
                ranker.check(seeds, lab)

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """The pairs.

        Raises:
            ModelError: The budget is spent, or a service knows the key or the model not; answers are kept.
            RecipeError: A ranker gives no numbers.
        """
        rankers = self._rankers
        if not seeds:
            for one in self.answerers.values():
                lab.models.text_model(one.model)
            rankers.open(lab)
            return []
        prompts = {prompt.asked.id: prompt for prompt in map(prompt_of, seeds) if not prompt.blank}
        given = self._answered(list(prompts.values()), lab)
        wanted = {
            (key, pair): (prompts[key], own, pair)
            for seed in seeds
            if (own := given.get(key := prompt_of(seed).asked.id)) is not None
            for pair in self._compared(seed, own)
        }
        opinions = dict(zip(wanted, rankers.opinions(list(wanted.values()), lab), strict=True))
        return [self._made(seed, given.get(prompt_of(seed).asked.id), opinions) for seed in seeds]

    def asks(self, seeds: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """What `generate` would ask at most, by model: as if all answers were different and as long as they may be."""
        models = (*(one.model for one in self.answerers.values()), *self._rankers.models(lab))
        found: dict[str, list[TextRequest]] = {model: [] for model in models}
        for prompt in {one.asked.id: one for one in map(prompt_of, seeds) if not one.blank}.values():
            for name, nth in self._turns:
                one = self.answerers[name]
                found[one.model].append(prompt.request(name, nth, one, lab))
            for model, request in self._rankers.asks(prompt, self._longest, lab):
                found[model].append(request)
        return found

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """As long as the pairs can become: what is asked about them can be priced before there are any."""
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
        """(answerer, number of its answer) of each answer; whatever the order of answerers in a recipe."""
        return [(name, nth) for name in sorted(self.answerers) for nth in range(self.answers)]

    @property
    def _count(self) -> int:
        return len(self.answerers) * self.answers

    @property
    def _places(self) -> list[Pair]:
        return list(combinations(range(self._count), 2))

    @property
    def _longest(self) -> list[str]:
        return [
            placeholder_text(self.answerers[name].decoding.max_tokens, 1 + at)
            for at, (name, _) in enumerate(self._turns)
        ]

    def _answered(self, prompts: Sequence[Prompt], lab: Lab) -> dict[str, list[Said]]:
        """The answers to each prompt, by what is asked."""
        by_name = {}
        for name, one in self.answerers.items():
            asked = [prompt.request(name, nth, one, lab) for prompt in prompts for nth in range(self.answers)]
            made = lab.models.text_model(one.model).complete(asked) if asked else []
            by_name[name] = [said(name, one.model, answered) for answered in made]
        return {
            prompt.asked.id: [by_name[name][place * self.answers + nth] for name, nth in self._turns]
            for place, prompt in enumerate(prompts)
        }

    def _compared(self, seed: Sample, own: Sequence[Said]) -> Iterator[Pair]:
        """The answers that rankers look at, two and two."""
        if self.pairs == "best-worst":
            yield from combinations(different(own), 2)
            return
        first, second = self._places[int(seed.text("pair"))]
        if own[first].text and own[second].text and own[first].text != own[second].text:
            yield first, second

    def _made(
        self, seed: Sample, own: Sequence[Said] | None, opinions: Mapping[tuple[str, Pair], dict[str, Opinion]]
    ) -> Made:
        if own is None:
            return pair_of(seed, Said("", ""), Said("", ""), BLANK)
        if all(one.failed for one in own):
            return Failure(seed.id, own[0].failed)
        key = prompt_of(seed).asked.id
        compared = {pair: opinions[key, pair] for pair in self._compared(seed, own)}
        if not compared:
            one, two = self._shown(seed, own)
            return pair_of(seed, one, two, EQUAL if one.text and two.text else MISSING)
        pair = best_worst(compared) if self.pairs == "best-worst" else next(iter(compared))
        return self._ranked(seed, own[pair[0]], own[pair[1]], compared[pair])

    def _shown(self, seed: Sample, own: Sequence[Said]) -> tuple[Said, Said]:
        """Two answers that are not compared: of all answers, as far as there are, those that say something."""
        if self.pairs == "all":
            first, second = self._places[int(seed.text("pair"))]
            return own[first], own[second]
        one, two = sorted(own, key=lambda one: not one.text)[:2]
        return one, two

    def _ranked(self, seed: Sample, one: Said, two: Said, said_of: Mapping[str, Opinion]) -> Made:
        found = settled(list(said_of.values()), self.agree)
        if found == "unranked" and (why := [own.why for own in said_of.values() if own.why.startswith(FAILED)]):
            return Failure(seed.id, f"no ranker could say: {why[0].removeprefix(FAILED)}")
        if found == "second":
            one, two, said_of = two, one, {name: own.turned for name, own in said_of.items()}
        verdict = "" if found in ("first", "second") else found
        margin = "" if verdict else f"{self._margin(said_of) + 0.0:.6g}"  # no "-0"
        ranked_by = ", ".join(name for name, own in sorted(said_of.items()) if own.says)
        more = {"margin": margin, "ranked_by": ranked_by, "rankings": write_rankings(dict(sorted(said_of.items())))}
        return pair_of(seed, one, two, verdict, more)

    def _margin(self, said_of: Mapping[str, Opinion]) -> float:
        by = self.margin_by or (next(iter(said_of)) if len(said_of) == 1 else "")
        return said_of[by].better if by and said_of[by].says else net(list(said_of.values()))
