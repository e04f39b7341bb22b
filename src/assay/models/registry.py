"""Table of model backends: which adapter opens a model of each kind.

A reference selects a backend in one of two ways:

* `BACKEND:REST`: the backend with this name, such as `openvino:embedded:smollm2` or `openai:gpt-5`;
* any other reference (`embedded:NAME`, a folder, a `.gguf` file, `org/name`): the first backend of the kind that
  matches it.

To add a backend to assay, write its adapter and add one row to `BACKENDS`. A plug-in package adds one through the
entry-point group `assay.models` instead. The name of the entry point is the scheme in references:

    [project.entry-points."assay.models"]
    mybackend = "my_package.module:BACKEND"

`BACKEND` is a `Backend`, or a tuple of them where the scheme serves several kinds of models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from assay.core.errors import ModelError, did_you_mean
from assay.models.loading import Device, ModelRequest
from assay.models.references import EMBEDDED, FORMS, GGUF

if TYPE_CHECKING:
    from assay.models.remote.budget import Budget

ModelKind: TypeAlias = Literal[
    "image-generator",
    "image-classifier",
    "twin-encoder",
    "text-model",
    "token-model",
    "embedder",
    "text-classifier",
    "reward-model",
]
KINDS: Mapping[ModelKind, str] = {
    "image-generator": "a text-to-image model (`ImageModel`)",
    "image-classifier": "an image classifier (`Classifier`)",
    "twin-encoder": "a text-image encoder such as CLIP (`TwinEncoder`)",
    "text-model": "a language model that generates text (`TextModel`)",
    "token-model": "a language model that gives access to its logits (`LikelihoodModel`, `SteppedModel`)",
    "embedder": "a sentence encoder (`Embedder`)",
    "text-classifier": "a text classifier (`TextClassifier`, and `PairClassifier` where it takes pairs)",
    "reward-model": "a reward model (`AnswerRewardModel`)",
}
"""Each kind of model with its protocol in `assay.core.model_kinds`."""
GROUP = "assay.models"
"""Entry-point group of plug-ins."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


@dataclass(frozen=True)
class Backend:
    """One way to open models of one kind. The function that opens them is imported when it is first used."""

    name: str
    """Scheme that selects this backend: `name:REST`."""
    kind: ModelKind
    open: str | Callable[[ModelRequest], Any]
    """Function, or its path as "module:function". Returns an object that follows the protocol of `kind`."""
    matches: str | Callable[[ModelRequest], bool] | None = None
    """Whether this backend opens a reference without scheme. None: it is selected by its scheme only."""
    checkpoint: bool = False
    """Whether what follows the scheme is a checkpoint, which is opened again after its files have changed."""
    charges: bool = False
    """Whether requests cost money; then `ModelRequest.budget` is set."""

    def accepts(self, request: ModelRequest) -> bool:
        """Whether this backend opens a reference without scheme."""
        if self.matches is None:
            return False
        matches = resolve_name(self.matches) if isinstance(self.matches, str) else self.matches
        return bool(matches(request))

    def open_model(self, request: ModelRequest) -> Any:
        """Open the model.

        Raises:
            ModelError: There is no such model, it cannot be loaded, or the backend is not installed.
        """
        function = resolve_name(self.open) if isinstance(self.open, str) else self.open
        return function(request)


def any_checkpoint(request: ModelRequest) -> bool:
    """Match every reference: for the default backend of a kind, its last row."""
    return True


_IMAGE, _TEXT, _ENCODERS = "assay.models.image", "assay.models.text", "assay.models.embedding.sentences"
_REMOTE = "assay.models.remote.model:open_remote_backend"
_LOGITS = f"{_TEXT}.transformers_model:open_token_model"
_ON_CPU, _ON_GPU = f"{_TEXT}.openvino_model:is_default_for", f"{_TEXT}.vllm_model:is_default_for"
_NSFW = f"{_IMAGE}.classifiers:is_open_nsfw"
BACKENDS: tuple[Backend, ...] = (
    # name, kind, open, matches, checkpoint
    Backend("diffusers", "image-generator", f"{_IMAGE}.diffusion:open_diffusion", any_checkpoint, True),
    Backend("open-nsfw", "image-classifier", f"{_IMAGE}.classifiers:open_nsfw", _NSFW),
    Backend("transformers", "image-classifier", f"{_IMAGE}.classifiers:open_classifier", any_checkpoint, True),
    Backend("transformers", "twin-encoder", f"{_IMAGE}.clip:open_clip", any_checkpoint, True),
    *(
        Backend(scheme, "text-model", _REMOTE, charges=True)
        for scheme in ("openai", "anthropic", "gemini", "http", "https")
    ),
    Backend("openvino", "text-model", f"{_TEXT}.openvino_model:open_openvino", _ON_CPU, True),
    Backend("vllm", "text-model", f"{_TEXT}.vllm_model:open_vllm", _ON_GPU, True),
    Backend("transformers", "text-model", f"{_TEXT}.transformers_model:open_text_model", any_checkpoint, True),
    # Only transformers gives access to logits, whichever backend generates text from the same reference.
    Backend("openvino", "token-model", _LOGITS, None, True),
    Backend("vllm", "token-model", _LOGITS, None, True),
    Backend("transformers", "token-model", _LOGITS, any_checkpoint, True),
    Backend("openvino", "embedder", f"{_ENCODERS}:open_openvino_encoder", f"{_ENCODERS}:is_default_for", True),
    Backend("transformers", "embedder", f"{_ENCODERS}:open_transformers_encoder", any_checkpoint, True),
    Backend("transformers", "text-classifier", f"{_TEXT}.classifiers:open_text_classifier", any_checkpoint, True),
    Backend("transformers", "reward-model", f"{_TEXT}.classifiers:open_reward_model", any_checkpoint, True),
)
"""The backends of assay. For a reference without scheme, the first row of its kind that matches wins."""


def select_backend(
    kind: ModelKind, reference: str, device: Device, budget: Budget | None = None
) -> tuple[Backend, ModelRequest]:
    """Select the backend that opens a reference, and the request to open it with; loads no model.

    Raises:
        ModelError: There is no backend of this name or for this kind of model, or no such model.
    """
    scheme = _scheme_of(reference)
    request = ModelRequest(reference, device, scheme=scheme)
    if scheme:
        backend = _find_backend(kind, scheme, reference)
    else:
        backend = next(row for row in BACKENDS if row.kind == kind and row.accepts(request))
    return backend, replace(request, budget=budget) if backend.charges else request


def open_model(kind: ModelKind, reference: str, device: Device, budget: Budget | None = None) -> Any:
    """Open a new model; `OpenModels` opens each one once in a process.

    Raises:
        ModelError: As `select_backend`, or the model cannot be loaded.
    """
    backend, request = select_backend(kind, reference, device, budget)
    return backend.open_model(request)


@cache
def _plug_ins() -> Mapping[str, EntryPoint]:
    """Scheme to entry point, not loaded yet. The backends of assay take precedence."""
    ours = {backend.name for backend in BACKENDS}
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ours}


def _scheme_of(reference: str) -> str:
    """The backend's name that a reference begins with; "" for an embedded model, a path or a model of the hub."""
    scheme, colon, _ = reference.partition(":")
    if not colon or f"{scheme}:" == EMBEDDED or not _SCHEME.fullmatch(scheme):
        return ""
    if scheme in _plug_ins() or any(backend.name == scheme for backend in BACKENDS):
        return scheme
    path = Path(reference).expanduser()
    return "" if path.suffix == GGUF or path.is_dir() else scheme


def _find_backend(kind: ModelKind, scheme: str, reference: str) -> Backend:
    rows = [backend for backend in BACKENDS if backend.name == scheme] or _load_plug_in(scheme)
    if not rows:
        names = {backend.name for backend in BACKENDS if backend.kind == kind} | set(_plug_ins())
        raise ModelError(
            f"Model {reference!r}: there is no model backend {scheme!r}.",
            hint=f"{did_you_mean(scheme, names)} {FORMS}",
        )
    for backend in rows:
        if backend.kind == kind:
            return backend
    opens = " and ".join(sorted({KINDS[backend.kind].partition(" (")[0] for backend in rows}))
    raise ModelError(
        f"Model {reference!r}: the backend {scheme!r} opens {opens}, not {KINDS[kind].partition(' (')[0]}.",
        hint=FORMS,
        model=reference,
        backend=scheme,
        kind=kind,
        opens=tuple(sorted({backend.kind for backend in rows})),
    )


def _load_plug_in(scheme: str) -> list[Backend]:
    """The backends of a plug-in; empty if no plug-in has this scheme."""
    point = _plug_ins().get(scheme)
    if point is None:
        return []
    try:
        value = point.load()
    except Exception as error:  # whatever the plug-in's module raises while it is imported
        raise ModelError(
            f"The model backend {scheme!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}."
        ) from error
    rows = list(value) if isinstance(value, (tuple, list)) else [value]
    if not all(isinstance(row, Backend) and row.kind in KINDS for row in rows):
        raise ModelError(
            f"The model backend {scheme!r} ({point.value}) must be a Backend or a tuple of them, "
            f"each of one of these kinds: {', '.join(KINDS)}."
        )
    return rows
