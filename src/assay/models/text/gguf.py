"""Unpacking of GGUF files into the cache: as a checkpoint for transformers, and as an F16 GGUF for OpenVINO.

OpenVINO GenAI 2026.4 rounds the fractional zero points of Q4_1, which changes the text, but reads F16 unchanged. Both
copies hold the same 16-bit numbers, so both backends have the same model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.caches import build_once, digest_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

FORMAT = 1
"""Version of the cached conversion. Increase it when the conversion changes."""
F16_FILE = "model-f16.gguf"


def unpack_gguf(path: Path) -> Path:
    """Return the cache folder of a GGUF file; unpack it once, which takes about a minute.

    The folder has a checkpoint of transformers (safetensors in float16, configuration, tokenizer) and `F16_FILE`. Safe
    with concurrent processes.

    Raises:
        ModelError: The file is not a GGUF file, or not of the Llama family.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}.", path=str(path), exists=False)
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file.", path=str(path), exists=True)

    def make(folder: Path) -> None:
        _unpack(path, folder)
        write_f16(folder, path, folder / F16_FILE)

    return build_once(f"{path.stem}-{digest_of([path])[:16]}-{FORMAT}", make)


def is_unpacked_gguf(folder: Path | None) -> bool:
    """Whether a folder was written by `unpack_gguf`; False for None."""
    return folder is not None and (folder / F16_FILE).is_file()


def _unpack(path: Path, folder: Path) -> None:
    """Convert to safetensors with the GGUF reader of transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    folder_name, file_name = str(path.parent), path.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder_name, gguf_file=file_name, local_files_only=True)
        loaded = AutoModelForCausalLM.from_pretrained(
            folder_name, gguf_file=file_name, dtype=torch.float32, local_files_only=True
        )
    except Exception as error:  # the readers raise any exception
        raise ModelError(f"{path} cannot be read: {error}.") from error
    settings = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):
        settings.pop(key, None)
    # A new model: one loaded from GGUF cannot be saved.
    fresh = type(loaded)(type(loaded.config).from_dict(settings))
    fresh.load_state_dict(loaded.state_dict())
    fresh.tie_weights()
    ends = {name: getattr(loaded.config, name) for name in ("bos_token_id", "eos_token_id")}
    fresh.generation_config = GenerationConfig(**ends, pad_token_id=loaded.config.eos_token_id)
    fresh.to(torch.float16).save_pretrained(folder)
    tokenizer.model_max_length = loaded.config.max_position_embeddings  # the file has 10 ** 30
    tokenizer.save_pretrained(folder)


def write_f16(folder: Path, like: Path, target: Path) -> None:
    """Write a Llama checkpoint as an F16 GGUF, with the vocabulary and settings of the GGUF file `like`.

    Raises:
        ModelError: `like` is not of the Llama family.

    Source: tensor names and the order of query and key rows are those of llama.cpp's convert_hf_to_gguf.py.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
    from safetensors.numpy import load_file

    reader = GGUFReader(str(like))
    family = str(reader.fields["general.architecture"].contents())
    if family != "llama":
        raise ModelError(f"{like} has the architecture {family!r}; only 'llama' can be written as GGUF.")
    writer = GGUFWriter(str(target), family)
    replaced = ("general.architecture", "general.file_type", "general.quantization_version")
    for key, value in reader.fields.items():
        if key in replaced or key.startswith("GGUF."):
            continue
        kind = value.types[0]
        options = {"sub_type": value.types[-1]} if kind == GGUFValueType.ARRAY else {}
        writer.add_key_value(key, value.contents(), kind, **options)
    writer.add_file_type(1)
    writer.add_quantization_version(2)
    heads = [int(reader.fields[f"llama.attention.{name}"].contents()) for name in ("head_count", "head_count_kv")]
    for name, array in _gguf_tensors(load_file(str(folder / "model.safetensors")), *heads):
        if array.ndim == 1:
            writer.add_tensor(name, array.astype(np.float32))
        else:
            writer.add_tensor(name, array.astype(np.float16), raw_dtype=GGMLQuantizationType.F16)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()


_LAYER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def _gguf_tensors(weights: dict[str, Any], heads: int, kv_heads: int) -> list[tuple[str, Array]]:
    """Weights with the names and row order of llama.cpp."""
    tensors = []
    for name, array in weights.items():
        stem = name.removesuffix(".weight")
        if stem in _OUTER:
            tensors.append((f"{_OUTER[stem]}.weight", array))
            continue
        _, _, layer, part = stem.split(".", 3)
        rotary = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}.get(part)
        tensors.append((f"blk.{layer}.{_LAYER[part]}.weight", array if rotary is None else _interleave(array, rotary)))
    return tensors


def _interleave(weight: Array, heads: int) -> Array:
    """Reorder the rows of each head from transformers' two halves to llama.cpp's pairs."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )
