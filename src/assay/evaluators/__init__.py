"""A trained model on each held-out sample."""

from __future__ import annotations

from assay.core.roles import Evaluator
from assay.evaluators.accuracy import Accuracy
from assay.evaluators.answer_loss import AnswerLoss
from assay.evaluators.answers import Answers
from assay.evaluators.choice import Choice
from assay.evaluators.text_accuracy import TextAccuracy
from assay.evaluators.unknowns import Unknowns

EVALUATORS: tuple[type[Evaluator], ...] = (
    Accuracy,
    AnswerLoss,
    Answers,
    Choice,
    TextAccuracy,
    Unknowns,
)
