"""Held-out prompts of trainers that learn from preferences or rewards."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence

from assay.core.sample import Sample

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
    prompts = sorted({prompt_digest(one) for one in samples}, key=lambda prompt: (_random_key(prompt, seed), prompt))
    count = math.floor(fraction * len(prompts) + 0.5)
    if fraction > 0 and len(prompts) > 1:
        count = min(max(count, 1), len(prompts) - 1)
    held_out = set(prompts[: min(count, max(0, len(prompts) - 1))])
    return (
        [one for one in samples if prompt_digest(one) not in held_out],
        [one for one in samples if prompt_digest(one) in held_out],
    )


def _random_key(prompt: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/held back/{prompt}".encode()).digest()
