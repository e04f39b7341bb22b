"""Tokens a second of the embedded language model: assay, openvino-genai called directly, and transformers' generate.

    python benchmarks/text_speed.py --batch 32 --tokens 32 --rounds 9

All three sample the same prompts with the same number of new tokens in float32 on all cores; round by round in turn, so
that a slow moment of the machine slows all of them. Printed: the median of each, and of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import openvino_genai
import torch

from assay.core.completions import Completion, Message, TextRequest
from assay.core.decoding import Decoding
from assay.models.loading import Device
from assay.models.references import locate
from assay.models.registry import open_model
from assay.models.text.gguf import F16_FILE

SUBJECTS = ("rivers", "snow", "bread", "trains", "birds", "music", "paper", "winter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    device = Device(device="cpu")
    ours: Any = open_model("text-model", "openvino:embedded:smollm2", device)
    theirs: Any = open_model("text-model", "transformers:embedded:smollm2", device)
    questions = [f"Write about {SUBJECTS[n % len(SUBJECTS)]}, part {n}." for n in range(options.batch)]
    requests = [
        TextRequest((Message("user", one),), Decoding("sample", max_tokens=options.tokens, seed=nth))
        for nth, one in enumerate(questions)
    ]
    prompts = [theirs.ids_of(request.prompt) for request in requests]
    direct = _direct(str(locate("embedded:smollm2").folder) + f"/{F16_FILE}", prompts, options.tokens)

    def assay() -> int:
        return sum(one.answers[0].tokens or 0 for one in ours.complete(requests) if isinstance(one, Completion))

    ways: dict[str, Callable[[], int]] = {
        "assay": assay,
        "openvino-genai": direct,
        "transformers": lambda: _generate(theirs, prompts, options.tokens),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for nth in range(options.rounds):
        # Who goes first changes, for what ran before leaves the machine warm or throttled.
        for name, way in sorted(ways.items(), reverse=nth % 2 == 1):
            started = time.perf_counter()
            made = way()
            rates[name].append(made / (time.perf_counter() - started))
    print(json.dumps({name: round(statistics.median(found), 1) for name, found in rates.items()}))
    for other, wanted in (("openvino-genai", 0.95), ("transformers", 1.5)):
        ratios = [ours_ / theirs_ for ours_, theirs_ in zip(rates["assay"], rates[other], strict=True)]
        shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"assay / {other:14} {shown}, must be {wanted} or more")


def _direct(file: str, prompts: list[list[int]], tokens: int) -> Callable[[], int]:
    plan = openvino_genai.SchedulerConfig()
    plan.cache_size, plan.max_num_seqs, plan.enable_prefix_caching = 2, 64, False
    settings = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    pipeline = openvino_genai.ContinuousBatchingPipeline(file, plan, "CPU", settings)

    def run() -> int:
        configs = []
        for seed in range(len(prompts)):
            config = openvino_genai.GenerationConfig()
            config.do_sample, config.max_new_tokens, config.rng_seed = True, tokens, seed
            config.apply_chat_template = False
            configs.append(config)
        tensors = [openvino.Tensor(np.array([ids], dtype=np.int64)) for ids in prompts]
        return sum(len(one.m_generation_ids[0]) for one in pipeline.generate(tensors, configs))

    return run


def _generate(model: Any, prompts: list[list[int]], tokens: int) -> int:
    """Transformers as its manual has it: one padded batch."""
    width, pad = max(map(len, prompts)), model.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in prompts])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts])
    with torch.inference_mode():
        made = model.model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, top_p=1.0, max_new_tokens=tokens
        )
    return int((made[:, width:] != pad).sum())


if __name__ == "__main__":
    main()
