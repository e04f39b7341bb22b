"""The filter of fuzzy duplicates beside every pair: what it misses, how much faster it is, and larger sets by itself.

    python benchmarks/fuzzy_duplicates.py --data ../shared/data

Texts are Alpaca's outputs, and as many of them again with 1 to 4 words in a hundred changed, so that there is something
to find near the limit; then larger sets of real instructions and sentences as `novelty_texts.made` says. Every pair is
compared by the same sets of shingles, cut once. Times are processor seconds of one thread. Exits with 1 where a figure
is not what it must be.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from novelty_texts import ALPACA, made

from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates, miss_probability, shingles
from assay.core.roles import Decision, ScoreTable

SEED = 19970611
FOUND = 0.999
"""Share of the texts that every pair drops which must be dropped."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder of {ALPACA}")
    parser.add_argument("--compare", type=int, default=2_000, help="outputs to compare with every pair")
    parser.add_argument("--largest", type=int, default=50_000, help="no set of more texts than this")
    options = parser.parse_args()
    if not (options.data / ALPACA).is_file():
        print(f"fuzzy_duplicates: there is no {options.data / ALPACA}.", file=sys.stderr)
        sys.exit(2)
    texts = outputs(options.data, options.compare)
    met = [compare_with_all_pairs(texts, FuzzyDuplicates(jaccard=jaccard)) for jaccard in (0.5, 0.8)]
    sizes(options.data, options.largest)
    sys.exit(0 if all(met) else 1)


def outputs(folder: Path, count: int) -> list[str]:
    """Outputs, and each again with some words taken from another place."""
    rng = random.Random(SEED)
    lines = (folder / ALPACA).read_text(encoding="utf-8").splitlines()[:count]
    found = [json.loads(line)["output"] for line in lines]
    for text in list(found):
        words = text.split()
        for place in range(len(words)):
            if rng.random() < 0.01 * rng.randint(1, 4):
                words[place] = rng.choice(words)
        found.append(" ".join(words))
    rng.shuffle(found)
    return found


def compare_with_all_pairs(texts: Sequence[str], rule: FuzzyDuplicates) -> bool:
    """Drops by the filter of those by every pair, and the ratio of the times."""
    mine, found = timed(rule, texts)
    start = time.process_time()
    cut = [shingles(text, rule.ngram, rule.by) for text in texts]
    kept: list[int] = []
    dropped = set[int]()
    for row, own in enumerate(cut):
        if any(len(own & cut[other]) >= rule.jaccard * len(own | cut[other]) > 0 for other in kept):
            dropped.add(row)
        else:
            kept.append(row)
    theirs = time.process_time() - start
    ours = {row for row, one in enumerate(found) if not one.keep}
    share = len(ours & dropped) / len(dropped)
    bands, rows = rule.bands
    print(f"Jaccard index >= {rule.jaccard:g} of {len(texts):,} texts, {bands} bands of {rows}:")
    print(f"  dropped by every pair {len(dropped):,}, by the filter {len(ours):,}, of those by both {share:.2%}")
    print(f"  a pair at the limit is missed with probability {miss_probability(rule.jaccard, bands, rows):.1g}")
    print(f"  {theirs:.1f} s / {mine:.1f} s, ratio {theirs / mine:.1f}")
    return share >= FOUND


def sizes(folder: Path, largest: int) -> None:
    """Seconds by size."""
    for count in (5_000, 10_000, 20_000, 50_000, 100_000):
        if count <= largest:
            seconds, found = timed(FuzzyDuplicates(), made(folder, count))
            print(f"{count:>9,} texts, {sum(one.keep for one in found):,} kept: {seconds:.1f} s")


def timed(rule: FuzzyDuplicates, texts: Sequence[str]) -> tuple[float, Sequence[Decision]]:
    table = ScoreTable([str(nth) for nth in range(len(texts))], {}, {rule.text: texts})
    start = time.process_time()
    found = rule.decide(table)
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
