"""Samples to a model in a folder."""

from __future__ import annotations

from assay.core.roles import Trainer
from assay.trainers.dpo import DPO
from assay.trainers.grpo import GRPO
from assay.trainers.image_classifier import ImageClassifier
from assay.trainers.ppo import PPO
from assay.trainers.reward import RewardModel
from assay.trainers.sft import SFT
from assay.trainers.text_classifier import TextClassifier

TRAINERS: tuple[type[Trainer], ...] = (
    DPO,
    GRPO,
    ImageClassifier,
    PPO,
    RewardModel,
    SFT,
    TextClassifier,
)
