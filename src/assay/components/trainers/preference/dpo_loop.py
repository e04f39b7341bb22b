"""Direct preference optimization with TRL's DPOTrainer, from token rows to a saved model.

On a CPU the networks read a batch of pairs as one packed sequence (`rows.py`), with the same loss. Importing this
imports TRL, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from trl import DPOConfig, DPOTrainer

from assay.components.trainers.language_model import (
    cast_linear_layers,
    load_model,
    load_tokenizer,
    lora_config,
    save_tuned,
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
from assay.models.references import Checkpoint, locate

KL_ROWS = 8
"""Maximum number of chosen answers of a step whose KL divergence is computed if TRL's own forward pass is used."""


def train_dpo(job: PairJob, progress: Progress) -> PairResult:
    """Train, resuming from the last checkpoint, and save `model/` in the job's folder.

    Raises:
        RecipeError: The loss is not finite, memory ran out, or several GPUs are visible.
        ModelError: The model cannot be loaded.
    """
    config, checkpoint = job.config, locate(job.config.model)
    check_one_gpu(job.trainer)
    with training_run(config.model, MEMORY_HINT):
        trainer = _trainer(job, checkpoint, progress)
        held_out = [dpo_example(row) for row in job.held_out]
        logs, trained = run_steps(trainer, job, held_out)
        if logs[0]["rewards/margins"] == 0:  # the model still equals the reference, and TRL counts a tie as wrong
            logs[0]["rewards/accuracies"] = 0.5
        after = trainer.margins(held_out, job.batch_size)
        save_tuned(checkpoint, trainer.model, Path(config.folder) / "model")
    return PairResult(logs, trained, (0.0,) * len(job.held_out), tuple(after))


def _trainer(job: PairJob, checkpoint: Checkpoint, progress: Progress) -> PackedDPOTrainer:
    config = job.config
    model = load_model(checkpoint)
    reference = None if config.rank else load_model(checkpoint)
    packs = supports_pair_packing(model) and not torch.cuda.is_available()
    for network in filter(None, (model, reference)):
        if packs:
            use_per_pair_attention(network)
        if config.bf16 and (network is reference or config.rank):
            cast_linear_layers(network)
    trainer = PackedDPOTrainer(
        model=model,
        ref_model=reference,
        args=DPOConfig(**pair_arguments(job), beta=job.loss["beta"], **_loss_arguments(job)),
        train_dataset=pair_dataset(job, [dpo_example(row) for row in job.learned]),
        processing_class=load_tokenizer(checkpoint),
        callbacks=[StepCallback(progress)],
        peft_config=lora_config(config.rank, config.alpha),
    )
    if packs:
        trainer.pack_batches(bf16=config.bf16)
    return trainer


def _loss_arguments(job: PairJob) -> dict[str, Any]:
    """Arguments of DPOConfig that select the loss.

    TRL's "sigmoid" has no label smoothing. cDPO (Mitchell 2023), (1 - e) l(d) + e l(-d), is 2 (1 - e) times it minus
    (1 - 2 e) times "robust", which is ((1 - e) l(d) - e l(-d)) / (1 - 2 e).
    """
    name, smoothing = str(job.loss["loss_type"]), float(job.loss["label_smoothing"])
    if name == "sigmoid" and smoothing:
        weights = [2 * (1 - smoothing), -(1 - 2 * smoothing)]
        return {"loss_type": ["sigmoid", "robust"], "loss_weights": weights, "label_smoothing": smoothing}
    return {"loss_type": [name], "label_smoothing": smoothing}


def dpo_example(row: PairRow) -> dict[str, list[int]]:
    """A pair in the form that TRL's collator takes."""
    return {
        "prompt_ids": list(row.chosen[: row.start]),
        "chosen_ids": list(row.chosen[row.start :]),
        "rejected_ids": list(row.rejected[row.start :]),
    }


class PackedDPOTrainer(PairTrainer, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer that logs the KL divergence from the reference, and can read a batch as one packed sequence."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._kl = 0.0
        self._packed: PackedLogProbs | None = None
        self._references: list[tuple[torch.Tensor, torch.Tensor]] = []

    def pack_batches(self, *, bf16: bool) -> None:
        """Replace the forward passes by packed ones; the networks must use per-pair attention."""
        network = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        self._packed = PackedLogProbs(network, bf16=bf16)
        network.forward = self._packed
        if self.ref_model is not None:
            self.ref_model.forward = PackedLogProbs(
                self.ref_model, bf16=bf16, chosen_log_probs=self._packed.chosen_log_probs
            )

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss; records the KL divergence."""
        if self._packed is None:
            self._kl = self._mean_kl(inputs)
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self._packed.chosen_log_probs.clear()
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        policy, reference = self._packed.chosen_log_probs
        self._kl = kl_divergence(policy, reference) / (len(inputs["input_ids"]) // 2)
        return loss

    def step_metrics(self) -> Mapping[str, float]:
        """KL divergence on the chosen answers of the step."""
        return {"kl": self._kl}

    def margins(self, examples: Sequence[dict[str, Any]], batch_size: int) -> list[float]:
        """Implicit reward of the chosen answer minus that of the rejected one; the same examples at every call."""
        margins: list[float] = []
        for nth, begin in enumerate(range(0, len(examples), batch_size)):
            inputs = self._prepare_inputs(self.data_collator(list(examples[begin : begin + batch_size])))
            if nth == len(self._references):
                self._references.append(self.compute_ref_log_probs(self.ref_model or self.model, inputs))
            labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
            tensors = {name: inputs[name] for name in ("input_ids", "attention_mask")}
            with torch.no_grad(), self.accelerator.autocast():
                outputs = self.model(**tensors, use_cache=False, labels=labels, fused_lm_head=True)
            chosen, rejected = outputs.log_probs.sum(1).chunk(2)
            reference = self._references[nth]
            margins += (self.beta * ((chosen - reference[0]) - (rejected - reference[1]))).tolist()
            if self._packed is not None:
                self._packed.chosen_log_probs.clear()
        return margins

    def _mean_kl(self, inputs: Mapping[str, torch.Tensor]) -> float:
        """KL divergence on the first `KL_ROWS` chosen answers, row by row: TRL's forward pass returns no logits."""
        total, rows = 0.0, min(KL_ROWS, len(inputs["input_ids"]) // 2)
        peft = hasattr(self.model, "disable_adapter")
        for ids, mask, answer in zip(
            *(inputs[name][:rows] for name in ("input_ids", "attention_mask", "completion_mask")), strict=True
        ):
            row, start = ids[: int(mask.sum())][None], int(answer.argmax())
            with torch.no_grad(), self.accelerator.autocast():
                policy = self._log_softmax(self.model, row, start)
                if peft:
                    with self.model.disable_adapter():
                        reference = self._log_softmax(self.model, row, start)
                else:
                    reference = self._log_softmax(self.ref_model, row, start)
            total += kl_divergence(policy, reference)
        return total / rows

    def _log_softmax(self, model: Any, row: torch.Tensor, start: int) -> torch.Tensor:
        values: torch.Tensor = model(input_ids=row, use_cache=False).logits[0, start - 1 : -1].float().log_softmax(-1)
        return values


def kl_divergence(policy: torch.Tensor, reference: torch.Tensor) -> float:
    """Kullback-Leibler divergence in nats, summed over positions, of log-probabilities (positions, vocabulary)."""
    return float((policy.exp() * (policy - reference)).sum())


class PackedLogProbs:
    """Forward pass that gives TRL its log-probabilities, over a padded batch that is packed into one sequence.

    Logits are computed at answer tokens only. The log-probabilities of the chosen answers are appended to
    `chosen_log_probs`.
    """

    def __init__(self, network: Any, *, bf16: bool, chosen_log_probs: list[torch.Tensor] | None = None) -> None:
        self.network = network
        self.bf16 = bf16
        self.chosen_log_probs: list[torch.Tensor] = [] if chosen_log_probs is None else chosen_log_probs

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **_: Any
    ) -> SimpleNamespace:
        packed = pack_pairs(input_ids, attention_mask)
        mask = labels[:, 1:] != -100
        targets = labels[:, 1:][mask]
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=self.bf16):
            states = hidden_states(self.network.base_model, packed)[packed.places[:, :-1][mask]]
            logits = self.network.get_output_embeddings()(states).float()
        log_probs = -torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            logs = logits.detach().log_softmax(-1)
            self.chosen_log_probs.append(logs[: int(mask[: len(mask) // 2].sum())])
            statistics = {
                "entropy": -(logs.exp() * logs).sum(-1),
                "mean_logits": logits.mean(-1),
                "is_top1": logits.argmax(-1) == targets,
            }

        def padded(values: torch.Tensor) -> torch.Tensor:
            return values.new_zeros(mask.shape).masked_scatter(mask, values)

        return SimpleNamespace(
            log_probs=padded(log_probs), **{name: padded(values) for name, values in statistics.items()}
        )
