"""Language models for training: load, adapt with LoRA, make cheaper on a CPU, merge and save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import Placement, fetch, load_pretrained
from assay.models.references import Checkpoint
from assay.models.text.gguf import F16_FILE, write_f16
from assay.models.text.transformers_model import check_kind

if TYPE_CHECKING:
    import torch

PER_ROW_ATTENTION = "assay_row_by_row"
FULL, SLIDING = "full_attention", "sliding_attention"


def load_model(checkpoint: Checkpoint) -> Any:
    """Load a causal language model in float32 on the CPU.

    Raises:
        ModelError: It is not a causal language model, or cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    check_kind(checkpoint)
    return fetch(
        checkpoint,
        lambda local: load_pretrained(AutoModelForCausalLM, checkpoint, Placement("cpu", "float32"), local=local),
    )


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the tokenizer of a checkpoint.

    Raises:
        ModelError: It has no tokenizer, or no chat template.
    """
    from transformers import AutoTokenizer

    tokenizer = fetch(
        checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
    )
    if tokenizer.chat_template is None:
        raise ModelError(
            f"Model {checkpoint.reference!r} has no chat template, so the start of an answer is unknown.",
            hint="Use an instruct model, or put a chat_template.jinja into its folder.",
            name="chat_template",
            model=checkpoint.reference,
        )
    return tokenizer


def load_config(checkpoint: Checkpoint) -> Any:
    """Load the configuration of a checkpoint.

    Raises:
        ModelError: It has no configuration, or is not a causal language model.
    """
    from transformers import AutoConfig

    check_kind(checkpoint)
    return fetch(checkpoint, lambda local: AutoConfig.from_pretrained(checkpoint.location, local_files_only=local))


def smallest_matrix(config: Any) -> tuple[int, str]:
    """Smaller side and name of the smallest matrix that LoRA adapts, which limits the rank."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    sizes = [(min(module.weight.shape), name) for name, module in _linear_layers(model)]
    if not sizes:
        raise ModelError(f"A {type(model).__name__} has no matrices that LoRA adapts.", hint="Use method: full.")
    return min(sizes)


def _linear_layers(model: Any) -> list[tuple[str, Any]]:
    """Names and modules of all linear layers but the output layer: PEFT's "all-linear"."""
    import torch
    from transformers.pytorch_utils import Conv1D

    last = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not last
    ]


def cast_linear_layers(model: Any) -> None:
    """Cast all linear layers to bfloat16 once. Autocast would cast them at every call, with the same result."""
    import torch

    for _, module in _linear_layers(model):
        module.to(torch.bfloat16)


def lora_config(rank: int, alpha: float, task: str = "CAUSAL_LM", heads: Sequence[str] = ()) -> Any:
    """LoraConfig for all linear layers but the output layer; None if `rank` is 0.

    `task` is PEFT's `task_type`; `heads` are modules that are trained in full.
    """
    from peft import LoraConfig

    if not rank:
        return None
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type=task,
        modules_to_save=list(heads) or None,
    )


def skip_input_casts(model: Any) -> None:
    """Turn off LoRA's own casts of layer inputs, which autocast does anyway."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


def trainable_parameters(model: Any) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def supports_packing(model: Any) -> bool:
    """Whether several rows may be packed into one sequence without attending to each other.

    transformers finds row boundaries by the position ids, in models that use its attention interface. A recurrent state
    or a convolution along the sequence would mix the rows.
    """
    kinds = set(getattr(model.config, "layer_types", None) or [FULL])
    return bool(model._supports_attention_backend and not model._is_stateful and kinds <= {FULL, SLIDING})


def use_per_row_attention(model: Any) -> bool:
    """Compute attention of packed rows row by row, if the model has plain causal attention; whether it has.

    transformers would mask other rows instead, at the cost of attention over the whole sequence.
    """
    if not has_plain_attention(model):
        return False
    set_attention(model, PER_ROW_ATTENTION, _per_row_attention)
    return True


def has_plain_attention(model: Any) -> bool:
    """Whether all layers use full causal attention, computed by torch's scaled_dot_product_attention."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or [FULL])
    return kinds == {FULL} and not getattr(config, "sliding_window", None) and config._attn_implementation == "sdpa"


def set_attention(model: Any, name: str, attention: Callable[..., Any]) -> None:
    """Register `attention`, which needs no mask, as `name` with transformers, and let `model` use it."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, lambda *_, **__: None)
    model.set_attn_implementation(name)


def _per_row_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: None, **more: Any
) -> tuple[torch.Tensor, None]:
    """Shape: (1, heads, tokens, width) to (1, tokens, heads, width); `cu_seq_lens_q` holds the row boundaries."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    ends = more.pop("cu_seq_lens_q").tolist()
    more.pop("is_causal", None)
    lengths = [end - start for start, end in pairwise(ends)]
    rows = zip(*(torch.split(part, lengths, 2) for part in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, *row, None, is_causal=True, **more)[0] for row in rows], 1), None


def save_tuned(checkpoint: Checkpoint, tuned: Any, folder: Path) -> None:
    """Save full weights in the dtype of the checkpoint, with configuration, tokenizer and chat template.

    LoRA is merged into the original weights, not into their bfloat16 copies. If the checkpoint has an F16 GGUF file,
    which OpenVINO runs, one is written for the tuned model, too.
    """
    save_model(checkpoint, merge_weights(load_model(checkpoint), tuned), folder)
    template = Path(checkpoint.location) / F16_FILE
    if template.is_file():
        write_f16(folder, template, folder / F16_FILE)


def merge_weights(fresh: Any, tuned: Any) -> Any:
    """Copy the trained weights of `tuned` into `fresh`, the original model; LoRA is merged."""
    from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    if isinstance(tuned, PeftModel):
        adapted = get_peft_model(fresh, tuned.peft_config["default"])
        set_peft_model_state_dict(adapted, get_peft_model_state_dict(tuned))
        return adapted.merge_and_unload()
    fresh.load_state_dict(tuned.state_dict())
    fresh.tie_weights()
    return fresh


def save_model(checkpoint: Checkpoint, model: Any, folder: Path) -> None:
    """Save `model` in the dtype of `checkpoint`, with the tokenizer of `checkpoint`."""
    import torch
    from transformers import AutoTokenizer

    dtype = getattr(load_config(checkpoint), "dtype", None) or torch.float32
    model.to(dtype).save_pretrained(folder)
    tokenizer = fetch(
        checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
    )
    tokenizer.save_pretrained(folder)
