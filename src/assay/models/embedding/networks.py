"""What runs a sentence encoder: a network of transformers on any device, or the same one by OpenVINO on a CPU.

A network is given texts in tiles of fixed shapes. Kernels are chosen by shape, and another kernel adds in another
order: so a row of a tile comes out the same whatever stands in its other rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.errors import ModelError
from assay.models.conversions import digest_of, made_once

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from assay.core.model_kinds import Matrix

    Ids = npt.NDArray[np.int64]

FORMAT = 1
"""Of what lies in the cache: goes up when the conversion changes."""
STREAMS = 16
"""At most; each takes memory of its own."""
PROBED = ((1, 1), (2, 7), (3, 20))
"""Shapes, other than the traced one, in which a converted network must give what the original gives."""
PRECISIONS = {"bfloat16": "bf16", "float32": "f32"}


@dataclass(frozen=True)
class Tile:
    """Texts of like length in one call."""

    ids: Ids
    """(rows, width) tokens."""
    mask: Ids
    """(rows, width): 1 where a token is the text's own."""


class Network(Protocol):
    """Means over tokens, of tiles."""

    how: str
    """Backend and precision, such as "openvino bfloat16"."""
    dimensions: int
    tokens: int
    """In a tile: more are no faster, and fewer waste less where a tile is not full."""

    def means(self, tiles: Iterable[Tile]) -> Iterator[Matrix]:
        """(rows, dimensions) for each tile, in order: the mean of the last layer over tokens, scaled to length 1."""
        ...


class HfNetwork:
    """A model of transformers."""

    def __init__(self, model: Any) -> None:
        """Wraps a loaded encoder."""
        self.model = model
        self.how = f"transformers {str(model.dtype).removeprefix('torch.')}"
        self.dimensions = int(model.config.hidden_size)
        self.tokens = 256 if model.device.type == "cpu" else 8192

    def means(self, tiles: Iterable[Tile]) -> Iterator[Matrix]:
        """See `Network`."""
        import torch

        for tile in tiles:
            ids, mask = (torch.from_numpy(part).to(self.model.device) for part in (tile.ids, tile.mask))
            with torch.inference_mode():
                hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                own = mask.unsqueeze(-1)
                mean = (hidden * own).sum(1) / own.sum(1).clamp(min=1)
                yield torch.nn.functional.normalize(mean, dim=1).cpu().numpy()


class OpenVinoNetwork:
    """A converted model. Each tile is computed by one thread, so that their number changes nothing."""

    def __init__(self, folder: Path, reference: str, dtype: str, threads: int) -> None:
        """Loads what `converted` left; `dtype` is "bfloat16", "float32", or "auto" for what the processor has.

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
        # A processor without bfloat16 may be asked for it and compute otherwise, so it is asked what it does.
        ran = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.how = f"openvino {next((name for name, short in PRECISIONS.items() if short == ran), ran)}"
        self.dimensions = int(compiled.output(0).partial_shape[2].get_length())
        self.tokens = 256
        self._queue = openvino.AsyncInferQueue(compiled, streams)
        self._found: dict[int, Matrix] = {}
        self._queue.set_callback(self._pooled)

    def means(self, tiles: Iterable[Tile]) -> Iterator[Matrix]:
        """See `Network`.

        Raises:
            ModelError: OpenVINO failed under way.
        """
        self._found.clear()
        count = 0
        try:
            for tile in tiles:
                self._queue.start_async({0: tile.ids, 1: tile.mask}, (count, tile.mask))
                count += 1
            self._queue.wait_all()
        except RuntimeError as error:
            hint = f"Ask transformers:{self._reference}."
            raise ModelError(f"OpenVINO failed under way: {str(error).splitlines()[-1]}", hint=hint) from error
        for nth in range(count):
            yield self._found.pop(nth)

    def _pooled(self, request: Any, place: tuple[int, Ids]) -> None:
        import numpy as np

        nth, mask = place
        own = mask[:, :, None].astype(np.float32)
        mean = (request.get_output_tensor(0).data * own).sum(1) / np.maximum(own.sum(1), 1)
        self._found[nth] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


def available() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def converted(folder: Path, model: Any, reference: str) -> Path:
    """The folder of the cache with the encoder in `folder` for OpenVINO; converts it where that was not done yet.

    `model` gives the loaded encoder, where it is needed: a second and a gigabyte are saved where it is not.

    Raises:
        ModelError: It cannot be converted, or gives other numbers then.
    """
    digest = digest_of([folder / "config.json", *sorted(folder.glob("*.safetensors"))])

    def make(target: Path) -> None:
        target.mkdir()
        _convert(model(), target / "model.xml", reference)

    return made_once(f"{folder.name}-{digest[:16]}-openvino-{FORMAT}", make)


def _convert(model: Any, target: Path, reference: str) -> None:
    """Straight to OpenVINO's frontend: `openvino.convert_model` would report each conversion to its makers."""
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            assert isinstance(found, torch.Tensor)
            return found

    network = Hidden().eval()
    hint = f"Ask transformers:{reference}."
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of the tracer: what it warns of is looked at below
            decoder = TorchScriptPythonDecoder(network, example_input=_example(model, 2, 12))
            frontend = FrontEndManager().load_by_framework("pytorch")
            made = frontend.convert(frontend.load(decoder))
            openvino.save_model(made, target, compress_to_fp16=False)
            same = _same(network, openvino.Core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))
    except Exception as error:  # the tracer and the frontend raise whatever their parts raise
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"Model {reference!r} cannot be converted for OpenVINO: {first}", hint=hint) from error
    if not same:
        raise ModelError(f"Model {reference!r} gives other numbers by OpenVINO.", hint=hint)


def _example(model: Any, rows: int, width: int) -> Any:
    """Random tokens and a mask, ragged where there are several rows."""
    import torch

    random = torch.Generator().manual_seed(rows)
    ids = torch.randint(int(model.config.vocab_size), (rows, width), generator=random)
    mask = torch.ones_like(ids)
    if rows > 1:
        mask[-1, width // 2 :] = 0
    return ids, mask


def _same(network: Any, compiled: Any) -> bool:
    """Whether both give the same numbers, in shapes that were not traced; a number that is none is like another."""
    import numpy as np

    for rows, width in PROBED:
        ids, mask = _example(network.model, rows, width)
        expected, own = network(ids, mask).numpy(), mask.numpy() > 0
        found = compiled([ids.numpy(), mask.numpy()])[0]
        if not np.allclose(found[own], expected[own], rtol=1e-3, atol=1e-3, equal_nan=True):
            return False
    return True
