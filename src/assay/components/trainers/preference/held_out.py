"""Prompts that a trainer of preferences does not learn from, so that it can be measured on them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence

from assay.core.sample import Sample

PROMPT = ("history", "instruction", "input")
"""The fields that make a prompt, as far as a sample has them."""


def prompt_of(sample: Sample) -> str:
    """Digest of what is asked: equal for every pair and answer of one prompt, whatever else they hold."""
    asked = [sample.text(name).strip() if name in sample.fields else "" for name in PROMPT]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()[:16]


def held_back(samples: Sequence[Sample], share: float, seed: int = 0) -> tuple[list[Sample], list[Sample]]:
    """Those to learn from, and those of `share` of the prompts to be measured on, each in their old order.

    By the lot of each prompt alone, and not by `lab.seed`: every training, and trainers that are given other samples
    of the same prompts, hold back the same ones. One prompt at least is left to learn from; with a share above 0 and
    two prompts, one is held back.
    """
    prompts = sorted({prompt_of(one) for one in samples}, key=lambda one: (_lot(one, seed), one))
    count = math.floor(share * len(prompts) + 0.5)
    if share > 0 and len(prompts) > 1:
        count = min(max(count, 1), len(prompts) - 1)
    held = set(prompts[: min(count, max(0, len(prompts) - 1))])
    return (
        [one for one in samples if prompt_of(one) not in held],
        [one for one in samples if prompt_of(one) in held],
    )


def _lot(prompt: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/held back/{prompt}".encode()).digest()
