"""Sentence encoders of the BERT family as an `Embedder`: mean pooling as in sentence-transformers.

| reference | backend |
|---|---|
| `embedded:minilm`, a folder, `org/name` | `openvino` on a CPU if it is installed, else `transformers` |
| `openvino:REF`, `transformers:REF` | the named one |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.caches import EmbeddingCache
from assay.models.embedding.networks import (
    EncoderNetwork,
    HfNetwork,
    OpenVinoNetwork,
    TokenBatch,
    available,
    convert_encoder,
)
from assay.models.loading import (
    ModelRequest,
    Placement,
    check_finite,
    fetch,
    fixed_batches,
    folder_on_disk,
    load_pretrained,
    wrong_kind_error,
)
from assay.models.references import Checkpoint, read_json

if TYPE_CHECKING:
    from assay.core.model_kinds import Matrix

STEP = 8
"""Widths of batches are multiples of this many tokens. Smaller: fewer texts share a batch. Larger: more padding."""
CACHE_BYTES = 80 * 2**20
"""Size of the cache: 50,000 embeddings of 384 numbers."""
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files to download from a hub repository."""
MODULES = ("Transformer", "Pooling", "Normalize")
"""Modules of a sentence-transformers model that are supported."""


class SentenceEncoder:
    """Mean of the last layer over the tokens of a text, scaled to unit length (Reimers and Gurevych 2019, section 3).

    Longer texts than the encoder's maximum are truncated, as in sentence-transformers. On a CPU an embedding depends
    only on its text, bit for bit, and not on the other texts in the call. Recent embeddings are cached.
    """

    def __init__(self, network: EncoderNetwork, tokenizer: Any, reference: str, longest: int) -> None:
        """Wrap a network and its tokenizer; `longest` is the maximum length in tokens."""
        self.network = network
        self.tokenizer = tokenizer
        self.reference = reference
        self.cache = EmbeddingCache(CACHE_BYTES)
        self._longest = longest

    @property
    def how(self) -> str:
        """Backend and precision, such as "openvino bfloat16": both change an embedding a little."""
        return self.network.how

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), rows of unit length; each distinct text is encoded once.

        Raises:
            ModelError: An embedding is not finite.
        """
        import numpy as np

        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        results = {key: row for key in keys if (row := self.cache.get(key)) is not None}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in results}
        rows = check_finite(self._encode(list(new.values())), self.reference)
        for key, row in zip(new, rows, strict=True):
            results[key] = row
            self.cache.put(key, row)
        empty = np.empty((0, self.network.dimensions), dtype=np.float32)
        return np.stack([results[key] for key in keys]) if keys else empty

    def _encode(self, texts: list[str]) -> Matrix:
        import numpy as np

        rows = np.empty((len(texts), self.network.dimensions), dtype=np.float32)
        if not texts:
            return rows
        ids = self.tokenizer(texts, truncation=True, max_length=self._longest)["input_ids"]
        plan = list(_plan([len(row) for row in ids], self._longest, self.network.tokens))
        means = self.network.means(self._batch([ids[nth] for nth in batch], width) for batch, _, width in plan)
        for (batch, count, _), results in zip(plan, means, strict=True):
            rows[batch[:count]] = results[:count]
        return rows

    def _batch(self, texts: Sequence[Sequence[int]], width: int) -> TokenBatch:
        import numpy as np

        ids = np.full((len(texts), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros_like(ids)
        for nth, text in enumerate(texts):
            ids[nth, : len(text)] = text
            mask[nth, : len(text)] = 1
        return TokenBatch(ids, mask)


def _plan(lengths: Sequence[int], longest: int, tokens: int) -> Iterator[tuple[list[int], int, int]]:
    """Yield batches: (indices of texts, how many of them are not filler, tokens in a row).

    The shape of a batch depends only on the lengths of its texts.
    """
    widths: dict[int, list[int]] = {}
    for nth, length in enumerate(lengths):
        widths.setdefault(min(max(1, -(-length // STEP)) * STEP, longest), []).append(nth)
    for width, members in sorted(widths.items()):
        for batch, count in fixed_batches(members, max(1, tokens // width)):
            yield batch, count, width


def is_default_for(request: ModelRequest) -> bool:
    """Whether OpenVINO opens a reference without scheme: on a CPU, where it is installed."""
    return request.placement.device == "cpu" and available()


def open_openvino_encoder(request: ModelRequest) -> SentenceEncoder:
    """Load a sentence encoder and its tokenizer with OpenVINO.

    OpenVINO computes in bfloat16 where the processor has it in hardware and in float32 elsewhere, unless the device
    names a dtype.

    Raises:
        ModelError: OpenVINO is not installed, the device is not a CPU, or as `open_transformers_encoder`.
    """
    if not available():
        raise ModelError("OpenVINO is not installed.", hint="pip install openvino")
    if request.placement.device != "cpu":
        raise ModelError(f"The backend 'openvino' runs on a CPU, not on {request.placement.device!r}.")
    return _open(request, _openvino_network)


def open_transformers_encoder(request: ModelRequest) -> SentenceEncoder:
    """Load a sentence encoder and its tokenizer with transformers.

    Raises:
        ModelError: There is no such model, its pooling is not the mean over tokens, or it cannot be loaded.
    """
    return _open(request, _transformers_network)


def _open(request: ModelRequest, network_of: Callable[[Checkpoint, ModelRequest], EncoderNetwork]) -> SentenceEncoder:
    from transformers import AutoTokenizer

    checkpoint = request.checkpoint

    def load(local: bool) -> SentenceEncoder:
        on_disk = Checkpoint(checkpoint.reference, folder_on_disk(checkpoint, FILES, local=local), ())
        longest = _longest(on_disk)
        tokenizer = AutoTokenizer.from_pretrained(on_disk.location, local_files_only=True)
        network = network_of(on_disk, request)
        return SentenceEncoder(network, tokenizer, checkpoint.reference, min(longest, tokenizer.model_max_length))

    return fetch(checkpoint, load)


def _transformers_network(checkpoint: Checkpoint, request: ModelRequest) -> EncoderNetwork:
    from transformers import AutoModel

    return HfNetwork(load_pretrained(AutoModel, checkpoint, request.placement, local=True))


def _openvino_network(checkpoint: Checkpoint, request: ModelRequest) -> EncoderNetwork:
    import torch
    from transformers import AutoModel

    def whole() -> Any:
        return load_pretrained(AutoModel, checkpoint, Placement("cpu", "float32"), local=True)

    folder = convert_encoder(Path(checkpoint.location), whole, checkpoint.reference)
    return OpenVinoNetwork(folder, checkpoint.reference, request.device.dtype, torch.get_num_threads())


def _longest(checkpoint: Checkpoint) -> int:
    """Maximum length of the encoder in tokens, by its configuration.

    Raises:
        ModelError: The model is not a sentence encoder, or does not use mean pooling.
    """
    folder = checkpoint.folder
    assert folder is not None
    config = read_json(folder / "config.json")
    names = config.get("architectures") or ["unnamed"]
    modules = folder / "modules.json"
    if not (modules.is_file() or str(names[0]).endswith("Model")):
        raise wrong_kind_error(checkpoint, "a sentence encoder (a ...Model)")
    _check_modules(checkpoint.reference, modules)
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file() and not _is_mean_pooling(read_json(pooling)):
        raise ModelError(f"Model {checkpoint.reference!r} does not use mean pooling over tokens.")
    longest = int(config.get("max_position_embeddings", 512))
    path = folder / "sentence_bert_config.json"
    return min(longest, int(read_json(path).get("max_seq_length") or longest)) if path.is_file() else longest


def _check_modules(reference: str, path: Path) -> None:
    """Reject modules of sentence-transformers other than `MODULES`, such as a dense layer after the pooling."""
    kinds = (
        [str(module["type"]).rpartition(".")[2] for module in json.loads(path.read_text())] if path.is_file() else []
    )
    if other := [kind for kind in kinds if kind not in MODULES]:
        raise ModelError(f"Model {reference!r} has unsupported modules: {', '.join(other)}.")


def _is_mean_pooling(pooling: Mapping[str, Any]) -> bool:
    """Whether a pooling configuration of sentence-transformers, old or new, is mean pooling only."""
    chosen = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True]
    return pooling.get("pooling_mode", chosen or "mean") in ("mean", ["mean"], ["pooling_mode_mean_tokens"])
