"""Texts a second of MiniLM by assay (OpenVINO) and by sentence-transformers: the same weights and number of threads.

    pip install --no-deps sentence-transformers==6.2.0     # what it needs comes with assay
    python benchmarks/embedding_speed.py --data ../shared/data --texts 512 --rounds 5

Two sets of Alpaca's texts: instructions, which are short, and whole records. Round by round in turn; beside assay
stands sentence-transformers with batches of 32 (its default) and of 128 in float32, its precision on a processor, and
of 128 in bfloat16, which it must be told. assay forgets what it has embedded before each round. Printed: medians by
processor time and by the clock, medians of the rounds' ratios, and how near the embeddings are.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads of its own, which torch's number does not bind

import numpy as np
import torch

from assay.core.model_kinds import Matrix
from assay.models.loading import Device
from assay.models.references import locate
from assay.models.registry import open_model

MODEL = "embedded:minilm"
NEEDED = 2.0
Way = Callable[[Sequence[str]], Matrix]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of alpaca-9k.jsonl")
    parser.add_argument("--texts", type=int, default=512, help="instructions; of whole records a quarter as many")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    file = options.data / "alpaca-9k.jsonl"
    if not file.is_file():
        print(f"embedding_speed: there is no {file}.", file=sys.stderr)
        sys.exit(2)
    torch.set_num_threads(options.threads)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[: options.texts]]
    sets = {
        "instructions": [row["instruction"] for row in rows],
        "whole records": ["\n".join(row[key] for key in ("instruction", "input", "output")) for row in rows[::4]],
    }
    ours, how = _ours()
    ways = {f"assay ({how})": ours, **_theirs()}
    for name, texts in sets.items():
        print(f"\n{name}: {len(texts)} texts, {options.threads} threads, {options.rounds} rounds")
        _compare(ways, texts, options.rounds)


def _ours() -> tuple[Way, str]:
    encoder = open_model("embedder", MODEL, Device(device="cpu"))

    def embed(texts: Sequence[str]) -> Matrix:
        encoder.kept.clear()
        return encoder.embed(texts)

    return embed, encoder.how


def _theirs() -> dict[str, Way]:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        print("embedding_speed: pip install --no-deps sentence-transformers==6.2.0", file=sys.stderr)
        sys.exit(2)
    folder = locate(MODEL).location
    plain = SentenceTransformer(folder, device="cpu")
    half = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.bfloat16})

    def way(model: SentenceTransformer, rows: int) -> Way:
        return lambda texts: np.asarray(
            model.encode(list(texts), batch_size=rows, show_progress_bar=False, convert_to_tensor=True).float()
        )

    return {
        "float32, 32 at once": way(plain, 32),
        "float32, 128 at once": way(plain, 128),
        "bfloat16, 128 at once": way(half, 128),
    }


def _compare(ways: dict[str, Way], texts: Sequence[str], rounds: int) -> None:
    names = list(ways)
    found = {name: ways[name](texts[:64]) for name in names}  # warm
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for nth in range(rounds):
        # Who goes first changes, for what ran before leaves the machine warm or throttled.
        for name in names if nth % 2 == 0 else names[::-1]:
            clock, processor = time.perf_counter(), time.process_time()
            found[name] = ways[name](texts)
            seconds[name].append((time.process_time() - processor, time.perf_counter() - clock))
    for name in names:
        by_processor, by_clock = (len(texts) / statistics.median(column) for column in zip(*seconds[name], strict=True))
        print(f"  {name:28} {by_processor:7.0f} texts a processor second, {by_clock:7.0f} by the clock")
    ours = names[0]
    for name in names[1:]:
        pairs = list(zip(seconds[ours], seconds[name], strict=True))
        ratios = [[theirs[kind] / mine[kind] for mine, theirs in pairs] for kind in (0, 1)]
        cosine = float((found[ours] * found[name]).sum(axis=1).min())
        shown = ", ".join(
            f"{label} {statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})"
            for label, one in zip(("processor", "clock"), ratios, strict=True)
        )
        need = f", must be >= {NEEDED:g}" if name.startswith("float32") else ""
        print(f"  assay / {name}: {shown}{need}; least cosine {cosine:.6f}")


if __name__ == "__main__":
    main()
