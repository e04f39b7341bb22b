"""Kinds of model: what a component may ask of one, whoever made it and wherever it runs.

numpy is named in annotations only; at run time this module needs the standard library alone.
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
    """(height, width) grey or (height, width, 3) red, green, blue; 0 to 255."""
    Matrix: TypeAlias = npt.NDArray[np.float32]
else:
    Pixels = Matrix = Any


@dataclass(frozen=True)
class ImageRequest:
    """Request for one image."""

    prompt: str
    seed: int
    """Of the image's own noise; 0 to 2**63 - 1."""
    steps: int
    guidance: float
    """Classifier-free guidance; at 1 or below there is none and each step costs half."""
    negative_prompt: str = ""
    width: int | None = None
    """Pixels; the model's own size where None."""
    height: int | None = None


@dataclass(frozen=True)
class NotGenerated:
    """Why a request gave no image."""

    reason: str


class ImageModel(Protocol):
    """Words to images."""

    def generate(self, requests: Sequence[ImageRequest]) -> Sequence[Pixels | NotGenerated]:
        """One image or one reason for each request, in order; an image depends on its own request alone."""
        ...


class TwinEncoder(Protocol):
    """Images and words into one space, as CLIP does (Radford et al. 2021, section 2.3)."""

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        ...

    def embed_images(self, images: Sequence[Pixels]) -> Matrix:
        """(n, dimensions), each row of length 1."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), each row of length 1; each different text is encoded once in a process."""
        ...


class Classifier(Protocol):
    """Images to a closed set of labels."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        ...

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        ...

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        """(n, labels)."""
        ...

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """(n, width): what the last layer is given; `features @ weight.T + bias` of `head` are the logits."""
        ...

    def head(self) -> tuple[Matrix, Matrix]:
        """Weight (labels, width) and bias (labels,) of the last layer."""
        ...


class TextClassificationModel(Protocol):
    """Words to a closed set of labels."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        ...

    def logits(self, texts: Sequence[str]) -> Matrix:
        """(n, labels)."""
        ...


@runtime_checkable
class PairClassifier(Protocol):
    """Two texts to a closed set of labels, as models of natural language inference have it."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the logits."""
        ...

    def pair_logits(self, pairs: Sequence[tuple[str, str]]) -> Matrix:
        """(n, labels), of (premise, hypothesis); what is longer than the context is cut, the longer text first."""
        ...


class TextModel(Protocol):
    """Words to words."""

    @property
    def means(self) -> Capabilities:
        """What it can do; known before anything is asked."""
        ...

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        """One completion or one reason for each request, in order.

        Where `means.reproducible`, an answer depends on its own request alone: not on the others, nor on their number.

        Raises:
            ModelError: It cannot decode as one of the requests asks: said before anything is asked.
        """
        ...

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        """How probable each text is, token by token, nothing before it but what the tokenizer itself puts there.

        Raises:
            ModelError: It cannot say, or a text is longer than its context.
        """
        ...


class AnswerRewardModel(Protocol):
    """How good the last turn of a conversation is, in the eyes of those whose preferences it learned."""

    def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
        """One reward, the higher the better and of no unit, or one reason, in order; each ends with the assistant.

        A reward depends on its own conversation alone. Differences of two answers to one prompt are log-odds of which
        is preferred (Bradley and Terry 1952); rewards of answers to different prompts need not compare.
        """
        ...


@runtime_checkable
class LikelihoodModel(Protocol):
    """A language model that says how probable given words are after others."""

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        """One value for each text of each prompt, or one reason, in order."""
        ...


@runtime_checkable
class TokenModel(Protocol):
    """A language model that says how probable tokens are, not only texts: what a sliding window needs."""

    @property
    def longest(self) -> int | None:
        """Most tokens in a row; None for no end."""
        ...

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text, as `log_probs` cuts it."""
        ...

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        """Natural logarithms of the `last[i]` last tokens of each row, given those before them in the row.

        `last[i]` is less than the row's length: its first token has nothing before it.

        Raises:
            ModelError: A row is longer than `longest`.
        """
        ...


@runtime_checkable
class MomentsModel(Protocol):
    """A language model that says what was to be expected of a text's tokens: what detectors of machine text need."""

    @property
    def longest(self) -> int | None:
        """Most tokens in a row; None for no end."""
        ...

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a text."""
        ...

    def token_moments(self, rows: Sequence[Sequence[int]], writer: MomentsModel | None) -> Sequence[TokenMoments]:
        """Of each row of one token or more; `writer` weights what could stand at a place, this model where None.

        Raises:
            ModelError: A row is longer than `longest`, or the two models do not have the same tokens.
        """
        ...


@runtime_checkable
class AnswerMomentsModel(Protocol):
    """A language model that says, token by token, how probable an answer is after what was asked."""

    def answer_moments(self, asked: Sequence[Continuations]) -> Sequence[tuple[TokenMoments, ...] | NotCompleted]:
        """One value for each text of each prompt, or one reason, in order; `log_probs` begins with the first token."""
        ...


class SteppedModel(Protocol):
    """A language model that shows its next token's logits: what the reference algorithms decode with."""

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        ...

    def ids_of(self, prompt: str | tuple[Message, ...]) -> list[int]:
        """Tokens of a prompt, as it is asked."""
        ...

    def spell(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        ...

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> Matrix:
        """(n, vocabulary): of the token after each sequence."""
        ...


class Embedder(Protocol):
    """Words into a space where what means the same lies near."""

    @property
    def how(self) -> str:
        """What computes, and in which precision, such as "openvino bfloat16": an embedding's last digits hang on it."""
        ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), each row of length 1."""
        ...
