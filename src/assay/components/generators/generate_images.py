"""Text-to-image generation from labels and prompt templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from assay.components.generators.prompts import LabelPlan
from assay.core.lab import Lab
from assay.core.model_kinds import ImageRequest, NotGenerated, Pixels
from assay.core.sample import Failure, Made, Sample


@dataclass(frozen=True)
class GenerateImages:
    """Generate `per_label` images of each label with a text-to-image model.

    Each image has its own prompt and its own noise. Both depend only on the label and on the index of the image within
    its label, so more images or more labels leave the existing ones unchanged.
    """

    model: str
    labels: tuple[str, ...]
    per_label: int
    templates: tuple[str, ...] = ("a photo of a {label}",)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of a label in prompts; the label itself if it is missing here. A name listed twice is drawn twice as often.
    """
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values of the other slots of the templates, such as tone: ("", "light", "dark"). "" leaves the slot empty."""
    steps: int = 15
    guidance: float = 2.0
    """Scale of classifier-free guidance; none at 1 or below. Low values train better classifiers than the usual 7.5
    (Fan et al. 2024).
    """
    negative_prompt: str = ""
    width: int | None = None
    """Pixels; the default of the model if None."""
    height: int | None = None

    version: ClassVar[int] = 1
    stream: ClassVar[str] = "paint"
    plan_name: ClassVar[str] = "Paint"
    """Part of the ids of the seeds, which determine the noise. Another name would generate other images."""

    def __post_init__(self) -> None:
        self._plan.check("GenerateImages")
        for name, least in (("steps", 1), ("guidance", 0.0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"GenerateImages.{name} must be at least {least}, was {getattr(self, name)}.")

    def seeds(self) -> Sequence[Sample]:
        """Return a label and a prompt for each image. Labels alternate, so a longer plan starts with the same seeds."""
        return self._plan.seeds(self.plan_name)

    def prompt(self, label: str, nth: int) -> str:
        """Return the prompt of image `nth` of `label`."""
        return self._plan.prompt(label, nth)

    @property
    def _plan(self) -> LabelPlan:
        return LabelPlan(self.labels, self.per_label, self.templates, self.words, self.slots)

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]:
        requests = [self._request(seed, lab) for seed in seeds]
        images = lab.models.image_model(self.model).generate(requests)
        return [self._sample_or_failure(seed, image, lab) for seed, image in zip(seeds, images, strict=True)]

    def _request(self, seed: Sample, lab: Lab) -> ImageRequest:
        return ImageRequest(
            prompt=seed.text("prompt"),
            seed=lab.seed_of(seed, self.stream),
            steps=self.steps,
            guidance=self.guidance,
            negative_prompt=self.negative_prompt,
            width=self.width,
            height=self.height,
        )

    def _sample_or_failure(self, seed: Sample, image: Pixels | NotGenerated, lab: Lab) -> Made:
        if isinstance(image, NotGenerated):
            return Failure(seed.id, image.reason)
        if image.min() == image.max():  # output of a broken decoder or of a safety checker
            return Failure(seed.id, f"every pixel is {image.min()}")
        return Sample({**seed.fields, "image": lab.images.put(image)}, parents=(seed.id,), made_by="GenerateImages")
