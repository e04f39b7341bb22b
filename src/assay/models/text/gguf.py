"""GGUF files: unpacked once into the cache, as a checkpoint for transformers and as an F16 GGUF for OpenVINO.

OpenVINO GenAI 2026.4 rounds the fractional zero points of Q4_1, which damages the text; F16 it reads as it is. Both
copies hold the same 16-bit numbers, so both backends have one and the same model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.conversions import digest_of, made_once

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

FORMAT = 1
"""Of what lies in the cache: goes up when the conversion changes."""
F16_FILE = "model-f16.gguf"


def unpacked(path: Path) -> Path:
    """The folder a GGUF file was unpacked into; unpacks it where that was not done yet, which takes about a minute.

    Holds what transformers loads (safetensors in float16, configuration, tokenizer) and `F16_FILE`. Safe beside other
    processes that do the same: a folder appears whole or not at all.

    Raises:
        ModelError: It is no GGUF file, or not of the Llama family.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path} is no GGUF file.")

    def make(folder: Path) -> None:
        _unpack(path, folder)
        write_f16(folder, path, folder / F16_FILE)

    return made_once(f"{path.stem}-{digest_of([path])[:16]}-{FORMAT}", make)


def is_unpacked(folder: Path | None) -> bool:
    """Whether a folder holds what `unpacked` writes; False for None."""
    return folder is not None and (folder / F16_FILE).is_file()


def _unpack(path: Path, folder: Path) -> None:
    """To safetensors, by transformers' own reader."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    where, name = str(path.parent), path.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name, local_files_only=True)
        read = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=torch.float32, local_files_only=True)
    except Exception as error:  # the readers raise whatever their parts raise
        raise ModelError(f"{path} cannot be read: {error}.") from error
    settings = read.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):
        settings.pop(key, None)
    # A fresh model: one that remembers its GGUF refuses to be saved.
    fresh = type(read)(type(read.config).from_dict(settings))
    fresh.load_state_dict(read.state_dict())
    fresh.tie_weights()
    ends = {name: getattr(read.config, name) for name in ("bos_token_id", "eos_token_id")}
    fresh.generation_config = GenerationConfig(**ends, pad_token_id=read.config.eos_token_id)
    fresh.to(torch.float16).save_pretrained(folder)
    tokenizer.model_max_length = read.config.max_position_embeddings  # the file says 10 ** 30
    tokenizer.save_pretrained(folder)


def write_f16(folder: Path, like: Path, target: Path) -> None:
    """Writes a Llama checkpoint as an F16 GGUF, with vocabulary and settings as in the GGUF file `like`.

    Raises:
        ModelError: `like` is not of the Llama family.

    Source: names and the order of query and key rows as llama.cpp's convert_hf_to_gguf.py has them.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
    from safetensors.numpy import load_file

    read = GGUFReader(str(like))
    family = str(read.fields["general.architecture"].contents())
    if family != "llama":
        raise ModelError(f"{like} is of the family {family!r}; only Llama's can be written as GGUF here.")
    writer = GGUFWriter(str(target), family)
    own = ("general.architecture", "general.file_type", "general.quantization_version")
    for key, value in read.fields.items():
        if key in own or key.startswith("GGUF."):
            continue
        kind = value.types[0]
        more = {"sub_type": value.types[-1]} if kind == GGUFValueType.ARRAY else {}
        writer.add_key_value(key, value.contents(), kind, **more)
    writer.add_file_type(1)
    writer.add_quantization_version(2)
    heads = [int(read.fields[f"llama.attention.{name}"].contents()) for name in ("head_count", "head_count_kv")]
    for name, array in _renamed(load_file(str(folder / "model.safetensors")), *heads):
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


def _renamed(weights: dict[str, Any], heads: int, kv_heads: int) -> list[tuple[str, Array]]:
    """Weights under llama.cpp's names."""
    found = []
    for name, array in weights.items():
        stem = name.removesuffix(".weight")
        if stem in _OUTER:
            found.append((f"{_OUTER[stem]}.weight", array))
            continue
        _, _, layer, part = stem.split(".", 3)
        turned = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}.get(part)
        found.append((f"blk.{layer}.{_LAYER[part]}.weight", array if turned is None else _interleaved(array, turned)))
    return found


def _interleaved(weight: Array, heads: int) -> Array:
    """Rows of each head from transformers' two halves to llama.cpp's pairs."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )
