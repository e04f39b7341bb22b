"""One training of a reward model by TRL's RewardTrainer: from pairs of rows to a folder that transformers loads.

On a CPU the network reads a batch in one line (`pair_lines`), with the same loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay.components.trainers.preference.loop import (
    Compared,
    PairJob,
    in_order,
    run,
    settings,
    undisturbed,
)
from assay.components.trainers.preference.pair_packing import attend_pair_by_pair, fits_in_a_line
from assay.components.trainers.preference.rows import PairRow
from assay.components.trainers.sft.model import adapter, halve, merged, tokenizer_of, write
from assay.components.trainers.training_run import Tell
from assay.models.loading import ModelRequest, fetch
from assay.models.references import Checkpoint, locate
from assay.models.text.reward_model import BIAS, HfRewardModel, open_reward_model
from assay.models.text.transformers_model import check_kind

MODEL = "model"
CENTRED_ON = 32
"""Pairs that were learned from, at most, by whose chosen answers rewards are centered where none is held out."""


def learn_rewards(job: PairJob, tell: Tell) -> Compared:
    """Does `job`, going on from its last checkpoint where it was interrupted, and leaves `model/` in its folder.

    Raises:
        RecipeError: The loss is no longer finite, or memory is short.
        ModelError: The model cannot be loaded, or a reward is not finite.
    """
    start, folder = locate(job.model), Path(job.folder) / MODEL
    with undisturbed(job):
        words = tokenizer_of(start)
        model = with_a_head(start, words, job.seed)
        before = _margins(HfRewardModel(model, words, job.model), job.held)
        trainer = _trainer(job, model, words, tell)
        log, trained = run(trainer, job, [example_of(row) for row in job.held])
        write(start, merged(with_a_head(start, words, job.seed), trainer.model), folder)
        judge = open_reward_model(ModelRequest(str(folder)))
        after = _margins(judge, job.held)
        _centre(judge, folder, job.held or job.learned[:CENTRED_ON])
    return Compared(log, trained, before, after)


def with_a_head(start: Checkpoint, words: Any, seed: int) -> Any:
    """The start in float32 with a head of one number, whose random weights hang on `seed`.

    Raises:
        ModelError: It is no causal language model, or cannot be loaded.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    check_kind(start)

    def load(local: bool) -> Any:
        return AutoModelForSequenceClassification.from_pretrained(
            start.location,
            num_labels=1,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=local,
            adapter_kwargs={"local_files_only": local},  # as in models.loading
        )

    torch.manual_seed(seed % 2**32)
    model = fetch(start, load)
    model.config.pad_token_id = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
    return model.eval()


def _margins(model: HfRewardModel, rows: Sequence[PairRow]) -> tuple[float, ...]:
    return tuple(model.reward(row.chosen) - model.reward(row.rejected) for row in rows)


def _centre(model: HfRewardModel, folder: Path, rows: Sequence[PairRow]) -> None:
    """Notes with the model in `folder` the `reward_bias` with which the mean reward of `rows`' chosen answers is 0."""
    bias = sum(model.reward(row.chosen) for row in rows) / len(rows)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, BIAS: bias}, indent=2) + "\n", encoding="utf-8")


def _trainer(job: PairJob, model: Any, words: Any, tell: Tell) -> Any:
    import torch
    from trl import RewardConfig

    from assay.components.trainers.preference.reward_trl import Rewarder
    from assay.components.trainers.sft.trl_trainer import Following

    heads = [name for name, part in model.named_children() if name != model.base_model_prefix]
    flat = fits_in_a_line(model) and not torch.cuda.is_available() and len(heads) == 1
    if flat:
        attend_pair_by_pair(model)
    if job.rank and job.half:
        halve(model.base_model)
    margins = {"margin"} if job.loss["margin"] else set()
    examples = [example_of(row, margins) for row in job.learned]
    trainer = Rewarder(
        model=model,
        args=RewardConfig(**settings(job), center_rewards_coefficient=job.loss["center"]),
        train_dataset=in_order(job, examples),
        processing_class=words,
        callbacks=[Following(tell)],
        peft_config=adapter(job.rank, job.alpha, "SEQ_CLS", heads),
    )
    if flat:
        trainer.read_in_a_line(half=job.half)
    return trainer


def example_of(row: PairRow, more: Iterable[str] = ()) -> dict[str, Any]:
    """A pair as TRL's collator takes it."""
    return {"chosen_ids": list(row.chosen), "rejected_ids": list(row.rejected), **{n: getattr(row, n) for n in more}}
