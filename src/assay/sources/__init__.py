"""Real data, and strangers to it. Every class here reads the same samples at every call."""

from __future__ import annotations

from assay.core.roles import Source
from assay.sources.arithmetic import Arithmetic
from assay.sources.digits import Digits
from assay.sources.fashion_mnist import FashionMNIST
from assay.sources.food_reviews import FoodReviews
from assay.sources.gsm8k import Gsm8k
from assay.sources.image_folder import ImageFolder
from assay.sources.labelled_texts import LabelledTexts
from assay.sources.misconceptions import Misconceptions
from assay.sources.mmlu import Mmlu
from assay.sources.noise import Noise
from assay.sources.preference_file import PreferencePairs
from assay.sources.questions import Questions
from assay.sources.requests import Requests
from assay.sources.seed_tasks import SeedTasks
from assay.sources.texts import Texts
from assay.sources.truthful_qa import TruthfulQa
from assay.sources.voted_pairs import VotedPairs

SOURCES: tuple[type[Source], ...] = (
    Arithmetic,
    Digits,
    FashionMNIST,
    FoodReviews,
    Gsm8k,
    ImageFolder,
    LabelledTexts,
    Misconceptions,
    Mmlu,
    Noise,
    PreferencePairs,
    Questions,
    Requests,
    SeedTasks,
    Texts,
    TruthfulQa,
    VotedPairs,
)
