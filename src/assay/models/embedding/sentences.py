"""Sentence encoders of the BERT family as an `Embedder`: the mean over tokens, as sentence-transformers takes it.

| reference | backend |
|---|---|
| `embedded:minilm`, a folder, `org/name` | `openvino` on a CPU where it is installed, else `transformers` |
| `openvino:REF`, `transformers:REF` | the one that is named |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.embedding.networks import HfNetwork, Network, OpenVinoNetwork, Tile, available, converted
from assay.models.embedding.recent import Recent
from assay.models.loading import ModelRequest, Placement, fetch, finite, load_whole, refuse_kind, tiles
from assay.models.references import Checkpoint, read_json

if TYPE_CHECKING:
    from assay.core.model_kinds import Matrix

STEP = 8
"""Tokens; widths of tiles are multiples of it. Finer, ever fewer texts share a tile; coarser, padding is computed."""
KEPT_BYTES = 80 * 2**20
"""Of embeddings that are remembered: 50,000 of 384 numbers."""
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is needed of a repository on the hub."""
MODULES = ("Transformer", "Pooling", "Normalize")
"""Parts of a model of sentence-transformers that are as here."""


class SentenceEncoder:
    """Mean of the last layer over a text's tokens, scaled to length 1 (Reimers and Gurevych 2019, section 3).

    A text longer than the encoder takes is cut, as sentence-transformers does. On a CPU an embedding depends on its
    text alone, to the last bit: not on other texts in the call, nor on their order or number. So those of late are
    remembered.
    """

    def __init__(self, network: Network, tokenizer: Any, reference: str, longest: int) -> None:
        """Wraps a network and its tokenizer; `longest` is in tokens."""
        self.network = network
        self.tokenizer = tokenizer
        self.reference = reference
        self.kept = Recent(KEPT_BYTES)
        self._longest = longest

    @property
    def how(self) -> str:
        """Backend and precision, such as "openvino bfloat16": both change an embedding a little."""
        return self.network.how

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(n, dimensions), each row of length 1; each different text is encoded once.

        Raises:
            ModelError: An embedding is not finite.
        """
        import numpy as np

        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        found = {key: row for key in keys if (row := self.kept.get(key)) is not None}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        rows = finite(self._encoded(list(new.values())), self.reference)
        for key, row in zip(new, rows, strict=True):
            found[key] = row
            self.kept.put(key, row)
        empty = np.empty((0, self.network.dimensions), dtype=np.float32)
        return np.stack([found[key] for key in keys]) if keys else empty

    def _encoded(self, texts: list[str]) -> Matrix:
        import numpy as np

        rows = np.empty((len(texts), self.network.dimensions), dtype=np.float32)
        if not texts:
            return rows
        ids = self.tokenizer(texts, truncation=True, max_length=self._longest)["input_ids"]
        plan = list(_plan([len(one) for one in ids], self._longest, self.network.tokens))
        means = self.network.means(self._tile([ids[nth] for nth in batch], width) for batch, _, width in plan)
        for (batch, count, _), found in zip(plan, means, strict=True):
            rows[batch[:count]] = found[:count]
        return rows

    def _tile(self, texts: Sequence[Sequence[int]], width: int) -> Tile:
        import numpy as np

        ids = np.full((len(texts), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros_like(ids)
        for nth, text in enumerate(texts):
            ids[nth, : len(text)] = text
            mask[nth, : len(text)] = 1
        return Tile(ids, mask)


def _plan(lengths: Sequence[int], longest: int, tokens: int) -> Iterator[tuple[list[int], int, int]]:
    """Which texts share a tile: (their places, how many of them count, tokens in a row).

    The shape of a text's tile depends on its own length alone.
    """
    widths: dict[int, list[int]] = {}
    for nth, length in enumerate(lengths):
        widths.setdefault(min(max(1, -(-length // STEP)) * STEP, longest), []).append(nth)
    for width, members in sorted(widths.items()):
        for batch, count in tiles(members, max(1, tokens // width)):
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


def _open(request: ModelRequest, network_of: Callable[[Checkpoint, ModelRequest], Network]) -> SentenceEncoder:
    from transformers import AutoTokenizer

    checkpoint = request.checkpoint

    def load(local: bool) -> SentenceEncoder:
        on_disk = _on_disk(checkpoint, local=local)
        longest = _longest(on_disk)
        tokenizer = AutoTokenizer.from_pretrained(on_disk.location, local_files_only=True)
        network = network_of(on_disk, request)
        return SentenceEncoder(network, tokenizer, checkpoint.reference, min(longest, tokenizer.model_max_length))

    return fetch(checkpoint, load)


def _transformers_network(checkpoint: Checkpoint, request: ModelRequest) -> Network:
    from transformers import AutoModel

    return HfNetwork(load_whole(AutoModel, checkpoint, request.placement, local=True))


def _openvino_network(checkpoint: Checkpoint, request: ModelRequest) -> Network:
    import torch
    from transformers import AutoModel

    def whole() -> Any:
        return load_whole(AutoModel, checkpoint, Placement("cpu", "float32"), local=True)

    folder = converted(Path(checkpoint.location), whole, checkpoint.reference)
    return OpenVinoNetwork(folder, checkpoint.reference, request.device.dtype, torch.get_num_threads())


def _on_disk(checkpoint: Checkpoint, *, local: bool) -> Checkpoint:
    """The checkpoint in a folder, which is the hub's cache for one from there."""
    if checkpoint.folder is not None:
        return checkpoint
    from huggingface_hub import snapshot_download

    folder = snapshot_download(checkpoint.location, allow_patterns=list(FILES), local_files_only=local)
    return Checkpoint(checkpoint.reference, folder, ())


def _longest(checkpoint: Checkpoint) -> int:
    """Tokens that the encoder takes, by what its folder says.

    Raises:
        ModelError: It is no sentence encoder, or does not take the mean over tokens.
    """
    folder = checkpoint.folder
    assert folder is not None
    config = read_json(folder / "config.json")
    names = config.get("architectures") or ["unnamed"]
    modules = folder / "modules.json"
    if not (modules.is_file() or str(names[0]).endswith("Model")):
        raise refuse_kind(checkpoint, "a sentence encoder (a ...Model)")
    _check_modules(checkpoint.reference, modules)
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file() and not _by_mean(read_json(pooling)):
        raise ModelError(f"Model {checkpoint.reference!r} does not pool by the mean over tokens.")
    longest = int(config.get("max_position_embeddings", 512))
    own = folder / "sentence_bert_config.json"
    return min(longest, int(read_json(own).get("max_seq_length") or longest)) if own.is_file() else longest


def _check_modules(reference: str, path: Path) -> None:
    """Refuses what sentence-transformers would do beside the mean, such as a layer after it."""
    kinds = [str(one["type"]).rpartition(".")[2] for one in json.loads(path.read_text())] if path.is_file() else []
    if other := [kind for kind in kinds if kind not in MODULES]:
        raise ModelError(f"Model {reference!r} has a part that assay does not know: {', '.join(other)}.")


def _by_mean(pooling: Mapping[str, Any]) -> bool:
    """Whether a configuration of sentence-transformers, old or new, takes the mean over tokens and nothing else."""
    chosen = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True]
    return pooling.get("pooling_mode", chosen or "mean") in ("mean", ["mean"], ["pooling_mode_mean_tokens"])
