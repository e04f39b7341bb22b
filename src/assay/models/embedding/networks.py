"""Sentence encoder networks: transformers on any device, or OpenVINO on a CPU.

Batches have fixed shapes. Libraries choose kernels by shape, and kernels differ in the order of summation. With fixed
shapes a row does not depend on the other rows of its batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.errors import ModelError
from assay.models.caches import build_once, digest_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from assay.core.model_kinds import Matrix

    Ids = npt.NDArray[np.int64]

FORMAT = 1
"""Version of the cached conversion. Increase it when the conversion changes."""
STREAMS = 16
"""Maximum number of inference streams; each allocates memory."""
CHECKED_SHAPES = ((1, 1), (2, 7), (3, 20))
"""(rows, width): shapes, other than the traced one, in which a converted network is compared with the original."""
PRECISIONS = {"bfloat16": "bf16", "float32": "f32"}


@dataclass(frozen=True)
class TokenBatch:
    """Token ids of texts of similar length, padded to one width."""

    ids: Ids
    """(rows, width) tokens."""
    mask: Ids
    """(rows, width): 1 for tokens, 0 for padding."""


class EncoderNetwork(Protocol):
    """Network that computes mean-pooled embeddings of token batches."""

    how: str
    """Backend and precision, such as "openvino bfloat16"."""
    dimensions: int
    tokens: int
    """Tokens in a batch. Larger batches are no faster, and waste more where they are not full."""

    def means(self, batches: Iterable[TokenBatch]) -> Iterator[Matrix]:
        """(rows, dimensions) for each batch, in order: mean of the last layer over tokens, scaled to unit length."""
        ...


class HfNetwork:
    """Encoder of transformers."""

    def __init__(self, model: Any) -> None:
        """Wraps a loaded encoder."""
        self.model = model
        self.how = f"transformers {str(model.dtype).removeprefix('torch.')}"
        self.dimensions = int(model.config.hidden_size)
        self.tokens = 256 if model.device.type == "cpu" else 8192

    def means(self, batches: Iterable[TokenBatch]) -> Iterator[Matrix]:
        """See `EncoderNetwork`."""
        import torch

        for batch in batches:
            ids, mask = (torch.from_numpy(part).to(self.model.device) for part in (batch.ids, batch.mask))
            with torch.inference_mode():
                hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                weights = mask.unsqueeze(-1)
                mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
                yield torch.nn.functional.normalize(mean, dim=1).cpu().numpy()


class OpenVinoNetwork:
    """Converted encoder. One thread computes a batch, so that the number of threads does not change results."""

    def __init__(self, folder: Path, reference: str, dtype: str, threads: int) -> None:
        """Load a folder of `convert_encoder`; `dtype` is "bfloat16", "float32", or "auto" for the processor's best.

        Raises:
            ModelError: OpenVINO cannot read it.
        """
        import openvino

        self._reference = reference
        core = openvino.Core()
        if dtype == "auto":
            dtype = "bfloat16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "float32"
        streams = min(threads, STREAMS)
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS.get(dtype, "f32"),
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
        }
        try:
            compiled = core.compile_model(str(folder / "model.xml"), "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"Model {reference!r} cannot be opened by OpenVINO: {error}") from error
        # A processor without bfloat16 accepts the hint and uses another precision, so read back what it uses.
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.how = f"openvino {next((name for name, short in PRECISIONS.items() if short == precision), precision)}"
        self.dimensions = int(compiled.output(0).partial_shape[2].get_length())
        self.tokens = 256
        self._queue = openvino.AsyncInferQueue(compiled, streams)
        self._results: dict[int, Matrix] = {}
        self._queue.set_callback(self._pool)

    def means(self, batches: Iterable[TokenBatch]) -> Iterator[Matrix]:
        """See `EncoderNetwork`.

        Raises:
            ModelError: OpenVINO failed.
        """
        self._results.clear()
        count = 0
        try:
            for batch in batches:
                self._queue.start_async({0: batch.ids, 1: batch.mask}, (count, batch.mask))
                count += 1
            self._queue.wait_all()
        except RuntimeError as error:
            hint = f"Use transformers:{self._reference}."
            raise ModelError(f"OpenVINO failed: {str(error).splitlines()[-1]}", hint=hint) from error
        for nth in range(count):
            yield self._results.pop(nth)

    def _pool(self, request: Any, batch: tuple[int, Ids]) -> None:
        import numpy as np

        nth, mask = batch
        weights = mask[:, :, None].astype(np.float32)
        mean = (request.get_output_tensor(0).data * weights).sum(1) / np.maximum(weights.sum(1), 1)
        self._results[nth] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


def available() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def convert_encoder(folder: Path, model: Any, reference: str) -> Path:
    """Return the cache folder with the encoder in `folder` converted for OpenVINO; convert it once.

    `model` loads the encoder. It is called only for a conversion, as loading takes a second and a gigabyte.

    Raises:
        ModelError: The encoder cannot be converted, or the converted one computes other numbers.
    """
    digest = digest_of([folder / "config.json", *sorted(folder.glob("*.safetensors"))])

    def make(target: Path) -> None:
        target.mkdir()
        _convert(model(), target / "model.xml", reference)

    return build_once(f"{folder.name}-{digest[:16]}-openvino-{FORMAT}", make)


def _convert(model: Any, target: Path, reference: str) -> None:
    """Convert with OpenVINO's frontend: `openvino.convert_model` would send telemetry."""
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            assert isinstance(hidden, torch.Tensor)
            return hidden

    network = Hidden().eval()
    hint = f"Use transformers:{reference}."
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of the tracer; `_same_outputs` checks the result
            decoder = TorchScriptPythonDecoder(network, example_input=_example(model, 2, 12))
            frontend = FrontEndManager().load_by_framework("pytorch")
            converted = frontend.convert(frontend.load(decoder))
            openvino.save_model(converted, target, compress_to_fp16=False)
            same = _same_outputs(
                network, openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            )
    except Exception as error:  # the tracer and the frontend raise any exception
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"Model {reference!r} cannot be converted for OpenVINO: {first}", hint=hint) from error
    if not same:
        raise ModelError(f"Model {reference!r} computes other numbers with OpenVINO.", hint=hint)


def _example(model: Any, rows: int, width: int) -> Any:
    """Random token ids and a mask; the last of several rows is padded."""
    import torch

    random = torch.Generator().manual_seed(rows)
    ids = torch.randint(int(model.config.vocab_size), (rows, width), generator=random)
    mask = torch.ones_like(ids)
    if rows > 1:
        mask[-1, width // 2 :] = 0
    return ids, mask


def _same_outputs(network: Any, compiled: Any) -> bool:
    """Whether both compute the same numbers in shapes that were not traced; NaN equals NaN."""
    import numpy as np

    for rows, width in CHECKED_SHAPES:
        ids, mask = _example(network.model, rows, width)
        expected, inside = network(ids, mask).numpy(), mask.numpy() > 0
        output = compiled([ids.numpy(), mask.numpy()])[0]
        if not np.allclose(output[inside], expected[inside], rtol=1e-3, atol=1e-3, equal_nan=True):
            return False
    return True
