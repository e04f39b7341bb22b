"""Which backend answers for a language model.

| reference | backend |
|---|---|
| `embedded:smollm2`, `file.gguf` | `openvino` on a CPU where it is installed, else `transformers` |
| a folder, `org/name` | `vllm` on a GPU where it is installed, else `transformers` |
| `openvino:REF`, `transformers:REF`, `vllm:REF` | the one that is named |
| `openai:NAME`, `anthropic:NAME`, `gemini:NAME`, `http://host/v1#NAME` | over HTTP |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import ModelError
from assay.models.conversions import cache
from assay.models.loading import Device, Placement, placed
from assay.models.references import GGUF, Checkpoint, locate
from assay.models.remote.model import open_remote
from assay.models.remote.services import is_remote
from assay.models.text.gguf import F16_FILE
from assay.models.text.openvino_model import OpenVinoText, available
from assay.models.text.transformers_model import HfTextModel, open_text
from assay.models.text.vllm_model import VllmText, open_vllm, runs_on
from assay.models.text.vllm_model import available as vllm_available

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.model_kinds import TextModel
    from assay.models.remote.budget import Budget

OPENVINO, TRANSFORMERS, VLLM = "openvino", "transformers", "vllm"
BACKENDS = {OPENVINO: OpenVinoText, TRANSFORMERS: HfTextModel, VLLM: VllmText}
"""Each by the name that a reference may begin with."""
GPU_ROWS = 32
"""Requests that transformers answers at once off the CPU."""


def open_language(reference: str, device: Device, budget: Budget | None = None) -> TextModel:
    """Opens a language model; `budget` is for one that is asked over HTTP.

    Raises:
        ModelError: There is none, its backend is not installed, or it cannot be loaded.
    """
    if is_remote(reference):
        return open_remote(reference, answers=answers_folder(), budget=budget)
    backend, named = named_backend(reference)
    checkpoint = locate(named)
    placement = placed(device)
    backend = backend or best_backend(checkpoint, placement)
    if backend == OPENVINO:
        return _openvino(checkpoint, placement)
    if backend == VLLM:
        return open_vllm(checkpoint, placement)
    return open_text(checkpoint, placement, rows=1 if placement.device == "cpu" else GPU_ROWS)


def open_stepped(reference: str, device: Device) -> HfTextModel:
    """Opens a language model by transformers, whose logits can be seen.

    Raises:
        ModelError: There is none, or it cannot be loaded.
    """
    if is_remote(reference):
        raise ModelError(f"Model {reference!r} does not show its logits; an open model does, such as embedded:smollm2.")
    _, named = named_backend(reference)
    return open_text(locate(named), placed(device), rows=1)


def answers_folder() -> Path:
    """Where answers of services are kept, for every run of this user."""
    return cache().parent / "answers"


def named_backend(reference: str) -> tuple[str | None, str]:
    """The backend that a reference begins with, if it does, and the rest."""
    before, colon, rest = reference.partition(":")
    return (before, rest) if colon and before in BACKENDS else (None, reference)


def backend_of(model: TextModel) -> str:
    """The name of the backend that an open model is asked by; "" where it is none of this machine."""
    return next((name for name, kind in BACKENDS.items() if isinstance(model, kind)), "")


def best_backend(checkpoint: Checkpoint, placement: Placement) -> str:
    """The backend for a reference that names none."""
    if _suits(checkpoint, placement):
        return OPENVINO
    on_gpu = placement.device.startswith("cuda") and runs_on(placement)
    return VLLM if on_gpu and vllm_available() and not _unpacked(checkpoint) else TRANSFORMERS


def _suits(checkpoint: Checkpoint, placement: Placement) -> bool:
    """Whether OpenVINO can and should answer: it needs the F16 GGUF that unpacking leaves."""
    return placement.device == "cpu" and available() and _unpacked(checkpoint)


def _unpacked(checkpoint: Checkpoint) -> bool:
    return checkpoint.folder is not None and (checkpoint.folder / F16_FILE).is_file()


def _openvino(checkpoint: Checkpoint, placement: Placement) -> OpenVinoText:
    if placement.device != "cpu":
        raise ModelError(f"The backend 'openvino' runs on a CPU, not on {placement.device!r}.")
    if checkpoint.folder is None or not _suits(checkpoint, placement):
        raise ModelError(
            f"The backend 'openvino' cannot open {checkpoint.reference!r}.",
            hint=f"It takes embedded:smollm2 and {GGUF} files of the Llama family, where openvino-genai is installed.",
        )
    return OpenVinoText(checkpoint.folder, checkpoint.reference, fast=placement.dtype == "bfloat16")
