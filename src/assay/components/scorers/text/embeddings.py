"""Scorers by sentence embeddings: the embedding itself, and zero-shot classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from assay.core.errors import did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Sample
from assay.core.score import Fingerprint, Outcome, Scale, Score, Unscored


@dataclass(frozen=True)
class TextEmbedding:
    """Sentence embedding of the text, a unit vector, for deduplication and nearest neighbors.

    An empty text is unscored; the encoder truncates long texts.
    """

    model: str = "embedded:minilm"
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="embedding", better="neither")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        texts = [sample.text(self.text) for sample in samples]
        rows = iter(lab.models.embedder(self.model).embed([text for text in texts if text.strip()]))
        return [
            Fingerprint(tuple(next(rows).tolist()))
            if text.strip()
            else Unscored("not_applicable", "The text is empty.")
            for text in texts
        ]


@dataclass(frozen=True)
class LabelMatch:
    """Cosine to the intended label minus cosine to the nearest other label, by sentence embeddings.

    Negative if another label is nearer. The embedding of a label is the normalized mean over its `words`, or that of
    its name: zero-shot classification as in Schopf, Braun and Matthes 2022 (section 3.2, "similarity-based"), with the
    margin as the score. Evidence: `cosine` to the intended label. The answer is the nearest label. An empty text is
    unscored.
    """

    labels: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words for a label; its name if it is missing here."""
    model: str = "embedded:minilm"
    label: str = "label"
    text: str = "text"

    version: ClassVar[int] = 1
    scale: ClassVar[Scale] = Scale(unit="difference of cosines", low=-2.0, high=2.0)

    def __post_init__(self) -> None:
        if len(set(self.labels)) < 2 or len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"LabelMatch.labels must be two or more different labels, was {self.labels!r}: "
                "one label has no nearest other label."
            )
        for name, words in self.words.items():
            if name not in self.labels:
                hint = did_you_mean(name, self.labels)
                raise ValueError(f"LabelMatch.words must be of labels, was of {name!r}. {hint}")
            if not words or not all(word.strip() for word in words):
                raise ValueError(f"LabelMatch.words of {name!r} must be texts that are not blank, was {words!r}.")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        encoder = lab.models.embedder(self.model)
        texts = [sample.text(self.text) for sample in samples]
        rows = iter(encoder.embed([text for text in texts if text.strip()]).astype(np.float64))
        prototypes = np.stack([self._prototype(encoder.embed(self.words.get(name, (name,)))) for name in self.labels])
        return [
            self._outcome(sample.text(self.label), prototypes @ next(rows))
            if text.strip()
            else Unscored("not_applicable", "The text is empty.")
            for sample, text in zip(samples, texts, strict=True)
        ]

    def _prototype(self, words: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        mean = words.astype(np.float64).mean(axis=0)
        prototype: npt.NDArray[np.float64] = mean / np.linalg.norm(mean)
        return prototype

    def _outcome(self, label: str, cosines: npt.NDArray[np.float64]) -> Outcome:
        if label not in self.labels:
            return Unscored("not_applicable", f"{label!r} is not among the labels {', '.join(self.labels)}.")
        intended = self.labels.index(label)
        rival = int(np.where(np.arange(len(cosines)) == intended, -2.0, cosines).argmax())
        reason = f"nearest other label: {self.labels[rival]!r} ({cosines[rival]:.3f})"
        margin = float(np.clip(cosines[intended] - cosines[rival], -2.0, 2.0))
        return Score(margin, reason, {"cosine": float(cosines[intended])}, self.labels[int(cosines.argmax())])
