"""Runs of words shared with evaluation sets, in real tasks and in tasks in which test items were hidden; and seconds.

    python benchmarks/contamination.py --data ../shared/data

Tasks are Alpaca's; the sets are MMLU, GSM8K, TruthfulQA and Self-Instruct's seed tasks. In some tasks the question of
an item is hidden: as it is, within other words, in capitals, without its marks, or but for its last third. Times are
processor seconds of one thread. Exits with 1 where fewer hidden items are found than must be.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from novelty_texts import ALPACA

from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.truthful_qa import TruthfulQa
from assay.components.sources.text.texts import Texts
from assay.core.lab import Lab
from assay.core.roles import Source
from assay.core.sample import Sample
from assay.core.score import Outcome, Score
from assay.models import OpenModels
from assay.store.images import StoredImages

SEED = 20200722
LIMITS = (0.3, 0.5, 0.8)
HIDDEN: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "within other words": lambda text: f"A friend of mine would like to know this: {text} What should I tell him?",
    "in capitals": str.upper,
    "without marks": lambda text: re.sub(r"[^\w\s]", " ", text),
    "but for its last third": lambda text: " ".join(text.split()[: -(len(text.split()) // 3)]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder of {ALPACA} and the evaluation sets")
    parser.add_argument("--hidden", type=int, default=300, help="items to hide in each way")
    options = parser.parse_args()
    if not (options.data / ALPACA).is_file():
        print(f"contamination: there is no {options.data / ALPACA}.", file=sys.stderr)
        sys.exit(2)
    lab = Lab(0, OpenModels(), StoredImages([]))
    scorer = NgramOverlap(sets(options.data))
    seconds, _ = timed(lambda: scorer.score([], lab))
    print(f"index of {sum(len(one.read(lab)) for one in scorer.against):,} items: {seconds:.1f} s")
    tasks = [Sample(json.loads(line)) for line in (options.data / ALPACA).read_text(encoding="utf-8").splitlines()]
    seconds, found = timed(lambda: scorer.score(tasks, lab))
    print(f"{len(tasks):,} real tasks: {seconds:.1f} s; {counts(found)}")
    rng = random.Random(SEED)
    items = [item for one in scorer.against[:3] for item in one.read(lab) if len(item.text("question").split()) >= 9]
    missed = 0
    for how, hide in HIDDEN.items():
        chosen = rng.sample(items, options.hidden)
        holders = rng.sample(tasks, options.hidden)
        hidden = [
            Sample({"instruction": holder.text("instruction"), "input": hide(item.text("question")), "output": "-"})
            for holder, item in zip(holders, chosen, strict=True)
        ]
        found = scorer.score(hidden, lab)
        missed += how != "but for its last third" and above(found, 0.8) < 0.99 * len(hidden)
        print(f"{len(hidden)} tasks with an item {how}: {counts(found)}")
    sys.exit(1 if missed else 0)


def sets(folder: Path) -> tuple[Source, ...]:
    return (
        Mmlu(str(folder / "mmlu")),
        Gsm8k(str(folder / "gsm8k-test.jsonl")),
        TruthfulQa(str(folder / "truthfulqa-mc.json")),
        Texts(str(folder / "self-instruct-seed-tasks.jsonl")),
    )


def counts(found: list[Outcome]) -> str:
    return ", ".join(f"{above(found, limit):,} at {limit:g} or more" for limit in LIMITS)


def above(found: list[Outcome], limit: float) -> int:
    return sum(isinstance(one, Score) and one.value >= limit for one in found)


def timed(run: Callable[[], list[Outcome]]) -> tuple[float, list[Outcome]]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
