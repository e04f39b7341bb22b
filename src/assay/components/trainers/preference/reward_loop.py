"""Reward modeling with TRL's RewardTrainer, from token rows to a saved model.

On a CPU the network reads a batch of pairs as one packed sequence (`rows.py`), with the same loss. Importing this
imports TRL, which takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardConfig, RewardTrainer

from assay.components.trainers.language_model import (
    cast_linear_layers,
    load_tokenizer,
    lora_config,
    merge_weights,
    save_model,
)
from assay.components.trainers.preference.loop import (
    MEMORY_HINT,
    PairJob,
    PairResult,
    PairTrainer,
    pair_arguments,
    pair_dataset,
    run_steps,
)
from assay.components.trainers.preference.rows import (
    PairRow,
    hidden_states,
    pack_pairs,
    supports_pair_packing,
    use_per_pair_attention,
)
from assay.components.trainers.training_run import Progress, training_run
from assay.components.trainers.trl_common import StepCallback, check_one_gpu
from assay.models.loading import ModelRequest, fetch
from assay.models.references import Checkpoint, locate
from assay.models.text.classifiers import REWARD_BIAS, HfRewardModel, open_reward_model
from assay.models.text.transformers_model import check_kind

CENTERING_PAIRS = 32
"""Maximum number of training pairs by whose chosen answers rewards are centered if no pair is held out."""


def train_reward_model(job: PairJob, progress: Progress) -> PairResult:
    """Train, resuming from the last checkpoint, and save `model/` in the job's folder.

    Raises:
        RecipeError: The loss is not finite, memory ran out, or several GPUs are visible.
        ModelError: The model cannot be loaded, or a reward is not finite.
    """
    config, checkpoint = job.config, locate(job.config.model)
    folder = Path(config.folder) / "model"
    check_one_gpu(job.trainer)
    with training_run(config.model, MEMORY_HINT):
        tokenizer = load_tokenizer(checkpoint)
        model = load_with_reward_head(checkpoint, tokenizer, config.seed)
        before = _margins(HfRewardModel(model, tokenizer, config.model), job.held_out)
        trainer = _trainer(job, model, tokenizer, progress)
        logs, trained = run_steps(trainer, job, [reward_example(row) for row in job.held_out])
        fresh = load_with_reward_head(checkpoint, tokenizer, config.seed)
        save_model(checkpoint, merge_weights(fresh, trainer.model), folder)
        reward_model = open_reward_model(ModelRequest(str(folder)))
        after = _margins(reward_model, job.held_out)
        _center(reward_model, folder, job.held_out or job.learned[:CENTERING_PAIRS])
    return PairResult(logs, trained, before, after)


def load_with_reward_head(checkpoint: Checkpoint, tokenizer: Any, seed: int) -> Any:
    """Load the start in float32 with a linear head of one output, initialized by `seed`.

    Raises:
        ModelError: It is not a causal language model, or cannot be loaded.
    """
    check_kind(checkpoint)

    def load(local: bool) -> Any:
        return AutoModelForSequenceClassification.from_pretrained(
            checkpoint.location,
            num_labels=1,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=local,
            adapter_kwargs={"local_files_only": local},  # as in models.loading
        )

    torch.manual_seed(seed % 2**32)
    model = fetch(checkpoint, load)
    padding = tokenizer.pad_token_id
    model.config.pad_token_id = padding if padding is not None else tokenizer.eos_token_id
    return model.eval()


def _margins(model: HfRewardModel, rows: Sequence[PairRow]) -> tuple[float, ...]:
    return tuple(model.reward(row.chosen) - model.reward(row.rejected) for row in rows)


def _center(model: HfRewardModel, folder: Path, rows: Sequence[PairRow]) -> None:
    """Write the `reward_bias` that makes the mean reward of the chosen answers 0 into the model's configuration."""
    bias = sum(model.reward(row.chosen) for row in rows) / len(rows)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, REWARD_BIAS: bias}, indent=2) + "\n", encoding="utf-8")


def _trainer(job: PairJob, model: Any, tokenizer: Any, progress: Progress) -> PackedRewardTrainer:
    config = job.config
    heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    packs = supports_pair_packing(model) and not torch.cuda.is_available() and len(heads) == 1
    if packs:
        use_per_pair_attention(model)
    if config.rank and config.bf16:
        cast_linear_layers(model.base_model)
    examples = [reward_example(row, margin=bool(job.loss["margin"])) for row in job.learned]
    trainer = PackedRewardTrainer(
        model=model,
        args=RewardConfig(**pair_arguments(job), center_rewards_coefficient=job.loss["center_rewards_coefficient"]),
        train_dataset=pair_dataset(job, examples),
        processing_class=tokenizer,
        callbacks=[StepCallback(progress)],
        peft_config=lora_config(config.rank, config.alpha, "SEQ_CLS", heads),
    )
    if packs:
        trainer.pack_batches(bf16=config.bf16)
    return trainer


def reward_example(row: PairRow, *, margin: bool = False) -> dict[str, Any]:
    """A pair in the form that TRL's collator takes."""
    example: dict[str, Any] = {"chosen_ids": list(row.chosen), "rejected_ids": list(row.rejected)}
    return example | {"margin": row.margin} if margin else example


class PackedRewardTrainer(PairTrainer, RewardTrainer):  # type: ignore[misc]
    """RewardTrainer that can read a batch as one packed sequence."""

    def pack_batches(self, *, bf16: bool) -> None:
        """Replace the forward pass by a packed one; the network must use per-pair attention."""
        network = self.accelerator.unwrap_model(self.model)
        network = network.get_base_model() if hasattr(network, "get_base_model") else network
        network.forward = PackedRewards(network, bf16=bf16)

    def margins(self, examples: Sequence[dict[str, Any]], batch_size: int) -> list[float]:
        """Reward of the chosen answer minus that of the rejected one, of held-out pairs."""
        margins: list[float] = []
        with torch.no_grad(), self.accelerator.autocast():
            for begin in range(0, len(examples), batch_size):
                inputs = self._prepare_inputs(self.data_collator(list(examples[begin : begin + batch_size])))
                chosen, rejected = self.model(**inputs, use_cache=False).logits.squeeze(-1).float().chunk(2)
                margins += (chosen - rejected).tolist()
        return margins


class PackedRewards:
    """Forward pass of a network with a reward head, over a padded batch that is packed into one sequence.

    As in transformers, the reward is computed from the state of the last token that is not padding.
    """

    def __init__(self, network: Any, *, bf16: bool) -> None:
        self.network = network
        self.bf16 = bf16

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SequenceClassifierOutput:
        network = self.network
        packed = pack_pairs(input_ids, attention_mask)
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=self.bf16):
            states = hidden_states(network.base_model, packed)
        real = (input_ids != network.config.pad_token_id) & attention_mask.bool()
        last = (real * torch.arange(real.shape[1])).argmax(1)
        with torch.autocast(input_ids.device.type, enabled=False):
            (head,) = [part for name, part in network.named_children() if name != network.base_model_prefix]
            return SequenceClassifierOutput(logits=head(states[packed.places.gather(1, last[:, None])[:, 0]].float()))
