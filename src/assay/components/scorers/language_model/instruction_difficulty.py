"""How much does the instruction help a language model to say the answer?"""

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
    """Instruction-following difficulty: the mean loss of a task's answer after its instruction, divided by that alone.

    Near 0 the instruction gives the answer away; near 1 it hardly helps, and there is much to learn; above 1 it makes
    the answer less likely, and the two may not belong together. So drop what is above 1 and keep the highest of the
    rest, as the published code does: `{use: Threshold, column: following, high: 1}`, and then
    `{use: TopFraction, column: following, fraction: 0.1, per: null}`. (The paper's words drop 1 itself, too.)

    After its instruction means after the model's chat template of a user who says instruction and input, and of what
    was said before where there is a history; alone means
    after the same template of a user who says nothing, so that a turn stands before the first token, too. The same
    tokens of the answer are scored in both, each once: all of them, without the token that ends a turn. Evidence: the
    losses `given` and `alone` in nats a token, and `tokens`. An answer of fewer than two tokens has no mean worth a
    name and is unscored, as is a task without an instruction; one that is longer than the model's context has failed.

    Source: Li et al. 2024, "From Quantity to Quality" (NAACL), section 2.2, equations 2 to 4. The official code
    (tianyi-lab/Cherry_LLM, cherry_seletion/data_analysis.py) has Alpaca's headings where we have a chat template: the
    last of them stands before the answer alone. It cuts what is too long.
    """

    model: str
    instruction: str = "instruction"
    input: str = "input"
    """What the instruction is about; not shown where a sample has none."""
    output: str = "output"
    history: str = "history"
    """What was said before, where a sample has it."""

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="ratio of losses", low=0.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        """Ratios.

        Raises:
            ModelError: The model does not say how probable a text is, or has no chat template.
            FieldError: A sample has no text `instruction` or `output`, or its history is none.
        """
        model = lab.models.likelihood_model(self.model)
        # One task a call, so that nothing else lies in its network call: a number depends on its own task alone.
        return [self._lack(one) or self._one(*model.likelihoods(self._pair(one))) for one in samples]

    def _lack(self, sample: Sample) -> Unscored | None:
        if not sample.text(self.instruction).strip():
            return Unscored("not_applicable", "The instruction is empty.")
        if not sample.text(self.output).strip():
            return Unscored("not_applicable", "The answer is empty.")
        return None

    def _pair(self, sample: Sample) -> tuple[Continuations, Continuations]:
        asked = conversation(sample, instruction=self.instruction, input=self.input, history=self.history)
        answer = (sample.text(self.output),)
        return Continuations(asked, answer), Continuations((Message("user", ""),), answer)

    def _one(
        self, given: tuple[Likelihood, ...] | NotCompleted, alone: tuple[Likelihood, ...] | NotCompleted
    ) -> Outcome:
        for lack in (given, alone):
            if isinstance(lack, NotCompleted):
                return unanswered(self.model, lack)
        assert not isinstance(given, NotCompleted)
        assert not isinstance(alone, NotCompleted)
        return _ratio(given[0], alone[0])


def _ratio(given: Likelihood, alone: Likelihood) -> Outcome:
    assert given.tokens == alone.tokens, "an answer is cut into tokens by itself, whatever stands before it"
    if given.tokens < 2:
        return Unscored("not_applicable", "The answer has fewer than two tokens.")
    if not all(math.isfinite(one.log_prob) for one in (given, alone)):
        return Unscored("failed", "The model gives the answer no finite probability.")
    # A probability of 1 may come with a logarithm above 0 in its last bit.
    losses = [max(0.0, -one.log_prob / one.tokens) for one in (given, alone)]
    if not losses[1] or not math.isfinite(losses[0] / losses[1]):
        return Unscored("not_applicable", "The model is sure of the answer without the instruction, too.")
    evidence = {"given": losses[0], "alone": losses[1], "tokens": float(given.tokens)}
    return Score(losses[0] / losses[1], evidence=evidence)
