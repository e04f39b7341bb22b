"""What every tuning of a language model asks of its start and of this machine before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TypeAlias

from assay.core.errors import ModelError, RecipeError
from assay.models.references import locate

PACKAGES = ("trl", "peft", "datasets")
Bounds: TypeAlias = tuple[str, float, float]
"""Of a field that is a number: its name, the least and the most it may be."""
Words: TypeAlias = tuple[str, tuple[str, ...]]
"""Of a field that is a word: its name, and all that it may be."""
BATCH: Bounds = ("batch", 1, 10**6)
WARMUP: Bounds = ("warmup", 0.0, 1.0)
HELD_OUT: Bounds = ("held_out", 0.0, 0.9)
PAIRS = (BATCH, WARMUP, HELD_OUT, ("measure_every", 0, 10**9))
"""What every trainer on pairs has."""
METHOD: Words = ("method", ("lora", "full"))


def check_start(owner: str, model: str, max_length: int, rank: int, max_tokens: int = 0) -> None:
    """Looks whether `owner`, a trainer, can tune `model`; a rank of 0 is no LoRA.

    `max_tokens` is of an answer that comes behind `max_length` tokens; 0 where they hold the answer too.

    Raises:
        ModelError: What trains is not installed, there is no such model, or it has no chat template.
        RecipeError: The rank or the lengths are more than the model has.
    """
    from assay.components.trainers.sft.model import config_of, narrowest, tokenizer_of

    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ModelError(f"{owner} needs {' and '.join(missing)}.", hint="pip install 'assay[tune]'")
    start = locate(model)
    config = config_of(start)
    tokenizer_of(start)
    _check_lengths(owner, model, getattr(config, "max_position_embeddings", None), max_length, max_tokens)
    if rank:
        most, name = narrowest(config)
        if rank > most:
            raise RecipeError(
                f"{owner}.rank must be at most {most} for {model!r}, the smaller side of {name}, was {rank}."
            )


def _check_lengths(owner: str, model: str, context: int | None, max_length: int, max_tokens: int) -> None:
    if context is None or max_length + max_tokens <= context:
        return
    if max_length > context:
        raise RecipeError(f"{owner}.max_length must be at most {context}, which {model!r} reads, was {max_length}.")
    raise RecipeError(
        f"{owner}.max_length and max_tokens must be at most {context} together, which {model!r} reads, were "
        f"{max_length} and {max_tokens}."
    )


def halves(precision: str) -> bool:
    """Whether matrices are multiplied in bfloat16; "auto" is so where the processor has it in hardware."""
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def check_fields(trainer: object, bounds: Sequence[Bounds] = (), words: Sequence[Words] = ()) -> None:
    """Refuses a trainer whose arguments lie outside of their bounds, or are no word that is known.

    `bounds` and `words` are of its own fields; those that every tuning has are looked at anyway.

    Raises:
        ValueError: One does.
    """
    owner = type(trainer).__name__
    for name, low, high in (*_BOUNDS, *bounds):
        value = getattr(trainer, name)
        if not low <= value <= high:
            raise ValueError(f"{owner}.{name} must be between {low:g} and {high:g}, was {value:g}.")
    for name, known in (*_WORDS, *words):
        if getattr(trainer, name) not in known:
            raise ValueError(f"{owner}.{name} must be one of {', '.join(known)}, was {getattr(trainer, name)!r}.")


def untold(step: int, steps: int) -> None:
    """Nobody follows."""


_BOUNDS: tuple[Bounds, ...] = (
    ("steps", 1, 10**9),
    ("rate", 1e-12, 1e3),
    ("rank", 1, 10**6),
    ("alpha", 1e-6, 1e6),
    ("max_length", 8, 10**7),
    ("save_every", 0, 10**9),
)
_WORDS: tuple[Words, ...] = (("precision", ("auto", "bfloat16", "float32")),)
