"""Seconds a step, and memory, of learning from pairs with the embedded language model: assay, and TRL as it comes.

    python benchmarks/preferences_speed.py --data ../shared/data --steps 6 --threads 1
    python benchmarks/preferences_speed.py --data ../shared/data --steps 24 --rate 3e-4 --only assay  # what is learned

Pairs are tasks of Alpaca whose answer, cut at 25 words, is rejected, and chosen with two polite sentences around it: so
much is learned in a few steps, and held-out pairs show whether. Same model, pairs, order, batch, LoRA (rank 16 on every
linear layer but the last), bfloat16 and rate; each way runs in a process of its own, and the first step is left out of
the medians. TRL as it comes is RewardTrainer or DPOTrainer with its own padding and kernel, on the same tokens, but
without gradient checkpointing, which costs time. Printed: medians by processor time and by the clock, first and last
loss, peak memory, ratios to assay, and of assay what it says of held-out pairs.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from training_ways import Clock, as_line, tasks_file, told

KINDS = ("reward", "dpo")
WAYS = ("assay", "trl")
RATES = {"reward": 3e-4, "dpo": 1e-4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of alpaca-9k.jsonl")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--length", type=int, default=224, help="tokens that a prompt and its answer may have")
    parser.add_argument("--held-out", type=float, default=0.25)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--only", choices=WAYS, action="append")
    parser.add_argument("--way", choices=[f"{kind}-{way}" for kind in KINDS for way in WAYS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    tasks_file("preferences_speed", options.data)
    if options.way:
        print(json.dumps(_measured(options, *options.way.split("-"))))
        return
    for kind in options.kind or KINDS:
        ours = None
        for way in options.only or WAYS:
            one = told(__file__, f"{kind}-{way}", options.threads)
            print(as_line(f"{kind:6} {way:5}", one, ours), flush=True)
            ours = ours or (one if way == "assay" else None)


def _measured(options: argparse.Namespace, kind: str, way: str) -> dict[str, Any]:
    clock, began = Clock(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        job = _job(options, kind, folder)
        losses, facts = (_assay if way == "assay" else _trl)(job, kind, clock)
    ends = {"all": time.perf_counter() - began, "losses": [losses[0], losses[-1]], "facts": facts}
    return {**clock.medians(), **ends}


def _job(options: argparse.Namespace, kind: str, folder: str) -> Any:
    from assay.components.trainers.language_model import load_tokenizer
    from assay.components.trainers.preference.loop import PairJob
    from assay.components.trainers.preference.rows import PairReader, pair_rows
    from assay.components.trainers.training_run import TrainingConfig
    from assay.core.sample import Sample
    from assay.models.references import locate

    model = "embedded:smollm2"
    tokenizer, pairs = load_tokenizer(locate(model)), []
    with tasks_file("preferences_speed", options.data).open(encoding="utf-8") as file:
        for line in file:
            task = json.loads(line)
            words = task["output"].split()[:25]
            if not len(words) >= 8 or len(task["instruction"] + task["input"]) > 600 or len(pairs) == options.pairs:
                continue
            answer = " ".join(words)
            polite = f"Of course, gladly. {answer} Thank you for asking."
            asked = {"instruction": task["instruction"], "input": task["input"]}
            pairs.append(Sample({**asked, "chosen": polite, "rejected": answer}))
    reader = PairReader("preferences_speed", model, tokenizer, options.length)
    rows = pair_rows(pairs, reader, options.held_out)
    config = TrainingConfig(
        model=model,
        folder=folder,
        steps=options.steps,
        learning_rate=options.rate or RATES[kind],
        warmup_ratio=0.1,
        rank=16,
        alpha=32.0,
        bf16=True,
        seed=0,
        save_every=0,
    )
    reward_loss = {"center_rewards_coefficient": 0.01, "margin": False}
    dpo_loss = {"loss_type": "sigmoid", "beta": 0.1, "label_smoothing": 0.0}
    return PairJob(
        trainer=kind,
        config=config,
        batch_size=options.batch,
        eval_every=0,
        loss=reward_loss if kind == "reward" else dpo_loss,
        learned=rows.learned,
        held_out=rows.held_out,
    )


def _assay(job: Any, kind: str, clock: Clock) -> tuple[list[float], dict[str, float]]:
    from assay.components.trainers.preference.dpo_loop import train_dpo
    from assay.components.trainers.preference.loop import held_out_metrics
    from assay.components.trainers.preference.reward_loop import train_reward_model

    done = (train_reward_model if kind == "reward" else train_dpo)(job, clock)
    before, after = held_out_metrics(done.before), held_out_metrics(done.after)
    facts = {f"{name} before": value for name, value in before.items()} | after
    lengths = [len(one) for row in job.learned for one in (row.chosen, row.rejected)]
    facts["tokens a row"] = sum(lengths) / len(lengths)
    if kind == "dpo":
        facts["kl"] = done.logs[-1]["kl"]
    return [row["loss"] for row in done.logs], facts


def _trl(job: Any, kind: str, clock: Clock) -> tuple[list[float], dict[str, float]]:
    from transformers import TrainerCallback
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    from assay.components.trainers.language_model import load_model, load_tokenizer, lora_config
    from assay.components.trainers.preference import dpo_loop, reward_loop
    from assay.components.trainers.preference.loop import pair_arguments, pair_dataset
    from assay.components.trainers.trl_common import warmup_cosine
    from assay.models.references import locate

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock()

    class Plain:
        """The same tokens and schedule, and no telemetry; everything else is TRL's."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def _send_telemetry(self) -> None: ...

        optimizer: Any

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            import torch

            share = functools.partial(warmup_cosine, steps=job.config.steps, warmup_ratio=job.config.warmup_ratio)
            rule = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, share)
            self.lr_scheduler = rule
            return rule

    start = locate(job.config.model)
    words = load_tokenizer(start)
    kinds: dict[str, Any] = {"reward": (RewardTrainer, RewardConfig), "dpo": (DPOTrainer, DPOConfig)}
    trainer_of, config_of = kinds[kind]
    if kind == "reward":
        model, task, heads = reward_loop.load_with_reward_head(start, words, job.config.seed), "SEQ_CLS", ["score"]
        examples: list[Any] = [reward_loop.reward_example(row) for row in job.learned]
        more: dict[str, Any] = {"center_rewards_coefficient": job.loss["center_rewards_coefficient"]}
    else:
        model, task, heads = load_model(start), "CAUSAL_LM", []
        examples = [dpo_loop.dpo_example(row) for row in job.learned]
        more = {"beta": job.loss["beta"]}
    trainer = type("Quiet", (Plain, trainer_of), {})(
        model=model,
        args=config_of(**pair_arguments(job), **more),
        train_dataset=pair_dataset(job, examples),
        processing_class=words,
        peft_config=lora_config(job.config.rank, job.config.alpha, task, heads),
        callbacks=[Steps()],
    )
    trainer.train()
    return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row], {}


if __name__ == "__main__":
    main()
