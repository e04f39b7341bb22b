"""Components that read real data and out-of-distribution data. Every call reads the same samples."""

from __future__ import annotations

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
