"""The language model of a tuning: opened, made cheap to train on a CPU, and written as it came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ModelError
from assay.models.loading import Placement, fetch, load_whole
from assay.models.references import Checkpoint
from assay.models.text.gguf import F16_FILE, write_f16
from assay.models.text.transformers_model import check_kind

if TYPE_CHECKING:
    import torch

ROW_BY_ROW = "assay_row_by_row"
FULL, SLIDING = "full_attention", "sliding_attention"


def loaded(checkpoint: Checkpoint) -> Any:
    """The model in float32, on the CPU.

    Raises:
        ModelError: It is no causal language model, or cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    check_kind(checkpoint)
    return fetch(
        checkpoint,
        lambda local: load_whole(AutoModelForCausalLM, checkpoint, Placement("cpu", "float32"), local=local),
    )


def tokenizer_of(checkpoint: Checkpoint) -> Any:
    """Its tokenizer.

    Raises:
        ModelError: There is none, or it has no chat template.
    """
    from transformers import AutoTokenizer

    found = fetch(checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local))
    if found.chat_template is None:
        raise ModelError(
            f"Model {checkpoint.reference!r} has no chat template, so nobody can say where an answer begins.",
            hint="Take an instruct model, or put a chat_template.jinja into its folder.",
        )
    return found


def config_of(checkpoint: Checkpoint) -> Any:
    """Its configuration.

    Raises:
        ModelError: There is none, or it is of no causal language model.
    """
    from transformers import AutoConfig

    check_kind(checkpoint)
    return fetch(checkpoint, lambda local: AutoConfig.from_pretrained(checkpoint.location, local_files_only=local))


def narrowest(config: Any) -> tuple[int, str]:
    """The smaller side of the smallest matrix that LoRA adapts, and its name: a higher rank adds nothing there."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    found = [(min(module.weight.shape), name) for name, module in _matrices(model)]
    if not found:
        raise ModelError(f"A {type(model).__name__} has no matrices that LoRA adapts.", hint="Take method full.")
    return min(found)


def _matrices(model: Any) -> list[tuple[str, Any]]:
    """Names and modules of every linear layer but the last, which makes the logits: what PEFT calls "all-linear"."""
    import torch
    from transformers.pytorch_utils import Conv1D

    last = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not last
    ]


def halve(model: Any) -> None:
    """Puts every linear layer into bfloat16 once: autocast would do it anew at every call, to the same numbers."""
    import torch

    for _, module in _matrices(model):
        module.to(torch.bfloat16)


def adapter(rank: int, alpha: float, task: str = "CAUSAL_LM", heads: Sequence[str] = ()) -> Any:
    """LoRA on every linear layer but the last, and `heads` that are trained whole; None where `rank` is 0.

    `task` is PEFT's word for the kind of model.
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


def cast_once(model: Any) -> None:
    """Lets LoRA leave to autocast, which does it anyway, the casting of what goes into a layer."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


def trainable(model: Any) -> int:
    """How many parameters learn."""
    return sum(one.numel() for one in model.parameters() if one.requires_grad)


def lies_in_a_line(model: Any) -> bool:
    """Whether rows may follow each other in one line and not see each other: all that mixes tokens is attention.

    transformers reads where rows end from the position ids, for sure in models that leave attention to its interface. A
    state or a convolution that runs along the line would carry one row into the next.
    """
    kinds = set(getattr(model.config, "layer_types", None) or [FULL])
    return bool(model._supports_attention_backend and not model._is_stateful and kinds <= {FULL, SLIDING})


def attend_row_by_row(model: Any) -> bool:
    """Lets a model of plain causal attention attend within each row of a line by itself; whether it is of that kind.

    Otherwise transformers masks what lies outside of a row, which costs as much as if nothing did.
    """
    if not attends_plainly(model):
        return False
    attend_by(model, ROW_BY_ROW, _row_by_row)
    return True


def attends_plainly(model: Any) -> bool:
    """Whether every layer is causal attention over all that came before, computed by torch's own function."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or [FULL])
    return kinds == {FULL} and not getattr(config, "sliding_window", None) and config._attn_implementation == "sdpa"


def attend_by(model: Any, name: str, attention: Callable[..., Any]) -> None:
    """Lets `attention`, which needs no mask, do what `model`'s attention does; `name` is transformers' word for it."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, lambda *_, **__: None)
    model.set_attn_implementation(name)


def _row_by_row(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: None, **more: Any
) -> tuple[torch.Tensor, None]:
    """Shape: (1, heads, tokens, width) to (1, tokens, heads, width); `cu_seq_lens_q` says where rows begin and end."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    ends = more.pop("cu_seq_lens_q").tolist()
    more.pop("is_causal", None)
    lengths = [end - start for start, end in pairwise(ends)]
    rows = zip(*(torch.split(part, lengths, 2) for part in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, *row, None, is_causal=True, **more)[0] for row in rows], 1), None


def save(checkpoint: Checkpoint, tuned: Any, folder: Path) -> None:
    """Writes what transformers loads: whole weights in the dtype they came in, configuration, tokenizer, template.

    What LoRA learned is added to the weights as they came, not to what they were halved to. Where the start lies beside
    an F16 GGUF, so does what was made of it: OpenVINO answers for both.
    """
    write(checkpoint, merged(loaded(checkpoint), tuned), folder)
    like = Path(checkpoint.location) / F16_FILE
    if like.is_file():
        write_f16(folder, like, folder / F16_FILE)


def merged(fresh: Any, tuned: Any) -> Any:
    """`fresh`, the start as it came, with what `tuned` has learned."""
    from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    if isinstance(tuned, PeftModel):
        adapted = get_peft_model(fresh, tuned.peft_config["default"])
        set_peft_model_state_dict(adapted, get_peft_model_state_dict(tuned))
        return adapted.merge_and_unload()
    fresh.load_state_dict(tuned.state_dict())
    fresh.tie_weights()
    return fresh


def write(checkpoint: Checkpoint, model: Any, folder: Path) -> None:
    """Writes `model` in the dtype in which `checkpoint` came, and the tokenizer of that."""
    import torch
    from transformers import AutoTokenizer

    dtype = getattr(config_of(checkpoint), "dtype", None) or torch.float32
    model.to(dtype).save_pretrained(folder)
    tokenizer = fetch(
        checkpoint, lambda local: AutoTokenizer.from_pretrained(checkpoint.location, local_files_only=local)
    )
    tokenizer.save_pretrained(folder)
