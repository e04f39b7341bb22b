"""Every component that works on samples gives the same bytes on every engine, with the models that assay carries."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import checkpoints
from assay.components.evaluators import EVALUATORS
from assay.components.evaluators.accuracy import TextAccuracy
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.components.evaluators.answers import Answers
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.filters import FILTERS
from assay.components.filters.clear_preference import ClearPreference
from assay.components.filters.cluster_quota import ClusterQuota
from assay.components.filters.duplicates import Duplicates
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.components.filters.heuristics import Heuristics
from assay.components.filters.languages import Languages
from assay.components.filters.length import Length
from assay.components.filters.novel import Novel
from assay.components.generators import GENERATORS
from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.generators.preference_calls import Answerer
from assay.components.generators.preferences import Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.scorers import SCORERS
from assay.components.scorers.contamination.embedding_overlap import EmbeddingOverlap
from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.image.block_list import BlockList
from assay.components.scorers.language_model.consistency import Consistency, Groundedness, TokenUncertainty
from assay.components.scorers.language_model.instruction_difficulty import InstructionDifficulty
from assay.components.scorers.language_model.judge import Judge
from assay.components.scorers.language_model.machine_text import Binoculars, FastDetectGpt
from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.components.scorers.language_model.perplexity import Perplexity
from assay.components.scorers.language_model.reward import Reward
from assay.components.scorers.reference.metrics import Bleu, ChrF, EmbeddingCosine, Rouge
from assay.components.scorers.text.embeddings import LabelMatch, TextEmbedding
from assay.components.scorers.text.human_votes import HumanVotes
from assay.components.scorers.text.language import Language
from assay.components.scorers.text.privacy import PersonalData, Secrets
from assay.components.scorers.text.refusals import Harmless, Refusal
from assay.components.scorers.text.toxicity import Toxicity
from assay.components.scorers.verifiers import VERIFIERS
from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.scorers.verifiers.passes_tests import PassesTests
from assay.components.sources import SOURCES
from assay.components.sources.image.image_folder import ImageFolder
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
from assay.components.sources.text.food_reviews import FoodReviews
from assay.components.sources.text.labeled_texts import LabeledTexts
from assay.components.sources.text.preference_pairs import PreferencePairs
from assay.components.sources.text.requests import Requests
from assay.components.sources.text.texts import Texts
from assay.components.sources.text.voted_pairs import VotedPairs
from assay.components.trainers import TRAINERS
from assay.components.trainers.preference.dpo import DPO
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.decoding import Decoding
from assay.core.recipe import Proof, Recipe
from assay.core.sample import Sample
from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.models import Device, OpenModels
from assay.pipeline.plan import recipe_stages
from assay.pipeline.recipe.codec import load
from assay.pipeline.stages import generate
from assay.pipeline.stages.train import TrainArm, TrainShard
from labs import FewTasks
from run_parts import datasets, run

SHARD = 8
"""Samples of a part here: few samples make several parts, so that two workers write at once."""
SMALL = (
    "generate.per_label=2",
    "train.steps=3",
    "train.batch_size=8",
    "prove.holdout.per_label=2",
    "prove.real.per_label=2",
    "prove.arms=[real, filtered]",
    "keep.0.low=0.01",
)


def small() -> Recipe:
    recipe = load("fashion", quick=True, changes=SMALL)
    more = (TopFraction("match", 0.9), RandomSubset(fraction=0.9))
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
    TokenUncertainty("embedded:smollm2", instruction="prompt", output="text"),
    Groundedness(source="prompt", output="text"),
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
    FollowsFormat(all_of_field="label", max_words=3, complete=True),
    PassesTests("prompt"),
)


def texts() -> Recipe:
    few = Decoding("sample", temperature=0.9, max_tokens=4)
    return Recipe(
        "texts",
        GenerateTexts("embedded:smollm2", LABELS, per_label=6, decoding=few),
        score={type(scorer).__name__: scorer for scorer in TEXT_SCORERS},
        keep=(
            Languages("Language", ("en", "ko"), unscored="keep"),
            Length("text", low=1),
            Duplicates(("text",)),
            FuzzyDuplicates("text"),
            Novel("text"),
            ClusterQuota("TextEmbedding", 4, 16),
        ),
        train=TextClassifier(LABELS, steps=3, batch_size=8),
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
    return Recipe("pairs", make, keep=(ClearPreference(),))


def from_source() -> Recipe:
    return Recipe("given", FromSource(FewTasks()), keep=(ClearPreference(chosen="instruction", rejected="output"),))


RECIPES = {"images": small, "texts": texts, "tasks": tasks, "pairs": pairs, "given": from_source}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every recipe, run here one part after the other."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "SHARD", SHARD)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that Ray's workers find the tasks of tests
        for name, recipe in RECIPES.items():
            run(recipe(), folder / name)
        yield folder
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def test_the_recipes_hold_every_component() -> None:
    recipes = [recipe() for recipe in RECIPES.values()]
    planned = [component for recipe in recipes for stage in recipe_stages(recipe) for component in stage.components]
    tested = {type(component) for component in [*planned, *(rule for recipe in recipes for rule in recipe.keep)]}
    every = {*GENERATORS, *SCORERS, *VERIFIERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES}
    # These read files once, before any engine; a judge reads a page for each sample, which takes minutes here. Language
    # models are tuned, and their answers compared, below.
    files = {ImageFolder, Mmlu, Gsm8k, TruthfulQa, Questions, Texts, LabeledTexts, SeedTasks, Misconceptions, Requests}
    # Pairs are learned from and answers rewarded below; no recipe here has votes.
    preferences = {RewardModel, DPO, PPO, Reward, PreferencePairs, VotedPairs, HumanVotes}
    rewards = {GRPO, Answers, ArithmeticProblems, Arithmetic}
    lists = {BlockList, Toxicity}  # a list of images, and a classifier of one's own: none comes along
    tuned = {Judge, InstructionDifficulty, SFT, AnswerLoss, MultipleChoice, PairJudge}
    assert every - tested == {*files, *preferences, *rewards, *lists, *tuned}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_the_same_bytes_on_every_engine(engine: Any, name: str, whole: Path, tmp_path: Path) -> None:
    run(RECIPES[name](), tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(whole / name)


@pytest.mark.parametrize("kind", [SFT, RewardModel, DPO])
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_tuning_has_the_same_bytes_on_every_engine(engine: Any, kind: Any, tmp_path: Path) -> None:
    start = checkpoints.chat(tmp_path / "start")
    work = TrainArm(kind(str(start), steps=3, batch_size=2, max_length=64), OpenModels(Device(device="cpu")), ())
    words = ("sea", "hill", "river")
    samples = tuple(
        Sample({"instruction": f"Say {word}.", "output": word, "chosen": word, "rejected": "No."}) for word in words
    )
    shards = [TrainShard(tmp_path / name, samples, seed=3) for name in ("first", "second", "here")]
    for shard in shards:
        shard.folder.mkdir()
    there = list(engine.map(work, shards[:2]))
    assert there == [work(shards[2])] * 2


def test_evaluations_of_answers_have_the_same_bytes_on_every_engine(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    recipe = Recipe(
        "answers",
        GenerateTexts("embedded:smollm2", LABELS, per_label=4, decoding=Decoding("sample", max_tokens=4)),
        score={"following": InstructionDifficulty(start, "prompt", output="text")},
        train=SFT(start, steps=2, batch_size=2, max_length=64, instruction="prompt", output="text"),
        prove=Proof(
            SeedTasks(part="held-out", limit=4),
            AnswerLoss(decoding=Decoding(max_tokens=4)),
            arms=("base", "unfiltered", "random-subset"),
            measures={"rouge": Rouge(references=("output",))},
            duel=PairJudge(start, by="likelihood"),
        ),
    )
    engines = {"one": Local(), "two": Local(workers=2), "ray": Ray()}
    for name, engine in engines.items():
        run(recipe, tmp_path / name, engine)
    assert datasets(tmp_path / "one") == datasets(tmp_path / "two") == datasets(tmp_path / "ray")


@pytest.mark.full
def test_reinforcement_learning_has_the_same_bytes_on_every_engine(tmp_path: Path) -> None:
    start = str(checkpoints.chat(tmp_path / "start"))
    near = EmbeddingCosine("embedded:minilm", ("output",))
    recipe = Recipe(
        "reason",
        ArithmeticProblems(6, level=1),
        train=GRPO(
            {"near": near}, start, steps=2, prompts_per_step=2, num_generations=2, max_tokens=6, max_length=64, rank=4
        ),
        prove=Proof(
            Arithmetic("held-out", 4, 1),
            Answers(near, Decoding(max_tokens=4)),
            arms=("base", "unfiltered"),
        ),
    )
    for name, engine in {"one": Local(), "two": Local(workers=2)}.items():
        run(recipe, tmp_path / name, engine)
    assert datasets(tmp_path / "one") == datasets(tmp_path / "two")
