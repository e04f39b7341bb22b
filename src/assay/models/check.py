"""Check of a language model with one request: speed, memory, price and unsupported options."""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import STRATEGIES, Decoding
from assay.core.errors import ModelError
from assay.models.loading import Device
from assay.models.open_models import OpenModels
from assay.models.references import read_json
from assay.models.registry import select_backend
from assay.models.remote.model import RemoteModel
from assay.models.remote.services import find_endpoint, is_remote

if TYPE_CHECKING:
    from assay.core.completions import Capabilities
    from assay.core.model_kinds import TextModel

QUESTION = "Name three colors."
TOKENS = 32
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 4}


@dataclass(frozen=True)
class MemoryNeed:
    """Memory that a local model needs."""

    parameters: int
    weights: int
    """Bytes of the weights, in the precision on this device."""
    cache_per_token: int
    """Bytes of keys and values for each token."""


@dataclass(frozen=True)
class ModelCheck:
    """Result of `check_model`."""

    reference: str
    backend: str
    answer: str
    tokens: int | None
    seconds: float
    """Of the second request, to exclude loading; of the only one where requests cost money."""
    context: int | None
    need: MemoryNeed | None
    """None for a remote model, or if its files are not on this machine."""
    dollars_per_million: tuple[float, float] | None
    """Price of (prompt, answer) tokens of a remote model; None if it is unknown or requests are free."""
    cannot: tuple[str, ...]
    note: str


def check_model(reference: str, device: Device | None = None) -> ModelCheck:
    """Send one short request.

    Raises:
        ModelError: There is no such model, or it did not answer.
    """
    device = device or Device()
    # Without a cache: a cached answer would show neither speed nor availability.
    model: TextModel = RemoteModel(reference) if is_remote(reference) else OpenModels(device).text_model(reference)
    request = TextRequest((Message("user", QUESTION),), Decoding(max_tokens=TOKENS))
    if not is_remote(reference):
        model.complete([request])
    started = time.perf_counter()
    (completion,) = model.complete([request])
    seconds = time.perf_counter() - started
    if not isinstance(completion, Completion):
        raise ModelError(f"Model {reference!r} did not answer ({completion.lack}): {completion.reason}")
    return ModelCheck(
        reference=reference,
        backend=_backend(reference, device),
        answer=completion.answers[0].text,
        tokens=completion.answers[0].tokens,
        seconds=seconds,
        context=model.means.context,
        need=None if is_remote(reference) else _need(reference, device),
        dollars_per_million=_price(reference) if is_remote(reference) else None,
        cannot=_unsupported_options(model.means),
        note=model.means.note,
    )


def _backend(reference: str, device: Device) -> str:
    if is_remote(reference):
        return find_endpoint(reference).service.name
    return select_backend("text-model", reference, device)[0].name


def _unsupported_options(means: Capabilities) -> tuple[str, ...]:
    universal = ("strategy", "beams", "max_tokens", "answers", "seed")
    controls = [field.name for field in fields(Decoding) if field.name not in universal]
    unsupported = [f"{name} search" if name == "beam" else name for name in STRATEGIES if name not in means.strategies]
    if "beam" not in means.strategies:
        controls.remove("length_penalty")  # applies to beam search only
    unsupported += [name for name in controls if name not in means.controls]
    unsupported += [] if means.log_probs else ["log-probabilities"]
    unsupported += [] if means.reproducible else ["the same text for the same seed"]
    return (*unsupported, *([] if means.images else ["images"]))


def _need(reference: str, device: Device) -> MemoryNeed | None:
    backend, request = select_backend("text-model", reference, device)
    folder = request.checkpoint.folder if backend.checkpoint else None
    if folder is None:
        return None
    config = read_json(folder / "config.json")
    heads = config.get("num_attention_heads") or 1
    width = config.get("head_dim") or (config.get("hidden_size") or 0) // heads
    size = BYTES.get(device.dtype, 4)
    cache = 2 * (config.get("num_hidden_layers") or 0) * (config.get("num_key_value_heads") or heads) * width * size
    parameters = sum(_parameters(path) for path in folder.glob("*.safetensors"))
    return MemoryNeed(parameters, parameters * size, cache)


def _parameters(path: Path) -> int:
    """Number of parameters in a safetensors file, from its header."""
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _price(reference: str) -> tuple[float, float] | None:
    from assay.models.remote.budget import cost_in_dollars
    from assay.models.remote.wire import TokenUsage

    endpoint = find_endpoint(reference)
    prompt = cost_in_dollars(endpoint, None, TokenUsage(1_000_000, 0))
    answer = cost_in_dollars(endpoint, None, TokenUsage(0, 1_000_000))
    return None if prompt is None or answer is None else (prompt, answer)
