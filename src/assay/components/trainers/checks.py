"""Checks of trainers, and the split of held-out prompts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from assay.core.errors import FieldError, ModelError, RecipeError, did_you_mean
from assay.core.sample import Sample
from assay.models.references import locate

PACKAGES = ("trl", "peft", "datasets")
Bounds: TypeAlias = tuple[str, float, float]
"""Name of a numeric field, its minimum and its maximum."""
Choices: TypeAlias = tuple[str, tuple[str, ...]]
"""Name of a text field and its allowed values."""
BATCH_SIZE: Bounds = ("batch_size", 1, 10**6)
WARMUP_RATIO: Bounds = ("warmup_ratio", 0.0, 1.0)
HELD_OUT: Bounds = ("held_out", 0.0, 0.9)
PAIRS = (BATCH_SIZE, WARMUP_RATIO, HELD_OUT, ("eval_every", 0, 10**9))
"""Fields of every trainer on preference pairs."""
METHOD: Choices = ("method", ("lora", "full"))


def check_samples(owner: str, samples: Sequence[Sample], things: str = "samples") -> None:
    """Check that the trainer `owner` was given any samples.

    Raises:
        RecipeError: There are no samples.
    """
    if not samples:
        raise RecipeError(f"{owner} was given no {things}.", hint="Did a filter drop them all?", name=owner, samples=0)


def label_indices(owner: str, labels: Sequence[str], field: str, samples: Sequence[Sample]) -> list[int]:
    """Index of each sample's label in `labels`.

    Raises:
        RecipeError: There are no samples.
        FieldError: A sample has another label.
    """
    check_samples(owner, samples)
    index = {label: nth for nth, label in enumerate(labels)}
    for sample in samples:
        if (name := sample.text(field)) not in index:
            raise FieldError(
                f"Sample {sample.id} has the label {name!r}, which {owner}.labels lacks.",
                hint=did_you_mean(name, labels),
                name=f"{owner}.labels",
                sample=sample.id,
                label=name,
            )
    return [index[sample.text(field)] for sample in samples]


def weights_digest(folder: Path) -> str:
    """SHA-256 of the safetensors files in `folder`, in hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def check_model(owner: str, model: str, max_length: int, rank: int, max_tokens: int = 0) -> None:
    """Check that the trainer `owner` can tune `model`.

    Args:
        owner: Name of the trainer, for messages.
        model: Reference of the checkpoint.
        max_length: Maximum number of tokens of a prompt, or of a prompt and its answer where `max_tokens` is 0.
        rank: Rank of LoRA; 0 for full fine-tuning.
        max_tokens: Maximum number of tokens of an answer generated after the prompt.

    Raises:
        ModelError: A training library is not installed, the model does not exist, or it has no chat template.
        RecipeError: The rank or the lengths exceed what the model supports.
    """
    from assay.components.trainers.language_model import load_config, load_tokenizer, smallest_matrix

    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ModelError(f"{owner} needs {' and '.join(missing)}.", hint="pip install 'assay[tune]'")
    checkpoint = locate(model)
    config = load_config(checkpoint)
    load_tokenizer(checkpoint)
    _check_lengths(owner, model, getattr(config, "max_position_embeddings", None), max_length, max_tokens)
    if rank:
        maximum, name = smallest_matrix(config)
        if rank > maximum:
            raise RecipeError(
                f"{owner}.rank must be at most {maximum} for {model!r}, the smaller side of {name}, was {rank}.",
                name=f"{owner}.rank",
                maximum=maximum,
                value=rank,
            )


def _check_lengths(owner: str, model: str, context: int | None, max_length: int, max_tokens: int) -> None:
    if context is None or max_length + max_tokens <= context:
        return
    length = f"the context length of {model!r}"
    if max_length > context:
        raise RecipeError(
            f"{owner}.max_length must be at most {context}, {length}, was {max_length}.",
            name=f"{owner}.max_length",
            maximum=context,
            value=max_length,
        )
    raise RecipeError(
        f"{owner}.max_length and max_tokens must be at most {context} together, {length}, were {max_length} and "
        f"{max_tokens}.",
        name=f"{owner}.max_length",
        maximum=context,
        value=(max_length, max_tokens),
    )


def check_fields(trainer: object, bounds: Sequence[Bounds] = (), choices: Sequence[Choices] = ()) -> None:
    """Check a trainer's own fields against `bounds` and `choices`, and those that every language-model trainer has.

    Raises:
        ValueError: A field is out of bounds or not an allowed value.
    """
    owner = type(trainer).__name__
    for name, low, high in (*_BOUNDS, *bounds):
        value = getattr(trainer, name)
        if not low <= value <= high:
            raise ValueError(f"{owner}.{name} must be between {low:g} and {high:g}, was {value:g}.")
    for name, allowed in (*_CHOICES, *choices):
        if getattr(trainer, name) not in allowed:
            raise ValueError(f"{owner}.{name} must be one of {', '.join(allowed)}, was {getattr(trainer, name)!r}.")


_BOUNDS: tuple[Bounds, ...] = (
    ("steps", 1, 10**9),
    ("learning_rate", 1e-12, 1e3),
    ("rank", 1, 10**6),
    ("alpha", 1e-6, 1e6),
    ("max_length", 8, 10**7),
    ("save_every", 0, 10**9),
)
_CHOICES: tuple[Choices, ...] = (("precision", ("auto", "bfloat16", "float32")),)


PROMPT = ("history", "instruction", "input")
"""Fields that make up a prompt, if a sample has them."""


def prompt_digest(sample: Sample) -> str:
    """Digest of a sample's prompt: equal for all pairs and answers of one prompt."""
    parts = [sample.text(name).strip() if name in sample.fields else "" for name in PROMPT]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


def split_held_out(samples: Sequence[Sample], fraction: float, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Split samples into training samples and those of a random `fraction` of the prompts, both in the given order.

    The split depends on the prompts and not on `lab.seed`: all trainings hold out the same prompts, also on other
    samples of these prompts. At least one prompt remains for training; if `fraction` is above 0 and there are two
    prompts, at least one is held out.
    """
    prompts = sorted(
        {prompt_digest(sample) for sample in samples}, key=lambda prompt: (_random_key(prompt, seed), prompt)
    )
    count = math.floor(fraction * len(prompts) + 0.5)
    if fraction > 0 and len(prompts) > 1:
        count = min(max(count, 1), len(prompts) - 1)
    held_out = set(prompts[: min(count, max(0, len(prompts) - 1))])
    return (
        [sample for sample in samples if prompt_digest(sample) not in held_out],
        [sample for sample in samples if prompt_digest(sample) in held_out],
    )


def _random_key(prompt: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/held back/{prompt}".encode()).digest()
