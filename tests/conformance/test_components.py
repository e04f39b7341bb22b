"""What every component promises, whichever it is. A new component joins by being in its folder's tuple."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import checkpoints
from assay.components.evaluators import EVALUATORS
from assay.components.evaluators.accuracy import Accuracy, TextAccuracy
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.components.evaluators.answers import Answers
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.evaluators.ood_scores import OodScores
from assay.components.filters import FILTERS
from assay.components.filters.clear_preference import ClearPreference
from assay.components.filters.cluster_quota import ClusterQuota
from assay.components.filters.duplicates import Duplicates
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.components.filters.heuristics import Heuristics
from assay.components.filters.languages import Languages
from assay.components.filters.length import Length
from assay.components.filters.near_duplicates import NearDuplicates
from assay.components.filters.novel import Novel
from assay.components.filters.threshold import LabelIs, Threshold
from assay.components.generators import GENERATORS
from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_images import GenerateImages
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.generators.preference_calls import Answerer
from assay.components.generators.preferences import Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.scorers import SCORERS
from assay.components.scorers.contamination.embedding_overlap import EmbeddingOverlap
from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.image.block_list import BlockList
from assay.components.scorers.image.classifiers import ClassifierAgreement, ImageSafety
from assay.components.scorers.image.clip import ClipMatch, ClipScore, ImageEmbedding
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
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.image.image_folder import ImageFolder
from assay.components.sources.image.ood_images import Digits, Noise
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
from assay.components.trainers.image_classifier import ImageClassifier
from assay.components.trainers.preference.dpo import DPO
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.roles import Artifact, Decision, ScoreTable
from assay.core.sample import Failure, Sample
from assay.core.score import Fingerprint, Label, Outcome, Score, Unscored
from assay.pipeline.recipe.catalog import METHODS
from assay.pipeline.recipe.spec import build, describe
from labs import (
    SHADES,
    FewTasks,
    FewVotes,
    Listening,
    broken,
    checkable,
    choices,
    passages,
    real_lab,
    shade,
    shades,
    tiny_lab,
    unanswered,
)

WRITTEN = str(Path(__file__).parents[1] / "data" / "written.txt")
HASHES = str(Path(__file__).parents[1] / "data" / "hashes.txt")
EXAMPLES: dict[type, list[Any]] = {
    GenerateImages: [
        GenerateImages("tiny:painter", tuple(SHADES), per_label=3),
        GenerateImages("tiny:painter", ("black", "nothing"), 2, ("a {size} {label}",), slots={"size": ("", "small")}),
    ],
    GenerateTexts: [
        GenerateTexts("tiny:author", ("praise", "blame"), per_label=3),
        GenerateTexts(
            "tiny:author",
            ("praise", "nothing", "void", "never"),
            2,
            ("Write {size} {label}.",),
            slots={"size": ("long", "short")},
            system="Be brief.",
            decoding=Decoding("sample", temperature=0.7, stop=("\n",), max_tokens=9),
        ),
    ],
    SelfInstruct: [
        SelfInstruct(FewTasks(), 7, "tiny:inventor", per_round=4, human=2, machine=1),
        SelfInstruct(
            FewTasks(),
            12,
            "tiny:inventor",
            per_round=6,
            per_call=3,
            human=2,
            machine=1,
            language="ko",
            layout="chat",
            solving_layout="chat",
            decoding=Decoding("sample", max_tokens=120),
        ),
    ],
    FromSource: [FromSource(FewTasks()), FromSource(Texts(WRITTEN))],
    Preferences: [
        Preferences(
            FewTasks(),
            {
                "one": Answerer("tiny:author"),
                "two": Answerer("tiny:author", Decoding("sample", top_p=0.9), "Be brief."),
            },
            {"near": EmbeddingCosine("tiny:letters", ("output",)), "odd": Perplexity("tiny:author")},
            min_difference={"near": 0.1},
        ),
        Preferences(
            FewTasks(("en",), 3),
            {"one": Answerer("tiny:author"), "void": Answerer("tiny:author", Decoding("sample", max_tokens=9))},
            {"graded": Judge("tiny:judge", "Brevity.", output="text")},
            {"judge": PairJudge("tiny:judge"), "likely": PairJudge("tiny:judge", "likelihood")},
            answers=2,
            pairs="all",
            agree="majority",
            margin_by="graded",
            limit=2,
        ),
    ],
    ArithmeticProblems: [ArithmeticProblems(9), ArithmeticProblems(12, "warm-up", 5, 1, 0.5, 0.5)],
    ClipMatch: [ClipMatch("tiny:twin", ("black", "white"))],
    ClipScore: [ClipScore("tiny:twin")],
    ClassifierAgreement: [
        ClassifierAgreement("tiny:expert"),
        ClassifierAgreement("tiny:expert", names={"grey": ("black", "white")}),
    ],
    ImageEmbedding: [ImageEmbedding("tiny:twin")],
    Judge: [
        Judge("tiny:judge", "Brevity: fewer words are better.", output="text"),
        Judge("tiny:judge", "Brevity.", "1. Count.", "brevity", 0, 5, 0.5, "likelihood", output="text"),
        Judge("tiny:judge", "Brevity.", decoding=Decoding("sample", answers=3), output="text"),
    ],
    PairJudge: [
        PairJudge("tiny:judge", first="text", second="reference", instruction="label"),
        PairJudge("tiny:judge", "likelihood", ties=True, first="text", second="reference", instruction="label"),
    ],
    HumanVotes: [
        HumanVotes(FewVotes(), "text", "reference", "label"),
        HumanVotes(FewVotes(twice=True), "reference", "text", "label", "second"),
    ],
    Rouge: [Rouge(), Rouge("rougeLsum", words="ascii", stem=True, references=("reference", "second"))],
    Bleu: [Bleu(), Bleu("char", references=("second", "reference"))],
    ChrF: [ChrF(), ChrF(word_order=2)],
    EmbeddingCosine: [EmbeddingCosine("tiny:letters"), EmbeddingCosine("tiny:letters", ("reference", "second"))],
    InstructionDifficulty: [InstructionDifficulty("tiny:author", "reference", "second", "text")],
    LabelMatch: [
        LabelMatch(("cat", "dog"), model="tiny:letters"),
        LabelMatch(("dog", "cat"), {"cat": ("a cat", "mat")}, "tiny:letters"),
    ],
    TextEmbedding: [TextEmbedding("tiny:letters")],
    Perplexity: [Perplexity("tiny:author"), Perplexity("tiny:author", per="byte", window=8, stride=3)],
    Consistency: [
        Consistency("tiny:author", judge="tiny:letters", instruction="label", output="text"),
        Consistency(
            "tiny:author",
            "model",
            "tiny:author",
            "semantic-entropy",
            0.5,
            3,
            instruction="label",
            output="text",
            system="Be brief.",
        ),
    ],
    TokenUncertainty: [
        TokenUncertainty("tiny:author", instruction="label", output="text"),
        TokenUncertainty("tiny:author", "max-entropy", "reference", "text", "Be brief."),
    ],
    Groundedness: [
        Groundedness("tiny:letters", source="reference", output="text"),
        Groundedness("tiny:author", "model", 0.5, "reference", "text"),
    ],
    PersonalData: [PersonalData(), PersonalData("reference", ("e-mail address", "phone number"), ("KR", "US"))],
    Secrets: [Secrets(), Secrets("reference")],
    BlockList: [BlockList(HASHES), BlockList(HASHES, max_distance=0)],
    Toxicity: [Toxicity("tiny:sorter", ("cat",)), Toxicity("tiny:sorter", ("cat", "dog"), "sigmoid", "reference")],
    ImageSafety: [
        ImageSafety("tiny:expert", ("black",)),
        ImageSafety("tiny:expert", ("white", "black")),
    ],
    FastDetectGpt: [
        FastDetectGpt("tiny:author", words=3, languages=("en", "id")),
        FastDetectGpt("tiny:author", "tiny:author", "reference", 1, ("en", "ko"), 8),
    ],
    Binoculars: [
        Binoculars("tiny:author", words=3, languages=("en", "id")),
        Binoculars("tiny:author", "tiny:author", "reference", 1, ("en", "ko"), 8),
    ],
    Reward: [Reward("tiny:rater", "label"), Reward("tiny:rater", "label", "reference", "", "text")],
    RougeNovelty: [
        RougeNovelty("text"),
        RougeNovelty("text", words="ascii"),
        RougeNovelty("text", Texts(WRITTEN, "text")),
        RougeNovelty("text", Texts(WRITTEN, "text", limit=2), before=False),
    ],
    Refusal: [Refusal(), Refusal("reference")],
    Harmless: [Harmless("label"), Harmless("label", "reference")],
    Language: [Language("text"), Language("text", ("en", "ko"), letters=1)],
    NgramOverlap: [
        NgramOverlap((Texts(WRITTEN, "text"),)),
        NgramOverlap((Texts(WRITTEN), Texts(WRITTEN, "text")), ("text",), ("text",), n=3, min_words=2),
    ],
    EmbeddingOverlap: [
        EmbeddingOverlap((Texts(WRITTEN, "text"),), "tiny:letters"),
        EmbeddingOverlap((Texts(WRITTEN), Texts(WRITTEN, "text")), "tiny:letters", ("text",), ("text",), 2),
    ],
    NumberEquals: [NumberEquals("reference"), NumberEquals("reference", tolerance=0.5, where="after:####")],
    JsonMatches: [JsonMatches({"type": "object", "required": ["cat"]}), JsonMatches(schema_field="reference")],
    FollowsFormat: [
        FollowsFormat(all_of_field="second", none_of_field="reference", min_words=1),
        FollowsFormat(
            ("cat",), one_of=("a", "b"), matches="x+", max_words=9, language="ko", complete=True, strict=True
        ),
    ],
    PassesTests: [PassesTests("reference"), PassesTests("reference", entry="second", partial=True, memory_mib=128)],
    Threshold: [Threshold("number", low=0.5), Threshold("number", high=0.5, unscored="keep")],
    LabelIs: [LabelIs("word"), LabelIs("word", allowed=("disagrees",), unscored="keep")],
    TopFraction: [TopFraction("number", 0.4), TopFraction("number", 0.4, "lowest", per=None, unscored="keep")],
    ClusterQuota: [
        ClusterQuota("vector", clusters=3, max_per_cluster=1),
        ClusterQuota("vector", 2, 2, "number", "lowest", 1, "keep"),
    ],
    NearDuplicates: [NearDuplicates("vector", 0.9, prefer="number"), NearDuplicates("vector", per="label")],
    Novel: [Novel("text"), Novel("text", 0.5, strict=True, words="ascii")],
    Duplicates: [Duplicates(("text",)), Duplicates(("label", "text"), "ignore")],
    FuzzyDuplicates: [FuzzyDuplicates("text"), FuzzyDuplicates("text", 0.5, 2, "characters", 64, 3)],
    Languages: [Languages("word", ("agrees",), min_confidence=0.5), Languages("word", (), "label", unscored="keep")],
    Length: [Length("text", low=2), Length("text", "characters", 1, 9)],
    Heuristics: [
        Heuristics("text", "label", "text"),
        Heuristics("text", "", "", skip=("too-short",)),
        Heuristics("text", "label", "text", skip=("too-short", "contradicted")),
    ],
    ClearPreference: [
        ClearPreference(chosen="label", rejected="text"),
        ClearPreference("drop", chosen="text", rejected="label"),
    ],
    RandomSubset: [RandomSubset(fraction=0.3), RandomSubset(keep=2, per=None, seed=1)],
    ImageClassifier: [ImageClassifier(("black", "white"), steps=2, batch_size=4)],
    TextClassifier: [TextClassifier(("black", "white"), "tiny:letters", steps=2, batch_size=4)],
    SFT: [
        SFT(steps=2, batch_size=2),
        SFT(
            steps=2,
            batch_size=1,
            method="full",
            max_length=200,
            packing=True,
            system="Be brief.",
            style="name",
            mixture={"human": 3.0, "machine": 1.0},
            precision="float32",
            save_every=1,
        ),
    ],
    RewardModel: [
        RewardModel(steps=2, batch_size=2),
        RewardModel(
            steps=2,
            batch_size=1,
            margin=True,
            center_rewards_coefficient=0.0,
            method="full",
            held_out=0.0,
            eval_every=1,
            save_every=1,
        ),
    ],
    DPO: [
        DPO(steps=2, batch_size=2),
        DPO(
            steps=2,
            batch_size=1,
            loss_type="ipo",
            beta=0.5,
            method="full",
            held_out=0.0,
            eval_every=1,
            precision="float32",
        ),
    ],
    PPO: [
        PPO(rewards={"like": ChrF(references=("output",))}, steps=2, max_tokens=24, max_length=200),
        PPO(
            rewards={"like": ChrF(references=("output",)), "rouge": Rouge(references=("output",))},
            weights={"rouge": -2.0},
            watch={"bleu": Bleu(references=("output",))},
            steps=2,
            num_minibatches=1,
            max_tokens=24,
            target_kl=1.0,
            kl_estimator="k3",
            held_out=0.0,
            max_length=200,
        ),
    ],
    GRPO: [
        GRPO(
            {"near": EmbeddingCosine("embedded:minilm", ("output",))},
            prompts_per_step=2,
            num_generations=2,
            max_tokens=6,
            max_length=64,
        ),
        GRPO(
            {"near": EmbeddingCosine("embedded:minilm", ("output",)), "far": ChrF(references=("output",))},
            weights={"far": -0.5},
            watch={"rouge": Rouge(references=("output",))},
            prompts_per_step=1,
            num_generations=4,
            batch_size=2,
            num_iterations=2,
            max_tokens=6,
            beta=0.1,
            loss_type="dr_grpo",
            scale_rewards="none",
            method="full",
            max_length=64,
            system="Be brief.",
            precision="float32",
            save_every=1,
        ),
    ],
    Accuracy: [Accuracy()],
    TextAccuracy: [TextAccuracy()],
    AnswerLoss: [
        AnswerLoss("label", "reference", "text"),
        AnswerLoss("label", "", "text", "Be brief.", Decoding("sample", temperature=0.7, max_tokens=9)),
    ],
    MultipleChoice: [MultipleChoice(), MultipleChoice("text-normalized", "Be brief."), MultipleChoice("letter")],
    Answers: [
        Answers(Rouge(), instruction="label", input="reference"),
        Answers(ChrF(), Decoding("sample", max_tokens=9), "label", "reference", system="Be brief."),
    ],
    OodScores: [OodScores(), OodScores(method="max-logit", k=3)],
    FashionMNIST: [FashionMNIST(per_label=1)],
    Digits: [Digits(per_label=1)],
    Noise: [Noise(3)],
    ImageFolder: [ImageFolder("somewhere", limit=2)],
    FoodReviews: [FoodReviews(), FoodReviews("train", per_label=9, folder="somewhere")],
    LabeledTexts: [LabeledTexts("some.csv"), LabeledTexts("some.jsonl", "words", "kind", per_label=2, skip=1)],
    Mmlu: [Mmlu("somewhere"), Mmlu("somewhere", "dev", ("anatomy", "virology"), per_subject=5)],
    Gsm8k: [Gsm8k("somewhere.jsonl", limit=2)],
    TruthfulQa: [TruthfulQa("somewhere.json"), TruthfulQa("somewhere.json", "mc2", limit=2)],
    Questions: [
        Questions("some.csv"),
        Questions("some.jsonl", "ask", "key", subject="area", answers="letter", limit=9),
    ],
    Texts: [Texts("some.txt"), Texts("some.jsonl", "task", limit=9)],
    PreferencePairs: [PreferencePairs("some.jsonl"), PreferencePairs("some.csv", "drop", limit=9)],
    VotedPairs: [VotedPairs("some.jsonl")],
    SeedTasks: [
        SeedTasks(),
        SeedTasks(part="held-out", language="ko", classification="yes"),
        SeedTasks("some.jsonl", instances="all", unanswered="skip", limit=9),
    ],
    Misconceptions: [Misconceptions(), Misconceptions("some.json", limit=9)],
    Requests: [Requests(), Requests("unsafe", "some.csv", 9)],
    Arithmetic: [Arithmetic(), Arithmetic("warm-up", None, 1, 3, 0.5, 0.5)],
}
CLASSES = [*GENERATORS, *SCORERS, *VERIFIERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES]


def examples_of(kind: Any) -> list[Any]:
    """Those of the table above, or those that the class gives itself."""
    return EXAMPLES.get(kind) or list(kind.examples())


def of(kinds: Sequence[type]) -> list[Any]:
    return [component for kind in kinds for component in examples_of(kind)]


ALL = of(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_component_has_an_example(kind: type) -> None:
    assert examples_of(kind), f"{kind.__name__}.examples() must give at least one: the promises are checked on it."


@pytest.mark.parametrize("component", ALL, ids=repr)
def test_a_component_is_frozen_data_with_a_version(component: Any) -> None:
    kind = type(component)
    assert is_dataclass(component)
    assert isinstance(kind.version, int)
    assert pickle.loads(pickle.dumps(component)) == component
    assert kind(**{field.name: getattr(component, field.name) for field in fields(component)}) == component
    assert not any(isinstance(getattr(component, field.name), list) for field in fields(component))
    with pytest.raises(FrozenInstanceError):
        setattr(component, fields(component)[0].name, None)


@pytest.mark.parametrize("component", ALL, ids=repr)
def test_a_component_is_unchanged_by_a_recipe_file(component: Any) -> None:
    spec = msgspec.json.decode(msgspec.json.encode(describe(component)))
    role = next(role for role, method in METHODS.items() if hasattr(component, method))
    assert build(role, spec, "here") == component


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


@pytest.mark.parametrize("generator", of(GENERATORS), ids=repr)
@given(order=st.randoms(use_true_random=False), size=st.integers(1, 5))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generation_depends_on_the_seed_sample_alone(lab: Lab, generator: Any, order: Any, size: int) -> None:
    seeds = list(generator.seeds())
    assert len({seed.id for seed in seeds}) == len(seeds)
    whole = dict(zip([seed.id for seed in seeds], generator.generate(seeds, lab), strict=True))
    order.shuffle(seeds)
    for start in range(0, len(seeds), size):
        shard = seeds[start : start + size]
        for seed, outcome in zip(shard, generator.generate(shard, lab), strict=True):
            assert outcome == whole[seed.id]
            assert outcome.parents[0] == seed.id if isinstance(outcome, Sample) else outcome.seed == seed.id
    assert len({outcome.id for outcome in whole.values() if isinstance(outcome, Sample)}) == sum(
        not isinstance(outcome, Failure) for outcome in whole.values()
    )
    assert list(generator.generate([], lab)) == []


def samples_for(scorer: Any, lab: Lab) -> list[Sample]:
    """Ten; the last one holds nothing to judge."""
    if type(scorer) in VERIFIERS:
        return [*checkable(), unanswered()]
    return [*shades(lab), broken()] if hasattr(scorer, "image") else [*passages(), unanswered()]


def is_unscored_or_wrong(scorer: Any, outcome: Outcome) -> bool:
    """Unscored; where a program checks the form of an answer, an empty one is wrong, and nothing is private in it."""
    wrong = type(scorer) in (*VERIFIERS, PersonalData, Secrets) and isinstance(outcome, Score) and outcome.value == 0
    return isinstance(outcome, Unscored) or wrong


@pytest.mark.parametrize("scorer", of([*SCORERS, *VERIFIERS]), ids=repr)
@given(picks=st.lists(st.integers(0, 9), max_size=8), size=st.integers(1, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_follow_the_contract(lab: Lab, scorer: Any, picks: list[int], size: int) -> None:
    candidates = samples_for(scorer, lab)
    samples = [candidates[pick] for pick in picks]
    whole = list(scorer.score(samples, lab))
    assert len(whole) == len(samples)
    assert all(scorer.scale.holds(outcome.value) for outcome in whole if isinstance(outcome, Score))
    assert all(is_unscored_or_wrong(scorer, outcome) for outcome, pick in zip(whole, picks, strict=True) if pick == 9)
    if getattr(scorer, "whole", False):  # it is given all at once, and looks back alone
        assert list(scorer.score(samples[:size], lab)) == whole[:size]
        return
    sharded = [o for i in range(0, len(samples), size) for o in scorer.score(samples[i : i + size], lab)]
    assert sharded == whole


@pytest.mark.parametrize("component", of([*GENERATORS, *SCORERS, *VERIFIERS]), ids=repr)
def test_requests_to_language_models_are_announced(lab: Lab, component: Any) -> None:
    """So that no plan leaves out what will be paid for."""
    recorder = Listening()
    recording_lab = Lab(lab.seed, recorder, lab.images)
    if hasattr(component, "generate"):
        samples = list(component.seeds())
        component.generate(samples, recording_lab)
    else:
        samples = samples_for(component, lab)
        component.score(samples, recording_lab)
    announced = component.asks(samples, recording_lab) if hasattr(component, "asks") else {}
    expected = [(model, request) for model, requests in announced.items() for request in requests]
    if hasattr(component, "rounds"):  # what it asks hangs on what it was answered, so it says how much at most
        assert len(expected) >= len(recorder.asked) > 0
        for size in (lambda request: len(str(request.prompt).encode()), lambda request: request.decoding.max_tokens):
            assert sum(size(request) for _, request in expected) >= sum(size(request) for _, request in recorder.asked)
    else:
        assert expected == recorder.asked
    assert hasattr(component, "asks") or not recorder.asked
    if announced:
        assert set(component.asks([], recording_lab)) == set(announced)
        assert not any(component.asks([], recording_lab).values())


@pytest.mark.parametrize(
    "generator", [generator for generator in of(GENERATORS) if hasattr(generator, "asks")], ids=repr
)
def test_stand_ins_have_the_fields_and_at_least_the_length_of_samples(lab: Lab, generator: Any) -> None:
    seeds = list(generator.seeds())
    stand_ins = generator.stand_ins(seeds)
    assert list(generator.stand_ins(seeds[1:3])) == list(stand_ins[1:3])
    for stand_in, sample in zip(stand_ins, generator.generate(seeds, lab), strict=True):
        if isinstance(sample, Sample):
            assert stand_in.parents[0] == sample.parents[0]
            assert set(stand_in.fields) == set(sample.fields)
            assert all(len(stand_in.text(name)) >= len(sample.text(name)) for name in sample.fields)


@pytest.mark.parametrize(
    "generator", [generator for generator in of(GENERATORS) if hasattr(generator, "rounds")], ids=repr
)
def test_rounds_are_the_seeds_in_their_order(generator: Any) -> None:
    seeds = list(generator.seeds())
    for some in (seeds, seeds[:-1], seeds[:1], []):
        assert [seed for groups in generator.rounds(some) for group in groups for seed in group] == some


UNSCORED = st.just(Unscored("failed", "no image"))
NUMBERS = st.one_of(st.floats(0, 1).map(Score), UNSCORED)
WORDS = st.one_of(st.sampled_from(["agrees", "disagrees"]).map(Label), UNSCORED)
VECTORS = st.one_of(st.tuples(st.floats(-1, 1), st.floats(0.1, 1)).map(Fingerprint), UNSCORED)
TEXTS = st.lists(st.sampled_from(["a", "cat", "sat", "앉", "았"]), max_size=4).map(" ".join)
ROWS = st.lists(st.tuples(NUMBERS, WORDS, VECTORS, st.sampled_from(["bag", "boot"]), TEXTS), max_size=12)


def table_of(rows: Sequence[tuple[Outcome, Outcome, Outcome, str, str]], ids: Sequence[str]) -> ScoreTable:
    columns = {name: [row[nth] for row in rows] for nth, name in enumerate(("number", "word", "vector"))}
    return ScoreTable(ids, columns, {"label": [row[3] for row in rows], "text": [row[4] for row in rows]})  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", of(FILTERS), ids=repr)
@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_decisions_follow_the_contract(rule: Any, rows: list[Any], order: Any) -> None:
    ids = [f"{nth:02d}" for nth in range(len(rows))]
    decisions = list(rule.decide(table_of(rows, ids)))
    assert len(decisions) == len(rows)
    assert all(isinstance(d, Decision) and d.rule and d.reason for d in decisions)
    if getattr(rule, "ordered", False):  # it looks back alone
        size = order.randint(0, len(rows))
        assert list(rule.decide(table_of(rows[:size], ids[:size]))) == decisions[:size]
        return
    mixed = list(range(len(rows)))
    order.shuffle(mixed)
    again = list(rule.decide(table_of([rows[i] for i in mixed], [ids[i] for i in mixed])))
    assert [d.keep for d in again] == [decisions[i].keep for i in mixed]


@pytest.mark.parametrize("evaluator", of(EVALUATORS), ids=repr)
@given(picks=st.lists(st.integers(0, 9), max_size=8), size=st.integers(1, 5))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_evaluations_follow_the_contract(lab: Lab, evaluator: Any, picks: list[int], size: int) -> None:
    texts = not hasattr(evaluator, "image")
    choosing = isinstance(evaluator, MultipleChoice)
    name = "author" if choosing or getattr(evaluator, "answers", False) else "sorter" if texts else "expert"
    artifact = Artifact(f"tiny:{name}", "model", "none")
    candidates = choices() if choosing else [*passages(), unanswered()] if texts else [*shades(lab), broken()]
    samples = [candidates[pick] for pick in picks]
    whole = list(evaluator.evaluate(artifact, samples, lab))
    assert len(whole) == len(samples)
    assert all(evaluator.scale.holds(outcome.value) for outcome in whole if isinstance(outcome, Score))
    parts = [samples[i : i + size] for i in range(0, len(samples), size)]
    assert [outcome for part in parts for outcome in evaluator.evaluate(artifact, part, lab)] == whole


@pytest.mark.parametrize("trainer", [trainer for trainer in of(TRAINERS) if hasattr(trainer, "labels")], ids=repr)
def test_a_trained_model_can_be_opened(trainer: Any, tmp_path: Path) -> None:
    lab = real_lab(tmp_path) if hasattr(trainer, "image") else tiny_lab(tmp_path)
    samples = [
        Sample({"label": label, "text": f"{label} {nth}", "image": lab.images.put(shade(SHADES[label], seed=nth))})
        for nth in range(2)
        for label in trainer.labels
    ]
    artifact = trainer.train(samples, lab)
    assert Path(artifact.path).is_relative_to(tmp_path)
    assert len(artifact.digest) == 64
    images = hasattr(trainer, "image")
    model: Any = (lab.models.classifier if images else lab.models.text_classifier)(artifact.path)
    assert tuple(model.labels) == trainer.labels
    inputs = lab.pixels(samples) if images else [sample.text("text") for sample in samples]
    assert model.logits(inputs).shape == (len(samples), len(trainer.labels))


@pytest.mark.full
@pytest.mark.parametrize("trainer", [trainer for trainer in of(TRAINERS) if not hasattr(trainer, "labels")], ids=repr)
def test_a_tuned_model_answers(trainer: Any, tmp_path: Path) -> None:
    lab = real_lab(tmp_path / "work")
    (tmp_path / "work").mkdir()
    local_trainer = replace(trainer, model=str(checkpoints.chat(tmp_path / "start")))
    pair = {"chosen": "So.", "rejected": "No.", "margin": "0.5"}
    fields = {"instruction": "Say so.", "input": "", "output": "So.", "name": "say", **pair}
    samples = [Sample({**fields, "origin": origin}, nth=nth) for nth in range(2) for origin in ("human", "machine")]
    local_trainer.check(samples, lab)
    artifact = local_trainer.train(samples, lab)
    assert Path(artifact.path).is_relative_to(tmp_path / "work")
    assert len(artifact.digest) == 64
    assert local_trainer.base(lab) == local_trainer.model
    if artifact.kind == "reward-model":
        (reward,) = lab.models.reward_model(artifact.path).rewards(
            [(Message("user", "Hi."), Message("assistant", "So."))]
        )
        assert isinstance(reward, float)
        return
    for reference in (local_trainer.base(lab), artifact.path):
        requests = [TextRequest((Message("user", "Say so."),), Decoding("greedy", max_tokens=3))]
        (answer,) = lab.models.text_model(reference).complete(requests)
        assert isinstance(answer, Completion)


REAL: dict[str, Any] = {
    "sd": lambda at: GenerateImages(at, ("bag", "coat"), per_label=3, steps=2, slots={"tone": ("", "light")}),
    "sdxl": lambda at: GenerateImages(at, ("bag", "coat"), per_label=2, steps=2, guidance=1.0),
    "sd3": lambda at: GenerateImages(at, ("bag", "coat"), per_label=2, steps=2),
    "clip": lambda at: [ClipMatch(at, checkpoints.LABELS), ClipScore(at), ImageEmbedding(at)],
    "resnet": lambda at: [ClassifierAgreement(at), Accuracy()],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small random checkpoints of the real classes."""
    root = tmp_path_factory.mktemp("checkpoints")
    builders = {
        "sd": checkpoints.stable_diffusion,
        "sdxl": checkpoints.stable_diffusion_xl,
        "sd3": checkpoints.stable_diffusion_3,
        "clip": checkpoints.clip,
        "resnet": checkpoints.resnet,
    }
    return {name: build(root / name) for name, build in builders.items()}


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3"])
def test_real_pipelines_do_not_depend_on_shards(folders: dict[str, Path], family: str) -> None:
    generator = REAL[family](str(folders[family]))
    seeds = generator.seeds()
    whole = generator.generate(seeds, real_lab())
    assert all(isinstance(image, Sample) for image in whole)
    assert len({image.image().digest for image in whole if isinstance(image, Sample)}) == len(seeds)
    one_by_one = [generator.generate([seed], real_lab())[0] for seed in reversed(seeds)]
    assert one_by_one[::-1] == list(whole)


@pytest.mark.parametrize("family", ["clip", "resnet"])
def test_scores_of_real_models_do_not_depend_on_shards(folders: dict[str, Path], family: str) -> None:
    lab = real_lab()
    rng = np.random.default_rng(0)
    samples = [
        Sample({"label": label, "prompt": f"a {label}", "image": lab.images.put(rng.integers(0, 256, shape, np.uint8))})
        for label in (*checkpoints.LABELS, "boot")
        for shape in ((28, 28), (40, 32, 3), (32, 32))
    ]
    samples.insert(5, broken("bag"))
    for component in REAL[family](str(folders[family])):
        run = outcomes_of(component, str(folders[family]), lab)
        whole = run(samples)
        assert [run([sample])[0] for sample in samples] == whole
        assert isinstance(whole[5], Unscored)
        assert sum(isinstance(outcome, Unscored) for outcome in whole) in (1, 4)  # three have a label nobody knows


def outcomes_of(component: Any, at: str, lab: Lab) -> Any:
    if hasattr(component, "score"):
        return lambda samples: list(component.score(samples, lab))
    return lambda samples: list(component.evaluate(Artifact(at, "image-classifier", "none"), samples, lab))
