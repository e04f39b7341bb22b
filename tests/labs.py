"""Small real parts for component tests: images in memory, and models of a few numpy lines that keep every promise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from assay.core.completions import (
    Answer,
    Capabilities,
    Completion,
    Continuations,
    End,
    Likelihood,
    LogProbs,
    Message,
    NotCompleted,
    TextRequest,
    TokenMoments,
)
from assay.core.errors import ModelError, StoreError, did_you_mean
from assay.core.lab import Lab
from assay.core.model_kinds import (
    AnswerRewardModel,
    Classifier,
    Embedder,
    ImageModel,
    ImageRequest,
    LikelihoodModel,
    Matrix,
    NotGenerated,
    Pixels,
    TextClassificationModel,
    TextModel,
    TwinEncoder,
)
from assay.core.sample import Image, Sample
from assay.images.codec import decode, encode_png
from assay.models.loading import Device, ModelRequest
from assay.models.text.classifiers import HeadOnSentences, open_text_classifier
from assay.models.text.requests import check_row_lengths, text_log_probs
from assay.store.images import StoredImages
from assay.text.instructions.self_instruct_prompts import ENGLISH, KOREAN, TaskWording
from assay.text.prompting.delimiters import delimited_texts
from judges import longer

T = TypeVar("T")

SHADES = {"black": 20, "grey": 120, "white": 230}
"""What the tiny models know: a shade and its brightness."""


@dataclass
class MemoryImages:
    """PNG bytes by digest."""

    bytes_of: dict[str, bytes] = field(default_factory=dict)

    def get(self, images: Sequence[Image]) -> Sequence[Pixels]:
        return [self._decode(image) for image in images]

    def put(self, pixels: Pixels) -> Image:
        content = encode_png(pixels)
        digest = hashlib.sha256(content).hexdigest()
        self.bytes_of[digest] = content
        return Image(digest, pixels.shape[1], pixels.shape[0])

    def _decode(self, image: Image) -> Pixels:
        try:
            return decode(self.bytes_of[image.digest])
        except (KeyError, ValueError) as problem:
            raise StoreError(f"Image {image.digest[:8]} is missing or does not decode.") from problem


class Painter:
    """Paints 12 x 12 images of the first shade a prompt names, with noise from the seed."""

    def generate(self, requests: Sequence[ImageRequest]) -> Sequence[Pixels | NotGenerated]:
        return [self._paint(request) for request in requests]

    def _paint(self, request: ImageRequest) -> Pixels | NotGenerated:
        if "nothing" in request.prompt:
            return NotGenerated("the latents are not finite")
        shape = (request.height or 12, request.width or 12)
        if "void" in request.prompt:
            return np.zeros(shape, dtype=np.uint8)
        shade = next((value for name, value in SHADES.items() if name in request.prompt), 60)
        noise = np.random.default_rng(request.seed).normal(0, 12, shape)
        return np.clip(shade + noise, 0, 255).astype(np.uint8)


def brightness(image: Pixels) -> float:
    return float(image.mean())


class Twin:
    """Images and texts on a half circle of brightness; a text that names no shade points the other way."""

    logit_scale = 20.0

    def embed_images(self, images: Sequence[Pixels]) -> Matrix:
        return self._rows([brightness(image) / 255 for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Matrix:
        angles = [next((v / 255 for name, v in SHADES.items() if name in text), -1.0) for text in texts]
        return self._rows(angles)

    def _rows(self, shares: Sequence[float]) -> Matrix:
        angles = np.asarray(shares, dtype=np.float32) * np.float32(np.pi / 2)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class ShadeExpert:
    """Names the nearest shade; it has no word for grey."""

    labels = ("white", "black")
    parameters = 4

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        rows = [[-abs(brightness(image) - SHADES[label]) / 25 for label in self.labels] for image in images]
        return np.asarray(rows, dtype=np.float32).reshape(-1, len(self.labels))

    def features(self, images: Sequence[Pixels]) -> Matrix:
        """The two logits, and two numbers that the head does not look at: brightness and unrest."""
        more = [[brightness(image) / 255, float(image.std()) / 255] for image in images]
        return np.concatenate([self.logits(images), np.asarray(more, dtype=np.float32).reshape(-1, 2)], axis=1)

    def head(self) -> tuple[Matrix, Matrix]:
        return np.eye(2, 4, dtype=np.float32), np.zeros(2, dtype=np.float32)


class Trained:
    """A folder that transformers' Auto classes load, which is what `ImageClassifier` promises to leave."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self.model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True)
        self.processor = AutoImageProcessor.from_pretrained(folder)

    @property
    def labels(self) -> Sequence[str]:
        return [self.model.config.id2label[i] for i in range(self.model.config.num_labels)]

    @property
    def parameters(self) -> int:
        return int(self.model.num_parameters())

    def logits(self, images: Sequence[Pixels]) -> Matrix:
        import torch
        from PIL import Image as Pillow

        decoded = [Pillow.fromarray(image).convert("RGB") for image in images]
        with torch.inference_mode():
            values = self.model(pixel_values=self.processor(images=decoded, return_tensors="pt")["pixel_values"])
        result: Matrix = values.logits.numpy()
        return result

    def features(self, images: Sequence[Pixels]) -> Matrix:
        import torch
        from PIL import Image as Pillow

        decoded = [Pillow.fromarray(image).convert("RGB") for image in images]
        pixels = self.processor(images=decoded, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            result: Matrix = self.model.resnet(pixel_values=pixels).pooler_output.flatten(1).numpy()
        return result

    def head(self) -> tuple[Matrix, Matrix]:
        last = self.model.classifier[-1]
        return last.weight.detach().numpy(), last.bias.detach().numpy()


class Author:
    """Writes three words that only the prompt and the seed decide; "nothing", "void" and "never" go wrong.

    A character is a token, and the more probable the nearer it lies to the one before and the more tokens that follows.
    """

    means = Capabilities(reproducible=True, log_probs=True, context=16)
    longest = 16

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._write(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        return text_log_probs(self, texts, lambda ids: [chr(code) for code in ids])

    def tokens_of(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def token_log_probs(self, rows: Sequence[Sequence[int]], last: Sequence[int]) -> Sequence[Sequence[float]]:
        check_row_lengths(rows, self.longest, "tiny:author")
        return [
            [-float(np.log1p(abs(row[nth] - row[nth - 1]))) - 1 / nth for nth in range(len(row) - count, len(row))]
            for row, count in zip(rows, last, strict=True)
        ]

    def token_moments(self, rows: Sequence[Sequence[int]], writer: object) -> Sequence[TokenMoments]:
        """A token is expected to be as probable as if it were near the one before."""
        log_probs = self.token_log_probs(rows, [max(0, len(row) - 1) for row in rows])
        flat = [tuple(-0.5 - 1 / (nth + 1) for nth, _ in enumerate(row)) for row in rows]
        return [
            TokenMoments(tuple(values), means, tuple(-mean for mean in means))
            for values, means in zip(log_probs, flat, strict=True)
        ]

    def answer_moments(self, asked: Sequence[Continuations]) -> Sequence[tuple[TokenMoments, ...] | NotCompleted]:
        return [self._moments(continuations) for continuations in asked]

    def _moments(self, continuations: Continuations) -> tuple[TokenMoments, ...] | NotCompleted:
        likelihoods = self._after(continuations)
        if isinstance(likelihoods, NotCompleted):
            return likelihoods
        return tuple(
            TokenMoments(
                (likelihood.log_prob / likelihood.tokens,) * likelihood.tokens,
                (-1.0,) * (likelihood.tokens + 1),
                (1.0,) * (likelihood.tokens + 1),
            )
            for likelihood in likelihoods
        )

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        return [self._after(continuations) for continuations in asked]

    def _after(self, continuations: Continuations) -> tuple[Likelihood, ...] | NotCompleted:
        """A text is the more probable the more of its letters the prompt has."""
        assert not isinstance(continuations.prompt, str)
        prompt = continuations.prompt[-1].text
        if len(prompt) + max(map(len, continuations.texts)) > 4 * self.longest:
            return NotCompleted("context", "the prompt is longer than the context")
        return tuple(
            Likelihood(sum(-1.0 - (letter not in prompt) for letter in text), len(text)) for text in continuations.texts
        )

    def _write(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        prompt = request.prompt[-1].text
        if "nothing" in prompt:
            return NotCompleted("gone", "the server is down", tries=3)
        if "void" in prompt:
            return Completion((Answer("", "empty"),))
        if "never" in prompt:
            return Completion((Answer("I would rather not.", "refusal"),))
        rng = np.random.default_rng([request.decoding.seed, *prompt.encode()])
        word_lists = [rng.choice(["red", "soft", "loud", "cold", "old"], 3) for _ in range(request.decoding.answers)]
        end: End = "length" if "long" in prompt else "stop"
        log_prob = -4.5 if request.log_prob else None
        return Completion(tuple(Answer(f" {' '.join(words)}\n", end, 3, log_prob) for words in word_lists))


class Grader:
    """Grades by the number of words, 1 to 5; "nothing" and single letters go wrong, "void" gets no grade.

    Of two answers it prefers the longer one, and the first of two that are equally long.
    """

    means = Capabilities(reproducible=True)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._grade(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        raise ModelError("tiny:judge cannot say.")

    def likelihoods(self, asked: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...] | NotCompleted]:
        return [self._shares(continuations) for continuations in asked]

    def _shares(self, continuations: Continuations) -> tuple[Likelihood, ...] | NotCompleted:
        assert not isinstance(continuations.prompt, str)
        _, parts = delimited_texts(continuations.prompt[-1].text)
        if any("nothing" in text for text in parts.values()) or len(parts.get("TEXT", "two")) < 2:
            return NotCompleted("context", "the prompt is longer than the context")
        if "ANSWER A" in parts:
            better = longer(parts)
            return tuple(Likelihood(-0.5 if letter == better else -1.5, 1) for letter in continuations.texts)
        words = len(parts["TEXT"].split())
        return tuple(Likelihood(-abs(float(word) - words) - 1.0, 1) for word in continuations.texts)

    def _grade(self, request: TextRequest) -> Completion | NotCompleted:
        assert not isinstance(request.prompt, str)
        number, parts = delimited_texts(request.prompt[-1].text)
        if "ANSWER A" in parts and not any("nothing" in part for part in parts.values()):
            answer = "Both are fine." if "void" in parts["INSTRUCTION"] else f"ID {number}: {longer(parts)}"
            return Completion((Answer(answer, "stop", 3),))
        text = parts.get("TEXT", "")
        if any("nothing" in part for part in parts.values()) or len(text) < 2:
            return NotCompleted("gone", "the server is down", tries=3)
        answer = "It is fine." if "void" in text else f"ID {number}: {min(5, max(1, len(text.split())))}"
        return Completion((Answer(answer, "stop", 3),) * request.decoding.answers)


@dataclass(frozen=True)
class FewTasks:
    """Tasks that people wrote: five in English and five in Korean, two of each classification."""

    languages: tuple[str, ...] = ("en", "ko")
    limit: int = 5

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        names = ("instruction", "input", "output", "classification")
        return [
            Sample({**dict(zip(names, row, strict=True)), "language": language, "name": f"{language}-{nth}"})
            for language in self.languages
            for nth, row in enumerate(TASKS[language][: self.limit])
        ]


@dataclass(frozen=True)
class FewVotes:
    """What people said of the texts of `passages` beside their references; `twice`, and differently, on request."""

    twice: bool = False

    version: ClassVar[int] = 1

    def read(self, lab: Lab) -> Sequence[Sample]:
        winners = ("a", "b", "tie")
        return [
            Sample(
                {
                    "instruction": sample.text("label"),
                    "output_a": sample.text("text"),
                    "output_b": sample.text("reference"),
                    "winner": winners[(nth + more) % 3],
                },
                nth=more,
            )
            for more in range(1 + self.twice)
            for nth, sample in enumerate(passages(1))
        ]


TASKS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "en": (
        ("Write a short poem about the sea.", "", "The sea is wide.", "no"),
        ("Say whether the review is positive or negative.", "It broke at once.", "negative", "yes"),
        ("Name three fruits that grow in cold countries.", "", "Apples, pears and plums.", "no"),
        ("Is this mail spam? Answer spam or not spam.", "You have won!", "spam", "yes"),
        ("Make the sentence more polite.", "Give me the salt.", "Could you pass the salt, please?", "no"),
    ),
    "ko": (
        ("바다에 대한 짧은 시를 쓰세요.", "", "바다는 넓다.", "no"),
        ("후기가 긍정인지 부정인지 말하세요.", "바로 고장 났어요.", "부정", "yes"),
        ("추운 나라에서 자라는 과일 세 가지를 말하세요.", "", "사과, 배, 자두.", "no"),
        ("문장이 질문인지 아닌지 가려 보세요.", "어디 가세요?", "질문", "yes"),
        ("문장을 더 공손하게 고치세요.", "소금 줘.", "소금 좀 주시겠어요?", "no"),
    ),
}


class Inventor:
    """Goes on with lists of tasks, says whether one is classification, and gives an example, as it is asked.

    Only the prompt and the seed decide. Now and then it repeats a task, asks for an image, ends a list too soon, says
    nothing, is gone, or writes what nobody can read.
    """

    means = Capabilities(reproducible=True)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        return [self._write(request) for request in requests]

    def log_probs(self, texts: Sequence[str]) -> Sequence[LogProbs]:
        raise ModelError("tiny:inventor cannot say.")

    def _write(self, request: TextRequest) -> Completion | NotCompleted:
        chat = not isinstance(request.prompt, str)
        prompt = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].text
        words = KOREAN if "과제" in prompt else ENGLISH
        rng = np.random.default_rng([request.decoding.seed, *prompt.encode()])
        if rng.random() < 0.05:
            return NotCompleted("gone", "the server is down", tries=3)
        if words.question in prompt.splitlines()[-1]:
            text = words.yes if rng.random() < 0.3 else words.no
        elif words.listed in prompt:
            text = self._tasks(rng, words, prompt, chat=chat)
        else:
            text = self._example(rng, words, label=self._labels(request, words), chat=chat)
        end: End = "stop" if text and rng.random() < 0.95 else "length" if text else "empty"
        return Completion((Answer(text, end, len(text.split())),))

    def _labels(self, request: TextRequest, words: TaskWording) -> bool:
        prompt = request.prompt
        return (prompt if isinstance(prompt, str) else prompt[1].text).rpartition("\n\n")[2].find(
            f"{words.label}:"
        ) >= 0

    def _tasks(self, rng: np.random.Generator, words: TaskWording, prompt: str, *, chat: bool) -> str:
        examples = TASKS["ko" if words is KOREAN else "en"]
        more = [text for text, *_ in examples[:1]]
        more += ["그림을 그려 주세요."] if words is KOREAN else ["Draw an image of a cat."]
        verbs, things = INVENTED["ko" if words is KOREAN else "en"]
        tasks = [
            more[n] if n < 2 else str(rng.choice(verbs)).format(rng.choice(things)) for n in rng.integers(0, 12, 4)
        ]
        tasks = tasks[: int(rng.integers(0, 5))] if rng.random() < 0.3 else tasks
        listed = "\n".join(f"{words.task} {nth}: {task}" for nth, task in enumerate(tasks, 4))
        return f"Sure!\n\n{listed}" if chat else listed.partition(": ")[2]

    def _example(self, rng: np.random.Generator, words: TaskWording, *, label: bool, chat: bool) -> str:
        input_text = str(rng.choice([words.none, "바람이 분다", "It rains."]))
        answer = str(rng.choice(["red", "빨강", "", "It rains."]))
        first, second = (words.label, words.input) if label else (words.input, words.output)
        first_text, second_text = (answer, input_text) if label else (input_text, answer)
        if rng.random() < 0.05:
            return "I would rather talk of something else."
        return f"{f'{first}: ' if chat else ' '}{first_text}\n{second}: {second_text}"


INVENTED = {
    "en": (
        ("Write a long letter to {}.", "Explain in two sentences why people like {}.", "List five facts about {}."),
        ("winter", "old trains", "bread", "rivers", "your street", "early mornings"),
    ),
    "ko": (
        ("{}에게 긴 편지를 쓰세요.", "사람들이 {} 좋아하는 까닭을 설명하세요.", "{} 대한 사실 다섯 가지를 말하세요."),
        ("겨울", "기차", "빵", "강물", "우리 동네", "이른 아침"),
    ),
}


class Rater:
    """Rewards an answer by its words, up to five; "nothing" cannot be read."""

    def rewards(self, conversations: Sequence[tuple[Message, ...]]) -> Sequence[float | NotCompleted]:
        return [
            NotCompleted("context", "the conversation is longer than the context")
            if "nothing" in turns[-1].text
            else float(min(5, len(turns[-1].text.split())))
            for turns in conversations
        ]


class Letters:
    """How often a text has each of the letters a to z, as a direction; the first one where it has none."""

    how = "letters"

    def embed(self, texts: Sequence[str]) -> Matrix:
        counts = [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        rows = np.asarray([row if any(row) else [1, *row[1:]] for row in counts], dtype=np.float32).reshape(-1, 26)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class TinyModels:
    """`tiny:` painter, author, judge, letters, twin and expert, and any folder a trainer left."""

    def image_model(self, reference: str) -> ImageModel:
        return _open(reference, "tiny:painter", Painter())

    def twin_encoder(self, reference: str) -> TwinEncoder:
        return _open(reference, "tiny:twin", Twin())

    def text_model(self, reference: str) -> TextModel:
        if reference == "tiny:inventor":
            return Inventor()
        return Grader() if reference == "tiny:judge" else _open(reference, "tiny:author", Author())

    def likelihood_model(self, reference: str) -> LikelihoodModel:
        return Author() if reference == "tiny:author" else _open(reference, "tiny:judge", Grader())

    def reward_model(self, reference: str) -> AnswerRewardModel:
        return _open(reference, "tiny:rater", Rater())

    def embedder(self, reference: str) -> Embedder:
        return _open(reference, "tiny:letters", Letters())

    def text_classifier(self, reference: str) -> TextClassificationModel:
        if Path(reference).is_dir():
            head = open_text_classifier(ModelRequest(reference, Device(device="cpu")), self.embedder)
        else:
            weight = np.eye(2, 26, 2, dtype=np.float32)  # c, d
            head = HeadOnSentences(Letters(), ("cat", "dog"), weight, np.zeros(2, np.float32), reference)
        return head if Path(reference).is_dir() else _open(reference, "tiny:sorter", head)

    def classifier(self, reference: str) -> Classifier:
        if Path(reference).is_dir():
            return Trained(Path(reference))
        return _open(reference, "tiny:expert", ShadeExpert())


@dataclass(frozen=True)
class Listening(TinyModels):
    """The same, and keeps what their language models are asked to write."""

    asked: list[tuple[str, TextRequest]] = field(default_factory=list)

    def text_model(self, reference: str) -> TextModel:
        heard: TextModel = _Heard(super().text_model(reference), reference, self.asked)  # type: ignore[assignment]
        return heard


class _Heard:
    def __init__(self, model: TextModel, reference: str, asked: list[tuple[str, TextRequest]]) -> None:
        self._model, self._reference, self._asked = model, reference, asked

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        self._asked += [(self._reference, request) for request in requests]
        return self._model.complete(requests)

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)


def _open(reference: str, expected: str, model: T) -> T:
    if reference != expected:
        raise ModelError(f"No model {reference!r}.", hint=did_you_mean(reference, [expected]))
    return model


def tiny_lab(folder: Path | None = None, *, seed: int = 7) -> Lab:
    return Lab(seed, TinyModels(), MemoryImages(), folder)


def real_lab(folder: Path | None = None, *, seed: int = 7) -> Lab:
    """The models and the image store that a run uses, on the CPU."""
    from assay.models import Device, OpenModels

    return Lab(seed, OpenModels(Device(device="cpu")), StoredImages([]), folder)


def shade(value: int, *, size: int = 12, seed: int = 0) -> Pixels:
    """A noisy square of one brightness."""
    noise = np.random.default_rng([value, seed]).normal(0, 5, (size, size))
    return np.clip(value + noise, 0, 255).astype(np.uint8)


def shades(lab: Lab, per_shade: int = 3) -> list[Sample]:
    """Images of each shade, labeled and described as what they are."""
    return [
        Sample({"label": name, "prompt": f"a {name} square", "image": lab.images.put(shade(value, seed=nth))})
        for nth in range(per_shade)
        for name, value in SHADES.items()
    ]


def broken(label: str = "black") -> Sample:
    """A sample whose image lies nowhere."""
    return Sample({"label": label, "prompt": f"a {label} square", "image": Image("0" * 64, 12, 12)})


def passages(per_text: int = 3) -> list[Sample]:
    """Texts with a reference or two; the third kind is in Korean, and longer than `tiny:author` takes."""
    rows = (
        {"label": "cat", "text": "the cat sat on the mat", "reference": "A cat sat on a mat."},
        {"label": "dog", "text": "a dog ran", "reference": "the dog ran off", "second": "a dog ran away"},
        {"label": "cat", "text": "고양이가 매트 위에 조용히 앉아 있다", "reference": "고양이는 매트 위에 앉았다"},
    )
    return [Sample(dict(row), nth=nth) for nth in range(per_text) for row in rows]


def checkable(per_text: int = 3) -> list[Sample]:
    """Answers that a program can check by the field `reference`: a number, a shape of JSON, and tests of a function."""
    rows = (
        {"text": "2 + 2 = 4\n#### 4", "reference": "It is 4.", "second": "4, sum"},
        {"text": '{"cat": 3}', "reference": '{"type": "object", "required": ["dog"]}', "second": "cat"},
        {"text": "def twice(x):\n    return 2 * x", "reference": "[[[2], 4], [[3], 6]]", "second": "return"},
    )
    return [Sample(dict(row), nth=nth) for nth in range(per_text) for row in rows]


def choices(per_question: int = 3) -> list[Sample]:
    """Questions with choices, three of each; the tenth is longer than `tiny:author` takes."""
    rows = (
        {"question": "What is red?", "choice0": "sad", "choice1": "a red tie", "answer": "B"},
        {
            "question": "말은?",
            "choice0": "말",
            "choice1": "마을",
            "choice2": "모루",
            "answer": "A",
            "subject": "animals",
        },
        {"question": "Who?", "choice0": "who", "choice1": "how", "choice2": "me", "answer": "A,C"},
    )
    long = {"question": "why " * 20, "choice0": "so", "choice1": "no", "answer": "A"}
    return [*(Sample(dict(row), nth=nth) for nth in range(per_question) for row in rows), Sample(long)]


def unanswered() -> Sample:
    """A sample without a text or a reference, and with a label that nobody knows."""
    return Sample({"label": "cow", "text": " ", "reference": " "})
