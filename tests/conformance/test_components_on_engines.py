"""Every component that works on samples gives the same bytes on every engine, with the models that assay carries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.decoding import Decoding
from assay.core.recipe import Proof, Recipe
from assay.engines.local import Local
from assay.engines.ray import Ray
from assay.evaluators import EVALUATORS
from assay.evaluators.text_accuracy import TextAccuracy
from assay.filters import FILTERS
from assay.filters.cluster_quota import ClusterQuota
from assay.filters.novel import Novel
from assay.filters.random_share import RandomShare
from assay.filters.top_share import TopShare
from assay.generators import GENERATORS
from assay.generators.write import Write
from assay.pipeline.preflight import components
from assay.pipeline.recipe_file import load
from assay.scorers import SCORERS
from assay.scorers.bleu import Bleu
from assay.scorers.chrf import ChrF
from assay.scorers.embedding_cosine import EmbeddingCosine
from assay.scorers.following import Following
from assay.scorers.judge import Judge
from assay.scorers.label_match import LabelMatch
from assay.scorers.perplexity import Perplexity
from assay.scorers.rouge import Rouge
from assay.scorers.rouge_novelty import RougeNovelty
from assay.scorers.text_embedding import TextEmbedding
from assay.sources import SOURCES
from assay.sources.food_reviews import FoodReviews
from assay.sources.gsm8k import Gsm8k
from assay.sources.image_folder import ImageFolder
from assay.sources.labelled_texts import LabelledTexts
from assay.sources.mmlu import Mmlu
from assay.sources.questions import Questions
from assay.sources.texts import Texts
from assay.sources.truthful_qa import TruthfulQa
from assay.trainers import TRAINERS
from assay.trainers.text_classifier import TextClassifier
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
    RougeNovelty("text"),
    LabelMatch(LABELS),
    TextEmbedding(),
)


def texts() -> Recipe:
    """Two parts, so that two workers write at once."""
    few = Decoding("sample", temperature=0.9, max_tokens=4)
    return Recipe(
        "texts",
        Write("embedded:smollm2", LABELS, per_label=34, decoding=few),
        score={type(one).__name__: one for one in TEXT_SCORERS},
        keep=(Novel("text"), ClusterQuota("TextEmbedding", 4, 16)),
        train=TextClassifier(LABELS, steps=3, batch=8),
        prove=Proof(FoodReviews(per_label=4), TextAccuracy(), fingerprint="TextEmbedding"),
    )


RECIPES = {"pictures": small, "texts": texts}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both recipes, run here one part after the other."""
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe in RECIPES.items():
        run(recipe(), folder / name)
    yield folder
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def test_the_recipes_hold_every_component() -> None:
    recipes = [recipe() for recipe in RECIPES.values()]
    used = {type(component) for recipe in recipes for component in [*components(recipe).values(), *recipe.keep]}
    every = {*GENERATORS, *SCORERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES}
    # These read files once, before any engine; a judge and Following read much for each sample, which takes minutes.
    assert every - used == {ImageFolder, Mmlu, Gsm8k, TruthfulQa, Questions, Texts, LabelledTexts, Judge, Following}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("engine", [Local(workers=2), Ray()], ids=repr)
def test_the_same_bytes_on_every_engine(engine: Any, name: str, whole: Path, tmp_path: Path) -> None:
    run(RECIPES[name](), tmp_path / "run", engine)
    assert datasets(tmp_path / "run") == datasets(whole / name)
