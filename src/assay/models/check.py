"""One question to a language model: whether it answers, how fast, what it needs and what it cannot do."""

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
class Need:
    """What an open model takes of memory."""

    parameters: int
    weights: int
    """Bytes: parameters times bits, in the precision it runs in here."""
    cache_per_token: int
    """Bytes of keys and values for each token of a conversation."""


@dataclass(frozen=True)
class Checked:
    """What came of it."""

    reference: str
    backend: str
    answer: str
    tokens: int | None
    seconds: float
    """Of the second asking, so that no loading is in it; of the only one where it costs money."""
    context: int | None
    need: Need | None
    """None for a model that runs elsewhere, or whose files are not here."""
    dollars_per_million: tuple[float, float] | None
    """(prompt, answer) tokens of a closed model; None where the price is not known, or nothing is paid."""
    cannot: tuple[str, ...]
    note: str


def check_model(reference: str, device: Device | None = None) -> Checked:
    """Asks one short question.

    Raises:
        ModelError: There is no such model, or it gave no answer.
    """
    device = device or Device()
    # Not the one that keeps answers: a kept one would tell neither speed nor whether the service is there.
    model: TextModel = RemoteModel(reference) if is_remote(reference) else OpenModels(device).text_model(reference)
    request = TextRequest((Message("user", QUESTION),), Decoding(max_tokens=TOKENS))
    if not is_remote(reference):
        model.complete([request])
    started = time.perf_counter()
    (made,) = model.complete([request])
    seconds = time.perf_counter() - started
    if not isinstance(made, Completion):
        raise ModelError(f"Model {reference!r} gave no answer ({made.lack}): {made.reason}")
    return Checked(
        reference=reference,
        backend=_backend(reference, device),
        answer=made.answers[0].text,
        tokens=made.answers[0].tokens,
        seconds=seconds,
        context=model.means.context,
        need=None if is_remote(reference) else _need(reference, device),
        dollars_per_million=_price(reference) if is_remote(reference) else None,
        cannot=_cannot(model.means),
        note=model.means.note,
    )


def _backend(reference: str, device: Device) -> str:
    if is_remote(reference):
        return find_endpoint(reference).service.name
    return select_backend("text-model", reference, device)[0].name


def _cannot(means: Capabilities) -> tuple[str, ...]:
    usual = ("strategy", "beams", "max_tokens", "answers", "seed")
    controls = [field.name for field in fields(Decoding) if field.name not in usual]
    found = [f"{name} search" if name == "beam" else name for name in STRATEGIES if name not in means.strategies]
    if "beam" not in means.strategies:
        controls.remove("length_penalty")  # which is beam search's own
    found += [name for name in controls if name not in means.controls]
    found += [] if means.log_probs else ["log-probabilities"]
    found += [] if means.reproducible else ["the same text for the same seed"]
    return (*found, *([] if means.images else ["images"]))


def _need(reference: str, device: Device) -> Need | None:
    backend, request = select_backend("text-model", reference, device)
    folder = request.checkpoint.folder if backend.checkpoint else None
    if folder is None:
        return None
    config = read_json(folder / "config.json")
    heads = config.get("num_attention_heads") or 1
    width = config.get("head_dim") or (config.get("hidden_size") or 0) // heads
    size = BYTES.get(device.dtype, 4)
    kept = 2 * (config.get("num_hidden_layers") or 0) * (config.get("num_key_value_heads") or heads) * width * size
    parameters = sum(_parameters(path) for path in folder.glob("*.safetensors"))
    return Need(parameters, parameters * size, kept)


def _parameters(path: Path) -> int:
    """Of a safetensors file, by its header alone."""
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _price(reference: str) -> tuple[float, float] | None:
    from assay.models.remote.budget import cost_in_dollars
    from assay.models.remote.wire import TokenUsage

    endpoint = find_endpoint(reference)
    ends = [cost_in_dollars(endpoint, None, usage) for usage in (TokenUsage(1_000_000, 0), TokenUsage(0, 1_000_000))]
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])
