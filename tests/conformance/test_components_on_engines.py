"""Every component that works on samples gives the same bytes on every engine, with the models that assay carries."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import checkpoints
from assay.core.decoding import Decoding
from assay.core.recipe import Proof, Recipe
from assay.core.sample import Sample
from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.evaluators import EVALUATORS
from assay.evaluators.answer_loss import AnswerLoss
from assay.evaluators.answers import Answers
from assay.evaluators.choice import Choice
from assay.evaluators.text_accuracy import TextAccuracy
from assay.filters import FILTERS
from assay.filters.cluster_quota import ClusterQuota
from assay.filters.duplicates import Duplicates
from assay.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.filters.heuristics import Heuristics
from assay.filters.languages import Languages
from assay.filters.length import Length
from assay.filters.novel import Novel
from assay.filters.preferred import Preferred
from assay.filters.random_share import RandomShare
from assay.filters.top_share import TopShare
from assay.generators import GENERATORS
from assay.generators.arithmetic import Problems
from assay.generators.given import Given
from assay.generators.preference_calls import Answerer
from assay.generators.preferences import Preferences
from assay.generators.self_instruct import SelfInstruct
from assay.generators.write import Write
from assay.models import Device, OpenModels
from assay.pipeline.preflight import components
from assay.pipeline.recipe_file import load
from assay.pipeline.stages import TrainArm, TrainShard
from assay.scorers import SCORERS
from assay.scorers.bleu import Bleu
from assay.scorers.block_list import BlockList
from assay.scorers.chrf import ChrF
from assay.scorers.consistency import Consistency, Support, TokenDoubt
from assay.scorers.embedding_cosine import EmbeddingCosine
from assay.scorers.embedding_overlap import EmbeddingOverlap
from assay.scorers.following import Following
from assay.scorers.harmless import Harmless
from assay.scorers.judge import Judge
from assay.scorers.label_match import LabelMatch
from assay.scorers.language import Language
from assay.scorers.machine_text import Binoculars, FastDetectGpt
from assay.scorers.ngram_overlap import NgramOverlap
from assay.scorers.pair_judge import PairJudge
from assay.scorers.perplexity import Perplexity
from assay.scorers.private import PersonalData, Secrets
from assay.scorers.refusal import Refusal
from assay.scorers.reward import Reward
from assay.scorers.rouge import Rouge
from assay.scorers.rouge_novelty import RougeNovelty
from assay.scorers.text_embedding import TextEmbedding
from assay.scorers.toxicity import Toxicity
from assay.scorers.votes import Votes
from assay.sources import SOURCES
from assay.sources.arithmetic import Arithmetic
from assay.sources.food_reviews import FoodReviews
from assay.sources.gsm8k import Gsm8k
from assay.sources.image_folder import ImageFolder
from assay.sources.labelled_texts import LabelledTexts
from assay.sources.misconceptions import Misconceptions
from assay.sources.mmlu import Mmlu
from assay.sources.preference_file import PreferencePairs
from assay.sources.questions import Questions
from assay.sources.requests import Requests
from assay.sources.seed_tasks import SeedTasks
from assay.sources.texts import Texts
from assay.sources.truthful_qa import TruthfulQa
from assay.sources.voted_pairs import VotedPairs
from assay.trainers import TRAINERS
from assay.trainers.dpo import DPO
from assay.trainers.grpo import GRPO
from assay.trainers.ppo import PPO
from assay.trainers.reward import RewardModel
from assay.trainers.sft import SFT
from assay.trainers.text_classifier import TextClassifier
from assay.verifiers import VERIFIERS
from assay.verifiers.follows import Follows
from assay.verifiers.json_matches import JsonMatches
from assay.verifiers.number_equals import NumberEquals
from assay.verifiers.passes_tests import PassesTests
from labs import FewTasks
from run_parts import datasets, run

SMALL = (
    "generate.per_label=7",
    "train.steps=3",
    "train.batch=8",
    "prove.holdout.per_label=2",
    "prove.real.per_label=7",
    "prove.arms=[real, filtered]",
    "keep.0.low=0.01",
)


def small() -> Recipe:
    recipe = load("fashion", quick=True, changes=SMALL)
    more = (TopShare("match", 0.9), RandomShare(share=0.9))
    return Recipe(**{**vars(recipe), "keep": (*recipe.keep, *more)})


LABELS = ("great", "other")
TEXT_SCORERS = (
    Rouge(references=("prompt",)),
    Bleu(references=("prompt",)),
    ChrF(references=("prompt",)),
    EmbeddingCosine(references=("prompt",)),
    Perplexity("embedded:smollm2"),
    FastDetectGpt("embedded:smollm2", words=2, tokens=24),
    Binoculars("embedded:smollm2", words=2, tokens=24),
    Consistency("embedded:smollm2", samples=2, max_tokens=4, instruction="prompt", output="text"),
    TokenDoubt("embedded:smollm2", instruction="prompt", output="text"),
    Support(source="prompt", output="text"),
    PersonalData(),
    Secrets(),
    RougeNovelty("text"),
    Language("text"),
    Refusal(),
    Harmless("label"),
    NgramOverlap((FoodReviews(per_label=4),)),
    EmbeddingOverlap((FoodReviews(per_label=4),)),
    LabelMatch(LABELS),
    TextEmbedding(),
    NumberEquals("prompt"),
    JsonMatches({"type": "object"}),
    Follows(all_of_field="label", most_words=3, ends=True),
    PassesTests("prompt"),
)


def texts() -> Recipe:
    """Two parts, so that two workers write at once."""
    few = Decoding("sample", temperature=0.9, max_tokens=4)
    return Recipe(
        "texts",
        Write("embedded:smollm2", LABELS, per_label=34, decoding=few),
        score={type(one).__name__: one for one in TEXT_SCORERS},
        keep=(
            Languages("Language", ("en", "ko"), unscored="keep"),
            Length("text", low=1),
            Duplicates(("text",)),
            FuzzyDuplicates("text"),
            Novel("text"),
            ClusterQuota("TextEmbedding", 4, 16),
        ),
        train=TextClassifier(LABELS, steps=3, batch=8),
        prove=Proof(FoodReviews(per_label=4), TextAccuracy(), fingerprint="TextEmbedding"),
    )


def tasks() -> Recipe:
    """Three rounds, each of which needs the one before it."""
    few = {"human": 3, "machine": 2, "yes": 1, "no": 1, "shots": 1, "solving": Decoding(max_tokens=24)}
    return Recipe("tasks", SelfInstruct(FewTasks(), 9, per_round=3, **few), keep=(Heuristics(),))  # type: ignore[arg-type]


def pairs() -> Recipe:
    """Six pairs of each prompt, which no part may separate."""
    few = Decoding("sample", max_tokens=6)
    answerers = {name: Answerer("embedded:smollm2", few, system) for name, system in (("a", ""), ("b", "Be brief."))}
    near = EmbeddingCosine(references=("output",))
    make = Preferences(FewTasks(("en",), 3), answerers, {"near": near}, answers=2, pairs="all")
    return Recipe("pairs", make, keep=(Preferred(),))


def given() -> Recipe:
    return Recipe("given", Given(FewTasks()), keep=(Preferred(chosen="instruction", rejected="output"),))


RECIPES = {"pictures": small, "texts": texts, "tasks": tasks, "pairs": pairs, "given": given}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every recipe, run here one part after the other."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that Ray's workers find the tasks of tests
        for name, recipe in RECIPES.items():
            run(recipe(), folder / name)
        yield folder
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def test_the_recipes_hold_every_component() -> None:
    recipes = [recipe() for recipe in RECIPES.values()]
    used = {type(component) for recipe in recipes for component in [*components(recipe).values(), *recipe.keep]}
    every = {*GENERATORS, *SCORERS, *VERIFIERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES}
    # These read files once, before any engine; a judge reads a page for each sample, which takes minutes here. Language
    # models are tuned, and their answers compared, below.
    files = {ImageFolder, Mmlu, Gsm8k, TruthfulQa, Questions, Texts, LabelledTexts, SeedTasks, Misconceptions, Requests}
    # Pairs are learnt from and answers rewarded below; no recipe here has votes.
    preferences = {RewardModel, DPO, PPO, Reward, PreferencePairs, VotedPairs, Votes}
    rewards = {GRPO, Answers, Problems, Arithmetic}
    lists = {BlockList, Toxicity}  # a list of pictures, and a classifier of one's own: none comes along
    tuned = {Judge, Following, SFT, AnswerLoss, Choice, PairJudge}
    assert every - used == {*files, *preferences, *rewards, *lists, *tuned}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_the_same_bytes_on_every_engine(engine: Any, name: str, whole: Path, tmp_path: Path) -> None:
    run(RECIPES[name](), tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(whole / name)


@pytest.mark.parametrize("kind", [SFT, RewardModel, DPO])
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_a_language_model_is_tuned_alike_on_every_engine(engine: Any, kind: Any, tmp_path: Path) -> None:
    start = checkpoints.chat(tmp_path / "start")
    work = TrainArm(kind(str(start), steps=3, batch=2, max_length=64), OpenModels(Device(device="cpu")), ())
    words = ("sea", "hill", "river")
    samples = tuple(
        Sample({"instruction": f"Say {word}.", "output": word, "chosen": word, "rejected": "No."}) for word in words
    )
    shards = [TrainShard(tmp_path / name, samples, seed=3) for name in ("first", "second", "here")]
    for shard in shards:
        shard.folder.mkdir()
    there = list(engine.map(work, shards[:2]))
    assert there == [work(shards[2])] * 2


def test_answers_are_proved_alike_on_every_engine(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    recipe = Recipe(
        "answers",
        Write("embedded:smollm2", LABELS, per_label=4, decoding=Decoding("sample", max_tokens=4)),
        score={"following": Following(start, "prompt", output="text")},
        train=SFT(start, steps=2, batch=2, max_length=64, instruction="prompt", output="text"),
        prove=Proof(
            SeedTasks(part="held-out", limit=4),
            AnswerLoss(decoding=Decoding(max_tokens=4)),
            arms=("base", "unfiltered", "random-drop"),
            measures={"rouge": Rouge(references=("output",))},
            duel=PairJudge(start, by="likelihood"),
        ),
    )
    engines = {"one": Local(), "two": Local(workers=2), "ray": Ray()}
    for name, engine in engines.items():
        run(recipe, tmp_path / name, engine)
    assert datasets(tmp_path / "one") == datasets(tmp_path / "two") == datasets(tmp_path / "ray")


def test_reinforcement_is_proved_alike_on_every_engine(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    near = EmbeddingCosine("embedded:minilm", ("output",))
    recipe = Recipe(
        "reason",
        Problems(6, level=1),
        train=GRPO({"near": near}, start, steps=2, prompts=2, answers=2, max_tokens=6, max_length=64, rank=4),
        prove=Proof(
            Arithmetic("held-out", 4, 1),
            Answers(near, Decoding(max_tokens=4)),
            arms=("base", "unfiltered"),
        ),
    )
    for name, engine in {"one": Local(), "two": Local(workers=2)}.items():
        run(recipe, tmp_path / name, engine)
    assert datasets(tmp_path / "one") == datasets(tmp_path / "two")
