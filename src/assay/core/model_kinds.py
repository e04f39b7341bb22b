"""Protocols of models, by kind.

numpy is imported for annotations only; at run time this module needs only the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from assay.core.completions import (
        Capabilities,
        Completion,
        Continuations,
        Likelihood,
        LogProbs,
        Message,
        NotCompleted,
        TextRequest,
        TokenMoments,
    )

    Pixels: TypeAlias = npt.NDArray[np.uint8]
    """Grayscale (height, width) or RGB (height, width, 3); 0 to 255."""
    Matrix: TypeAlias = npt.NDArray[np.float32]
else:
    Pixels = Matrix = Any


@dataclass(frozen=True)
class ImageRequest:
    """Request for one image."""

    prompt: str
    seed: int
    """Seed of the initial noise; 0 to 2**63 - 1."""
    steps: int
    guidance: float
    """Scale of classifier-free guidance; 1 or below disables it, which halves the cost of a step."""
    negative_prompt: str = ""
    width: int | None = None
    """In pixels; None is the model's default size."""
    height: int | None = None


@dataclass(frozen=True)
class NotGenerated:
    """Failure of an image request."""

    reason: str


class ImageModel(Protocol):
    """Text-to-image model."""

    def generate(self, requests: Sequence[ImageRequest]) -> Sequence[Pixels | NotGenerated]:
        """One image or failure per request, in order; an image depends only on its request."""
        ...


class TwinEncoder(Protocol):
    """Joint embedding of images and texts, as CLIP (Radford et al. 2021, section 2.3)."""

    @property
    def logit_scale(self) -> float:
        """Factor of cosines before the softmax."""
        ...

    def embed_images(self, images: Sequence[Pixels]) -> Matrix:
        """Embeddings (n, dimensions), L2-normalized."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """Embeddings (n, dimensions), L2-normalized; each unique text is encoded once per process."""
        ...


class Classifier(Protocol):
    """Image classifier."""

    @property
    def labels(self) -> Sequence[str]:
        """Labels in the order of the logits."""
        ...

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        ...

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """Logits (n, labels)."""
        ...

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """Input (n, width) of the last layer; `features @ weight.T + bias` of `head` are the logits."""
        ...

    def head(self) -> tuple[Matrix, Matrix]:
        """Weight (labels, width) and bias (labels,) of the last layer."""
        ...


class TextClassificationModel(Protocol):
    """Text classifier."""

    @property
    def labels(self) -> Sequence[str]:
        """Labels in the order of the logits."""
        ...

    def logits(self, texts: Sequence[str]) -> Matrix:
        """Logits (n, labels)."""
        ...


@runtime_checkable
class PairClassifier(Protocol):
    """Classifier of text pairs, such as a model of natural language inference."""

    @property
    def labels(self) -> Sequence[str]:
        """Labels in the order of the logits."""
        ...

    def pair_logits(self, pairs: Sequence[tuple[str, str]]) -> Matrix:
        """Logits (n, labels) of (premise, hypothesis); pairs longer than the context are truncated, longest first."""
        ...


class TextModel(Protocol):
    """Language model."""

    @property
    def means(self) -> Capabilities:
        """Capabilities, known before the first request."""
        ...

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion or failure per request, in order.

        With `means.reproducible`, an answer depends only on its request, not on the others or their number.

        Raises:
            ModelError: The decoding of a request is not supported; raised before any request is sent.
        """
        ...

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """Log probabilities of the tokens of each text, without context except the tokenizer's special tokens.

        Raises:
            ModelError: Not supported, or a text is longer than the context.
        """
        ...


class AnswerRewardModel(Protocol):
    """Reward model of the last turn of a conversation."""

    def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
        """One reward or failure per conversation, in order; higher is better. The last turn is the assistant's.

        A reward depends only on its conversation. The difference of two answers to one prompt is the log-odds of
        preference (Bradley and Terry 1952); rewards for different prompts may not be comparable.
        """
        ...


@runtime_checkable
class LikelihoodModel(Protocol):
    """Language model that computes log probabilities of continuations."""

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        """One value per text of each prompt, or a failure, in order."""
        ...


@runtime_checkable
class TokenModel(Protocol):
    """Language model that computes log probabilities of token sequences, as needed for sliding windows."""

    @property
    def longest(self) -> int | None:
        """Maximum length of a row in tokens; None without a limit."""
        ...

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text, as in `log_probs`."""
        ...

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Log probabilities in nats of the last `last[i]` tokens of each row, given the preceding tokens.

        `last[i]` is less than the row's length, as the first token has no context.

        Raises:
            ModelError: A row is longer than `longest`.
        """
        ...


@runtime_checkable
class MomentsModel(Protocol):
    """Language model that computes moments of token log probabilities, for detectors of machine-generated text."""

    @property
    def longest(self) -> int | None:
        """Maximum length of a row in tokens; None without a limit."""
        ...

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text."""
        ...

    def token_moments(self, rows: Sequence[Sequence[int]], writer: MomentsModel | None) -> Sequence[TokenMoments]:
        """Moments of each row (at least one token); `writer` weights the vocabulary, None is this model.

        Raises:
            ModelError: A row is longer than `longest`, or the two models do not have the same tokens.
        """
        ...


@runtime_checkable
class AnswerMomentsModel(Protocol):
    """Language model that computes moments of token log probabilities of answers to prompts."""

    def answer_moments(self, asked: Sequence[Continuations]) -> Sequence[tuple[TokenMoments, ...] | NotCompleted]:
        """One value per text of each prompt, or a failure, in order; `log_probs` starts with the first token."""
        ...


class SteppedModel(Protocol):
    """Language model that exposes next-token logits, for the reference decoding algorithms."""

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def ids_of(self, prompt: str | tuple[Message, ...]) -> list[int]:
        """Tokens of the rendered prompt."""
        ...

    def spell(self, ids: Sequence[int]) -> str:
        """Text of tokens without special tokens."""
        ...

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> Matrix:
        """Next-token logits (n, vocabulary) of each sequence."""
        ...


class Embedder(Protocol):
    """Text embedding model."""

    @property
    def how(self) -> str:
        """Runtime and precision, such as "openvino bfloat16"; the last digits of embeddings depend on them."""
        ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Embeddings (n, dimensions), L2-normalized."""
        ...
