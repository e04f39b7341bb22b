"""Seconds a step, and memory, of tuning the embedded language model: `SFT`, TRL as it comes, and a plain torch loop.

    python benchmarks/sft.py --data ../shared/data --steps 6 --threads 1
    python benchmarks/sft.py --data ../shared/data --steps 30 --only assay      # what a short training costs

The same model, tasks of Alpaca, order, batch, LoRA (rank 16 on every linear layer but the last), bfloat16 and rate. TRL
as it comes is SFTTrainer with prompt and completion, its own tokenizing, padding and kernel, but without gradient
checkpointing, which costs time. The loop is what one would write by hand: rows padded to the longest of a batch, LoRA
by PEFT, autocast, the loss of transformers. Each way runs in a process of its own; the first step is left out of the
medians and of "all". Printed: medians by processor time and by the clock, losses, peak memory, ratios to assay.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training_ways import Clock, as_line, tasks_file, told

WAYS = ("assay", "trl", "loop")
RANK, ALPHA, RATE = 16, 32.0, 5e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of alpaca-9k.jsonl")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256, help="tokens that a task may have")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=WAYS, action="append")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    tasks_file("sft", options.data)
    if options.way:
        print(json.dumps(_measured(options)))
        return
    ours = None
    for way in options.only or WAYS:
        one = told(__file__, way, options.threads)
        print(as_line(f"{way:6}", one, ours), flush=True)
        ours = ours or (one if way == "assay" else None)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    clock = Clock()
    job = _job(options)
    with tempfile.TemporaryDirectory() as folder:
        losses = _WAYS[options.way](replace(job, config=replace(job.config, folder=folder)), clock)
    steps = clock.ends[-1][1] - clock.ends[0][1]
    return {**clock.medians(), "all": steps, "losses": [losses[0], losses[-1]]}


def _job(options: argparse.Namespace) -> Any:
    """A tuning on tasks that have room, each of which is seen once."""
    from assay.components.trainers.language_model import load_tokenizer
    from assay.components.trainers.sft.loop import SFTJob
    from assay.components.trainers.training_run import TrainingConfig
    from assay.core.completions import Message
    from assay.models.references import locate
    from assay.models.text.requests import encode_answer
    from assay.text.instructions.dialogues import task_prompt

    model = "embedded:smollm2"
    tokenizer = load_tokenizer(locate(model))
    rows = []
    with tasks_file("sft", options.data).open(encoding="utf-8") as file:
        for line in file:
            task = json.loads(line)
            asked = (Message("user", task_prompt(task["instruction"], task["input"])),)
            ids, start = encode_answer(tokenizer, asked, task["output"], model)
            if len(ids) <= options.length:
                rows.append((tuple(ids), start))
            if len(rows) == options.steps * options.batch:
                break
    config = TrainingConfig(
        model=model,
        folder="",
        steps=options.steps,
        learning_rate=RATE,
        warmup_ratio=0.0,
        rank=RANK,
        alpha=ALPHA,
        bf16=True,
        seed=0,
        save_every=0,
    )
    return SFTJob(
        config=config,
        batch_size=options.batch,
        processes=1,
        rows=tuple(ids for ids, _ in rows),
        starts=tuple(start for _, start in rows),
        bins=tuple((place,) for place in range(len(rows))),
    )


def _assay(job: Any, clock: Clock) -> list[float]:
    from assay.components.trainers.sft.loop import tune
    from assay.components.trainers.training_run import prepare_checkpoints

    prepare_checkpoints(Path(job.config.folder), job.digest)
    return [loss for _, loss, _ in tune(job, clock).history]


def _trl(job: Any, clock: Clock) -> list[float]:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock()

    class Quiet(SFTTrainer):  # type: ignore[misc]
        def _send_telemetry(self) -> None: ...

    pairs = zip(job.rows, job.starts, strict=True)
    rows = [
        {"input_ids": list(ids), "completion_mask": [int(nth >= start) for nth in range(len(ids))]}
        for ids, start in pairs
    ]
    settings = SFTConfig(
        output_dir=job.config.folder,
        max_steps=job.config.steps,
        per_device_train_batch_size=job.batch_size,
        learning_rate=job.config.learning_rate,
        lr_scheduler_type="cosine",
        use_cpu=True,
        bf16=True,
        gradient_checkpointing=False,
        completion_only_loss=True,
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )
    model, tokenizer = _opened(job)
    trainer = Quiet(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora(),
        callbacks=[Steps()],
    )
    trainer.train()
    return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def _loop(job: Any, clock: Clock) -> list[float]:
    import torch
    from peft import get_peft_model

    torch.manual_seed(0)
    model, _ = _opened(job)
    model = get_peft_model(model, _lora()).train()
    optimizer = torch.optim.AdamW(
        [one for one in model.parameters() if one.requires_grad], lr=job.config.learning_rate, weight_decay=0
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, job.config.steps)
    losses = []
    for step in range(job.config.steps):
        bins = job.bins[step * job.batch_size : (step + 1) * job.batch_size]
        places = [place for rows in bins for place in rows]
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**_padded(job, places), use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        clock()
    return losses


def _padded(job: Any, places: Sequence[int]) -> dict[str, Any]:
    import torch

    width = max(len(job.rows[place]) for place in places)

    def filled(values: Callable[[int], list[int]], empty: int) -> Any:
        return torch.tensor([values(place) + [empty] * (width - len(job.rows[place])) for place in places])

    return {
        "input_ids": filled(lambda place: list(job.rows[place]), 0),
        "attention_mask": filled(lambda place: [1] * len(job.rows[place]), 0),
        "labels": filled(lambda place: [-100] * job.starts[place] + list(job.rows[place][job.starts[place] :]), -100),
    }


def _opened(job: Any) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from assay.models.references import locate

    where = locate(job.config.model).location
    return AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32), AutoTokenizer.from_pretrained(where)


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


_WAYS: dict[str, Callable[[Any, Clock], list[float]]] = {"assay": _assay, "trl": _trl, "loop": _loop}


if __name__ == "__main__":
    main()
