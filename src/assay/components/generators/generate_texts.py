"""Text generation from labels and prompt templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from assay.components.generators.prompts import LabelPlan
from assay.core.completions import FATAL, Completion, End, Message, NotCompleted, TextRequest, fatal_error
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.sample import Failure, Made, Sample
from assay.models.remote.budget import placeholder_text


@dataclass(frozen=True)
class GenerateTexts:
    """Generate `per_label` texts of each label with a language model.

    Each text has its own prompt and its own random seed. Both depend only on the label and on the index of the text
    within its label, so more texts or more labels leave the existing ones unchanged. A refusal and a withheld or empty
    answer are failures, which the next run retries. A text that was truncated at max_tokens is kept; its field `end`
    says so.
    """

    model: str
    labels: tuple[str, ...]
    per_label: int
    templates: tuple[str, ...] = ("Write one short text about {label}.",)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of a label in prompts; the label itself if it is missing here. A name listed twice is drawn twice as often.
    """
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values of the other slots of the templates, such as tone: ("", "angry", "polite"). "" leaves the slot empty."""
    system: str = ""
    """System message, for models that support one."""
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", max_tokens=64))
    """Must give one answer. Its seed is ignored, as each text has its own."""

    version: ClassVar[int] = 1
    stream: ClassVar[str] = "write"
    plan_name: ClassVar[str] = "Write"
    """Part of the ids of the seeds, which determine the sampling. Another name would generate other texts."""

    def __post_init__(self) -> None:
        self._plan.check("GenerateTexts")
        if self.decoding.answers != 1:
            raise ValueError(f"GenerateTexts.decoding must give one answer, was {self.decoding.answers}.")

    def seeds(self) -> Sequence[Sample]:
        """Return a label and a prompt for each text. Labels alternate, so a longer plan starts with the same seeds."""
        return self._plan.seeds(self.plan_name)

    def asks(self, seeds: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Return the requests of `generate`, by model."""
        return {self.model: [self._request(seed, lab) for seed in seeds]}

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """Return placeholder samples of maximal length, to estimate the cost of requests about them."""
        return [self._sample(seed, placeholder_text(self.decoding.max_tokens), "length") for seed in seeds]

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        """Return the texts.

        Raises:
            ModelError: The budget is spent, or the service rejects the key or the model. Earlier answers are kept.
        """
        model = lab.models.text_model(self.model)
        completions = model.complete([self._request(seed, lab) for seed in seeds])
        for completion in completions:
            if isinstance(completion, NotCompleted) and completion.lack in FATAL:
                raise fatal_error(self.model, completion.lack, completion.reason)
        return [self._sample_or_failure(seed, completion) for seed, completion in zip(seeds, completions, strict=True)]

    @property
    def _plan(self) -> LabelPlan:
        return LabelPlan(self.labels, self.per_label, self.templates, self.words, self.slots)

    def _request(self, seed: Sample, lab: Lab) -> TextRequest:
        system = (Message("system", self.system),) if self.system else ()
        decoding = replace(self.decoding, seed=lab.seed_of(seed, self.stream))
        return TextRequest((*system, Message("user", seed.text("prompt"))), decoding)

    def _sample_or_failure(self, seed: Sample, completion: Completion | NotCompleted) -> Made:
        if isinstance(completion, NotCompleted):
            return Failure(seed.id, completion.reason)
        answer = completion.answers[0]
        text = answer.text.strip()
        if answer.end not in ("stop", "length") or not text:
            return Failure(seed.id, f"the answer is no text: {answer.end if text else 'empty'}")
        return self._sample(seed, text, answer.end)

    def _sample(self, seed: Sample, text: str, end: End) -> Sample:
        return Sample({**seed.fields, "text": text, "end": end}, parents=(seed.id,), made_by="GenerateTexts")
