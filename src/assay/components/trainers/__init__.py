"""Trainers: train a model on samples and save it in a folder."""

from __future__ import annotations

from assay.components.trainers.image_classifier import ImageClassifier
from assay.components.trainers.preference.dpo import DPO
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.roles import Trainer

TRAINERS: tuple[type[Trainer], ...] = (
    DPO,
    GRPO,
    ImageClassifier,
    PPO,
    RewardModel,
    SFT,
    TextClassifier,
)
