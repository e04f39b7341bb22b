"""Components that evaluate a trained model on held-out samples."""

from __future__ import annotations

from assay.components.evaluators.accuracy import Accuracy, TextAccuracy
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.components.evaluators.answers import Answers
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.evaluators.ood_scores import OodScores
from assay.core.roles import Evaluator

EVALUATORS: tuple[type[Evaluator], ...] = (
    Accuracy,
    AnswerLoss,
    Answers,
    MultipleChoice,
    TextAccuracy,
    OodScores,
)
