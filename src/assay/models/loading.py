"""Devices, loading of checkpoints, and batches: shared by all adapters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from assay.core.errors import ModelError, did_you_mean
from assay.models.references import EMBEDDED, Checkpoint, embedded_names, kind_of, locate

if TYPE_CHECKING:
    import torch

    from assay.core.model_kinds import Matrix
    from assay.models.remote.budget import Budget

HUB_TIMEOUT_S = 5.0
"""Timeout of one request to the hub before a download; its client would retry for half a minute or more."""
DTYPES = ("auto", "bfloat16", "float16", "float32")
T = TypeVar("T")


@dataclass(frozen=True)
class Device:
    """Device and precision of models."""

    device: str = "auto"
    """A torch device such as "cpu" or "cuda:1"; "auto" is cuda if available."""
    dtype: str = "auto"
    """One of DTYPES; "auto" is bfloat16 on cuda and float32 elsewhere; but sentence encoders with OpenVINO use
    bfloat16 if the processor supports it in hardware."""
    image_batch: int = 8
    """Batch size on devices other than the CPU. On the CPU it depends only on the image size, so that no setting
    changes pixels."""


@dataclass(frozen=True)
class Placement:
    """A `Device` whose "auto" values are resolved."""

    device: str
    dtype: str

    def torch_dtype(self) -> torch.dtype:
        """The dtype of torch."""
        import torch

        dtype = getattr(torch, self.dtype)
        assert isinstance(dtype, torch.dtype)
        return dtype


def resolve_device(device: Device, *, cuda: bool) -> Placement:
    """Resolve "auto", given whether this machine has cuda.

    Raises:
        ModelError: There is no such dtype, or cuda is requested but not available.
    """
    if device.dtype not in DTYPES:
        raise ModelError(f"There is no dtype {device.dtype!r}.", hint=did_you_mean(device.dtype, DTYPES))
    name = ("cuda" if cuda else "cpu") if device.device == "auto" else device.device
    if name.startswith("cuda") and not cuda:
        raise ModelError(f"Device {name!r} is not available: torch finds no cuda on this machine.")
    if device.dtype != "auto":
        return Placement(name, device.dtype)
    return Placement(name, "bfloat16" if name.startswith("cuda") else "float32")


def resolve_placement(device: Device) -> Placement:
    """`resolve_device` on this machine.

    Raises:
        ModelError: As `resolve_device`, or torch has no such device.
    """
    import torch

    placement = resolve_device(device, cuda=torch.cuda.is_available())
    try:
        torch.device(placement.device)
    except RuntimeError as error:
        raise ModelError(
            f"There is no device {placement.device!r}.", hint="Known: auto, cpu, cuda, cuda:1, mps."
        ) from error
    return placement


@dataclass(frozen=True)
class ModelRequest:
    """A model to open, the argument of a backend."""

    reference: str
    """As the user wrote it."""
    device: Device = field(default_factory=Device)
    scheme: str = ""
    """Name of the backend that the reference begins with; "" for none."""
    budget: Budget | None = None
    """Set only for a backend that charges for requests."""

    @property
    def name(self) -> str:
        """The reference without the scheme."""
        return self.reference.removeprefix(f"{self.scheme}:") if self.scheme else self.reference

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that `name` refers to.

        Raises:
            ModelError: As `locate`.
        """
        return locate(self.name)

    @cached_property
    def placement(self) -> Placement:
        """Device and dtype on this machine.

        Raises:
            ModelError: As `resolve_placement`.
        """
        return resolve_placement(self.device)


def fetch(checkpoint: Checkpoint, load: Callable[[bool], T]) -> T:
    """Load from the folder or the hub's cache, and from the hub only if that fails.

    Args:
        checkpoint: The model.
        load: Calls `from_pretrained`; its argument is `local_files_only`.

    Raises:
        ModelError: The model cannot be loaded; the cause is chained.
    """
    # The libraries raise OSError, ValueError, KeyError, RuntimeError, SafetensorError, ... for a bad checkpoint.
    with _quiet():
        try:
            return load(True)
        except ModelError:
            raise
        except Exception as error:
            if checkpoint.folder is not None:
                raise _loading_error(checkpoint, error) from error
        _ask_hub(checkpoint.location)
        try:
            return load(False)
        except ModelError:
            raise
        except Exception as error:
            raise _loading_error(checkpoint, error) from error


def _check_whole(checkpoint: Checkpoint, missing: Sequence[str], model: object) -> None:
    """Reject a model with missing weights: transformers would initialize them at random.

    Raises:
        ModelError: `missing` names weights.
    """
    if missing:
        names = ", ".join(sorted(missing)[:3]) + (" ..." if len(missing) > 3 else "")
        raise ModelError(
            f"Model {checkpoint.reference!r} is not a {type(model).__name__}: weights are missing for {names}.",
        )


def wrong_kind_error(checkpoint: Checkpoint, expected: str) -> ModelError:
    """Error for a folder with another kind of model; `expected` is the kind that is required."""
    assert checkpoint.folder is not None
    kind = kind_of(checkpoint.folder)
    return ModelError(
        f"Model {checkpoint.reference!r} is a {kind}; {expected} is required here.",
        model=checkpoint.reference,
        actual=kind,
        needed=expected,
    )


def fixed_batches(items: Sequence[T], rows: int) -> Iterator[tuple[list[T], int]]:
    """Split work into batches of exactly `rows`; the last one is filled up with its last item.

    Yields (batch, number of items that are not filler).

    Libraries choose kernels by shape, and kernels differ in the order of summation. With varying batch sizes a result
    changes in its last bits (measured: 1e-6 for a UNet, CLIP or ResNet). With a fixed shape it does not.
    """
    for start in range(0, len(items), rows):
        batch = list(items[start : start + rows])
        yield batch + [batch[-1]] * (rows - len(batch)), len(batch)


def image_batch_size(processor: Any) -> int:
    """Batch size for images: 64 up to 64 x 64 pixels, 16 above.

    Small images do not fill the kernels at 16. For a few large images a batch of 64 would be mostly filler.
    """
    import numpy as np
    from PIL import Image

    black = Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8))
    height, width = processor(images=[black], return_tensors="np")["pixel_values"].shape[-2:]
    return 64 if height * width <= 64**2 else 16


def folder_on_disk(checkpoint: Checkpoint, files: Sequence[str], *, local: bool) -> str:
    """The checkpoint's folder; for a hub model, its folder in the hub's cache with the `files` of these patterns."""
    if checkpoint.folder is not None:
        return checkpoint.location
    from huggingface_hub import snapshot_download

    return snapshot_download(checkpoint.location, local_files_only=local, allow_patterns=list(files))


def load_pretrained(kind: Any, checkpoint: Checkpoint, placement: Placement, *, local: bool) -> Any:
    """Load a model of a transformers class in evaluation mode.

    Raises:
        ModelError: Weights are missing.
    """
    model, info = kind.from_pretrained(
        checkpoint.location,
        dtype=placement.torch_dtype(),
        use_safetensors=True,
        local_files_only=local,
        # With peft installed, auto classes look for an adapter first; only this keeps that search local.
        adapter_kwargs={"local_files_only": local},
        output_loading_info=True,
    )
    _check_whole(checkpoint, list(info["missing_keys"]), model)
    return model.to(placement.device).eval()


def check_finite(matrix: Matrix, reference: str) -> Matrix:
    """Return `matrix` if all of it is finite.

    Raises:
        ModelError: It is not finite: the weights are damaged, or overflow in 16 bit.
    """
    import numpy as np

    if not np.isfinite(matrix).all():
        raise ModelError(f"Model {reference!r} returned values that are not finite.", hint='Try dtype "float32".')
    return matrix


def _ask_hub(identifier: str) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    names = ", ".join(EMBEDDED + name for name in embedded_names())
    hint = f"Embedded models: {names}."
    try:
        HfApi().model_info(identifier, timeout=HUB_TIMEOUT_S)
    except GatedRepoError as error:
        raise ModelError(f"Model {identifier!r} is gated on the hub: request access there, then log in.") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"There is no public model {identifier!r} on the Hugging Face hub.", hint=hint) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(
            f"Model {identifier!r} is not in the local cache, and HF_HUB_OFFLINE is set.",
            hint=hint,
            model=identifier,
            hub="offline",
        ) from error
    # The client's network errors have no common root below Exception.
    except Exception as error:
        raise ModelError(
            f"Model {identifier!r} is not in the local cache, and the Hugging Face hub did not answer.",
            hint=hint,
            model=identifier,
            hub="unreachable",
        ) from error


def _loading_error(checkpoint: Checkpoint, error: Exception) -> ModelError:
    first = (str(error).strip() or repr(error)).splitlines()[0]
    return ModelError(
        f"Model {checkpoint.reference!r} cannot be loaded from {checkpoint.location}: {first}",
        model=checkpoint.reference,
        path=checkpoint.location,
        reason=first,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Disable progress bars and warnings of the libraries."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries: list[Any] = [diffusers_logging, transformers_logging]
    with_bars = [library for library in libraries if library.is_progress_bar_enabled()]
    levels = [(library, library.get_verbosity()) for library in libraries]
    for library in libraries:
        library.disable_progress_bar()
        library.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        for library in with_bars:
            library.enable_progress_bar()
        for library, level in levels:
            library.set_verbosity(level)
