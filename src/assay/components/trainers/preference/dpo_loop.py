"""One training on preferences by TRL's DPOTrainer: from pairs of rows to a folder that transformers loads.

On a CPU the networks read a batch in one line (`pair_lines`), with the same loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.components.trainers.preference.loop import Compared, PairJob, in_order, run, settings, undisturbed
from assay.components.trainers.preference.pair_packing import attend_pair_by_pair, fits_in_a_line
from assay.components.trainers.preference.rows import PairRow
from assay.components.trainers.sft.model import adapter, halve, loaded, save, tokenizer_of
from assay.components.trainers.training_run import Tell
from assay.models.references import Checkpoint, locate


def prefer(job: PairJob, tell: Tell) -> Compared:
    """Does `job`, going on from its last checkpoint where it was interrupted, and leaves `model/` in its folder.

    Raises:
        RecipeError: The loss is no longer finite, or memory is short.
        ModelError: The model cannot be loaded.
    """
    start = locate(job.model)
    with undisturbed(job):
        trainer = _trainer(job, start, tell)
        held = [example_of(row) for row in job.held]
        log, trained = run(trainer, job, held)
        if log[0]["rewards/margins"] == 0:  # the model is still the reference: TRL calls a tie wrong
            log[0]["rewards/accuracies"] = 0.5
        after = trainer.margins(held, job.batch)
        save(start, trainer.model, Path(job.folder) / "model")
    return Compared(log, trained, (0.0,) * len(job.held), tuple(after))


def _trainer(job: PairJob, start: Checkpoint, tell: Tell) -> Any:
    import torch
    from trl import DPOConfig

    from assay.components.trainers.preference.dpo_trl import Preferrer
    from assay.components.trainers.sft.trl_trainer import Following

    model = loaded(start)
    reference = None if job.rank else loaded(start)
    flat = fits_in_a_line(model) and not torch.cuda.is_available()
    for one in filter(None, (model, reference)):
        if flat:
            attend_pair_by_pair(one)
        if job.half and (one is reference or job.rank):
            halve(one)
    trainer = Preferrer(
        model=model,
        ref_model=reference,
        args=DPOConfig(**settings(job), beta=job.loss["beta"], **loss_of(job)),
        train_dataset=in_order(job, [example_of(row) for row in job.learned]),
        processing_class=tokenizer_of(start),
        callbacks=[Following(tell)],
        peft_config=adapter(job.rank, job.alpha),
    )
    if flat:
        trainer.read_in_a_line(half=job.half)
    return trainer


def loss_of(job: PairJob) -> dict[str, Any]:
    """Arguments of DPOConfig that say which loss.

    TRL's "sigmoid" knows no label smoothing: (1 - e) l(d) + e l(-d), which is cDPO (Mitchell 2023), is
    2 (1 - e) times it minus (1 - 2 e) times "robust", which is ((1 - e) l(d) - e l(-d)) / (1 - 2 e).
    """
    name, smoothing = str(job.loss["loss"]), float(job.loss["label_smoothing"])
    if name == "sigmoid" and smoothing:
        weights = [2 * (1 - smoothing), -(1 - 2 * smoothing)]
        return {"loss_type": ["sigmoid", "robust"], "loss_weights": weights, "label_smoothing": smoothing}
    return {"loss_type": [name], "label_smoothing": smoothing}


def example_of(row: PairRow) -> dict[str, list[int]]:
    """A pair as TRL's collator takes it."""
    return {
        "prompt_ids": list(row.chosen[: row.start]),
        "chosen_ids": list(row.chosen[row.start :]),
        "rejected_ids": list(row.rejected[row.start :]),
    }
