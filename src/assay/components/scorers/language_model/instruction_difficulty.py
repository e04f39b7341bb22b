"""Instruction-following difficulty (IFD)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.components.scorers.reference.comparison import unanswered
from assay.core.completions import Continuations, Likelihood, Message, NotCompleted
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from assay.text.instructions.dialogues import conversation


@dataclass(frozen=True)
class InstructionDifficulty:
    """Instruction-following difficulty (IFD): loss of the answer given the instruction, divided by its loss alone.

    Near 0 the instruction determines the answer; near 1 it hardly helps, and there is much to learn; above 1 it makes
    the answer less likely, and the two may not match. So drop values above 1 and keep the highest of the rest, as the
    published code does: `{use: Threshold, column: difficulty, high: 1}`, then `{use: TopFraction, column: difficulty,
    fraction: 0.1, per: null}`. (The text of the paper drops 1 too.)

    Given the instruction: after the chat template of the model with instruction and input as the user message, after
    earlier messages if there is a history. Alone: after the same template with an empty user message, so that a context
    precedes the first token there too. Both losses are the mean over the same tokens of the answer, without the
    end-of-turn token. Evidence: the losses `given` and `alone` in nats per token, and `tokens`. An answer of fewer than
    two tokens and a task without an instruction are unscored; one that exceeds the context of the model has failed.

    Source: Li et al. 2024, "From Quantity to Quality" (NAACL), section 2.2, equations 2 to 4. The official code
    (tianyi-lab/Cherry_LLM, cherry_seletion/data_analysis.py) uses Alpaca's headings instead of a chat template, of
    which the last one precedes the answer alone, and truncates long texts.
    """

    model: str
    instruction: str = "instruction"
    input: str = "input"
    """Field of the input, if a sample has it."""
    output: str = "output"
    history: str = "history"
    """Field of the earlier messages, if a sample has it."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="ratio of losses", low=0.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Return a ratio for each sample.

        Raises:
            ModelError: The model gives no log-probabilities, or has no chat template.
            FieldError: A sample has no text `instruction` or `output`, or its history is invalid.
        """
        model = lab.models.likelihood_model(self.model)
        # One task a call, so that nothing else lies in its network call: a number depends on its own task alone.
        return [self._lack(sample) or self._outcome(*model.likelihoods(self._pair(sample))) for sample in samples]

    def _lack(self, sample: Sample) -> Unscored | None:
        if not sample.text(self.instruction).strip():
            return Unscored("not_applicable", "The instruction is empty.")
        if not sample.text(self.output).strip():
            return Unscored("not_applicable", "The answer is empty.")
        return None

    def _pair(self, sample: Sample) -> tuple[Continuations, Continuations]:
        prompt = conversation(sample, instruction=self.instruction, input=self.input, history=self.history)
        answer = (sample.text(self.output),)
        return Continuations(prompt, answer), Continuations((Message("user", ""),), answer)

    def _outcome(
        self, conditional: tuple[Likelihood, ...] | NotCompleted, direct: tuple[Likelihood, ...] | NotCompleted
    ) -> Outcome:
        for lack in (conditional, direct):
            if isinstance(lack, NotCompleted):
                return unanswered(self.model, lack)
        assert not isinstance(conditional, NotCompleted)
        assert not isinstance(direct, NotCompleted)
        return _ratio(conditional[0], direct[0])


def _ratio(conditional: Likelihood, direct: Likelihood) -> Outcome:
    assert conditional.tokens == direct.tokens, "an answer is tokenized separately from its prompt"
    if conditional.tokens < 2:
        return Unscored("not_applicable", "The answer has fewer than two tokens.")
    if not all(math.isfinite(likelihood.log_prob) for likelihood in (conditional, direct)):
        return Unscored("failed", "The model gives the answer no finite probability.")
    # A probability of 1 may come with a logarithm above 0 in its last bit.
    losses = [max(0.0, -likelihood.log_prob / likelihood.tokens) for likelihood in (conditional, direct)]
    if not losses[1] or not math.isfinite(losses[0] / losses[1]):
        return Unscored("not_applicable", "The model is sure of the answer without the instruction, too.")
    evidence = {"given": losses[0], "alone": losses[1], "tokens": float(conditional.tokens)}
    return Score(losses[0] / losses[1], evidence=evidence)
