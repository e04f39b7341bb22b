"""The novelty filter beside the published algorithm with rouge_score, beside its brute-force twin, and by itself.

    python benchmarks/novelty.py --data ../shared/data

The published algorithm compares every instruction with all kept before it by rouge_score (yizhongw/self-instruct,
bootstrap_instructions.py; in one process, for a pool of them is slower at this size). All times are processor seconds
of one thread, cutting into words included. Larger sets are made of real texts as `novelty_texts.made` says; each size
is filtered in a process of its own, whose highest memory is taken. Exits with 1 where a figure is not what it must be.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from novelty_texts import ALPACA, alpaca, made
from rouge_score.rouge_scorer import RougeScorer

from assay.text.similarity.lcs import lcs_length
from assay.text.similarity.nearest import nearest_before
from assay.text.similarity.novelty import NoveltyDecision, NoveltyFilter, NoveltyRule
from assay.text.similarity.rouge import rouge_f1
from assay.text.similarity.tokens import ascii_tokens

MEASURED = 1_000
"""Instructions at which the ratio is measured: the published algorithm takes a second for the first 200 already."""
Floats: TypeAlias = npt.NDArray[np.float64]
PAPERS = NoveltyRule(0.7, strict=True)


class Claims:
    """Lines of what was seen and what it must be."""

    def __init__(self) -> None:
        self.missed = 0

    def say(self, what: str, seen: str, must: str, met: bool) -> None:
        self.missed += not met
        print(f"{what:<66} {seen:>24}  {must}{'' if met else '  MISSED'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help=f"folder of {ALPACA}")
    parser.add_argument("--compare", type=int, default=2_000, help="instructions to compare with rouge_score; 0: none")
    parser.add_argument("--largest", type=int, default=500_000, help="no set of more texts than this")
    parser.add_argument("--nearest", action="store_true", help="time the search for the nearest before each, too")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not (options.data / ALPACA).is_file():
        print(f"novelty: there is no {options.data / ALPACA}.", file=sys.stderr)
        sys.exit(2)
    if options.one is not None:
        print(json.dumps(one(options.data, options.one)))
        return
    claims, texts = Claims(), alpaca(options.data)
    if options.compare:
        compare_with_rouge_score(claims, texts, options.compare)
    compare_with_brute_force(claims, texts)
    sizes(claims, options.data, options.largest)
    if options.nearest:
        for count in (1_000, 2_000, 4_000, 8_000):
            seconds, _ = timed(lambda count=count: nearest_before(texts[:count]))
            claims.say(f"nearest before each of {count:,}", f"{seconds:.2f} s", "reported", True)
    sys.exit(1 if claims.missed else 0)


def compare_with_rouge_score(claims: Claims, texts: Sequence[str], count: int) -> None:
    """The same set kept by both rules, and the ratio at MEASURED."""
    table, marks = published(texts[:count])
    for rule in (NoveltyRule(), PAPERS):
        theirs = greedy(table, rule)
        found = NoveltyFilter(rule, ascii_tokens).add_all(texts[:count])
        same = sum(one == two for one, two in zip(found, theirs, strict=True))
        what = f"kept, nearest and F as by rouge_score, F {rule}: {sum(one.kept for one in found):,} kept"
        claims.say(what, f"{same:,} of {count:,}", "all", same == count)
    if MEASURED not in marks:
        return
    slow = marks[MEASURED]
    mine = median(lambda: NoveltyFilter().add_all(texts[:MEASURED]))
    what = f"ratio at {MEASURED:,}: {slow:.1f} s / {mine:.4f} s"
    claims.say(what, f"{slow / mine:,.0f}", ">= 2,000", slow / mine >= 2_000)
    slow *= (len(texts) / MEASURED) ** 2
    mine = median(lambda: NoveltyFilter().add_all(texts))
    what = f"ratio at {len(texts):,}, theirs by its square: {slow:,.0f} s / {mine:.3f} s"
    claims.say(what, f"{slow / mine:,.0f}", ">= 8,000", slow / mine >= 8_000)
    if count > MEASURED:
        law = math.log(marks[count] / marks[MEASURED]) / math.log(count / MEASURED)
        what = f"exponent of rouge_score's time, {MEASURED:,} to {count:,}"
        claims.say(what, f"{law:.2f}", "1.7 to 2.3", 1.7 < law < 2.3)


def published(texts: Sequence[str]) -> tuple[list[Floats], dict[int, float]]:
    """F of each with all before it, by rouge_score, and the seconds taken up to some places."""
    scorer, start = RougeScorer(["rougeL"], use_stemmer=False), time.process_time()
    table, marks = [], {}
    for nth, text in enumerate(texts):
        table.append(np.array([scorer.score(text, other)["rougeL"].fmeasure for other in texts[:nth]]))
        if nth + 1 in (MEASURED, len(texts)):
            marks[nth + 1] = time.process_time() - start
    return table, marks


def greedy(table: Iterable[Floats], rule: NoveltyRule) -> list[NoveltyDecision]:
    """The decisions that follow from F of each with all before it."""
    found: list[NoveltyDecision] = []
    kept: list[int] = []
    for row in table:
        scores = row[kept]
        refused = bool(kept) and rule.rejects(float(scores.max()))
        if refused:
            found.append(NoveltyDecision(False, kept[int(scores.argmax())], float(scores.max())))
        else:
            found.append(NoveltyDecision(True, None, 0.0))
            kept.append(len(found) - 1)
    return found


def compare_with_brute_force(claims: Claims, texts: Sequence[str]) -> None:
    """Every pair of all instructions, by a loop that sorts nothing out beforehand."""
    for rule in (NoveltyRule(), PAPERS):
        theirs = greedy(every_pair(texts), rule)
        found = NoveltyFilter(rule, ascii_tokens).add_all(texts)
        same = sum(one == two for one, two in zip(found, theirs, strict=True))
        what = f"kept, nearest and F as by all pairs, F {rule}: {sum(one.kept for one in found):,} kept"
        claims.say(what, f"{same:,} of {len(texts):,}", "all", same == len(texts))


def every_pair(texts: Sequence[str]) -> Iterator[Floats]:
    """F of each with all before it: the bits of Hyyro's rows, for all others at once."""
    numbers: dict[str, int] = {}
    cut = [[numbers.setdefault(token, len(numbers)) for token in ascii_tokens(text)] for text in texts]
    lengths = np.array([len(one) for one in cut])
    # The longest first, so that at each place those that reach so far come first.
    order = np.argsort(-lengths, kind="stable")
    columns = [
        np.array([cut[row][place] for row in order if len(cut[row]) > place]) for place in range(int(lengths.max()))
    ]
    masks = np.zeros(len(numbers), np.uint64)
    for nth, own in enumerate(cut):
        shared = np.zeros(len(cut), np.int64)
        if len(own) > 64:
            shared[:nth] = [lcs_length(own, other) for other in cut[:nth]]
        else:
            for place, token in enumerate(own):
                masks[token] |= np.uint64(1) << np.uint64(place)
            rows = np.full(len(cut), ~np.uint64(0))
            for column in columns:
                part = rows[: len(column)]
                matched = part & masks[column]
                rows[: len(column)] = (part + matched) | (part ^ matched)
            masks[own] = 0
            full = np.uint64((1 << len(own)) - 1)
            shared[order] = len(own) - np.bitwise_count(rows & full).astype(np.int64)
        yield np.array(
            [
                rouge_f1(*one)
                for one in zip(shared[:nth].tolist(), repeat(len(own)), lengths[:nth].tolist(), strict=False)
            ]
        )


def sizes(claims: Claims, folder: Path, largest: int) -> None:
    """Seconds and memory by size, each in a process of its own; and how they grow."""
    limits = {52_000: (5.0, 1024), 500_000: (300.0, None)}
    seen: list[tuple[int, float]] = []
    for count in sorted([*(1_000 * 2**power for power in range(9)), *limits]):
        if count > largest:
            continue
        command = [sys.executable, __file__, "--data", str(folder), "--one", str(count)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        seconds, memory = told["seconds"], told["memory"]
        within, room = limits.get(count, (None, None))
        must = "reported" if within is None else f"<= {within:g} s" + (f", {room:,} MiB" if room else "")
        met = within is None or (seconds <= within and (room is None or memory <= room))
        growth = math.log(seconds / seen[-1][1]) / math.log(count / seen[-1][0]) if seen else 0.0
        seen.append((count, seconds))
        what = f"{count:,} texts, {told['kept']:,} kept; exponent since the last {growth:.2f}"
        claims.say(what, f"{seconds:.2f} s, {memory:,.0f} MiB", must, met)
    plot(seen)


def one(folder: Path, count: int) -> dict[str, float]:
    texts = made(folder, count)
    NoveltyFilter().add("é")  # what is made once in a process, such as the classes of marks
    seconds, found = timed(lambda: NoveltyFilter().add_all(texts))
    return {"seconds": seconds, "kept": sum(each.kept for each in found), "memory": highest_memory()}


def highest_memory() -> float:
    """In MiB, of this process alone: `ru_maxrss` would begin with that of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def plot(seen: Sequence[tuple[int, float]]) -> None:
    """Seconds against texts, both by powers of ten."""
    low = min(seconds for _, seconds in seen)
    for count, seconds in seen:
        print(f"{count:>9,} {'·' * round(12 * math.log10(seconds / low)) + 'o':<48} {seconds:.3f} s")


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def median(run: Callable[[], Any], rounds: int = 5) -> float:
    """The median of some runs."""
    return statistics.median(timed(run)[0] for _ in range(rounds))


if __name__ == "__main__":
    main()
