"""ROUGE of Alpaca's outputs by assay and by rouge_score, on the same pairs, and a megabyte beside another.

    python benchmarks/rouge_speed.py --data ../shared/data --pairs 400 --rounds 5

Each output is compared with the next one; scores are checked to be equal. Round by round in turn, in processor seconds
of one thread; printed are the medians and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rouge_score.rouge_scorer import RougeScorer

from assay.text.similarity.rouge import rouge

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of alpaca-9k.jsonl and wikitext-2-test.txt")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not (options.data / "alpaca-9k.jsonl").is_file():
        print(f"rouge_speed: there is no {options.data / 'alpaca-9k.jsonl'}.", file=sys.stderr)
        sys.exit(2)
    lines = (options.data / "alpaca-9k.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for text in (json.loads(line)["output"] for line in lines) if text.isascii()][: options.pairs + 1]
    pairs = list(itertools.pairwise(texts))
    theirs = RougeScorer(KINDS)
    for kinds in (("rougeL",), KINDS):
        other = RougeScorer(kinds) if kinds != KINDS else theirs
        rounds = []
        for _ in range(options.rounds):
            slow, expected = timed(lambda o=other: [o.score(reference, text) for text, reference in pairs])
            fast, found = timed(lambda k=kinds: [rouge(text, [reference], k) for text, reference in pairs])
            assert all(
                tuple(vars(mine[kind]).values()) == tuple(his[kind])
                for mine, his in zip(found, expected, strict=True)
                for kind in kinds
            )
            rounds.append((slow, fast))
        slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(slow / fast for slow, fast in rounds)
        print(
            f"{', '.join(kinds)}: rouge_score {slow:.2f} s, assay {fast:.3f} s, {len(pairs)} pairs; ratio {ratio:.1f}"
        )
    text = (options.data / "wikitext-2-test.txt").read_text(encoding="utf-8").replace(" . ", " .\n")
    for kind in KINDS:
        seconds, _ = timed(lambda k=kind: rouge(text[:1_000_000], [text[-1_000_000:]], [k]))
        print(f"{kind} of a megabyte against another: {seconds:.1f} s")


if __name__ == "__main__":
    main()
