"""Components that read real data and out-of-distribution data. Every call reads the same samples."""

from __future__ import annotations

from assay.components.sources.image.digits import Digits
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.image.image_folder import ImageFolder
from assay.components.sources.image.noise import Noise
from assay.components.sources.preferences.preference_pairs import PreferencePairs
from assay.components.sources.preferences.voted_pairs import VotedPairs
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.misconceptions import Misconceptions
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.components.sources.tasks.truthful_qa import TruthfulQa
from assay.components.sources.text.food_reviews import FoodReviews
from assay.components.sources.text.labeled_texts import LabeledTexts
from assay.components.sources.text.requests import Requests
from assay.components.sources.text.texts import Texts
from assay.core.roles import Source

SOURCES: tuple[type[Source], ...] = (
    Arithmetic,
    Digits,
    FashionMNIST,
    FoodReviews,
    Gsm8k,
    ImageFolder,
    LabeledTexts,
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
