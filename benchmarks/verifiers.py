"""How long checkable rewards take: each verifier by the answer, and code in processes beside Python's own start.

    python benchmarks/verifiers.py

Seconds of the clock. PassesTests is set against starting an empty Python as often, one at a time, in turn; so its ratio
holds what the fence, the tests and the second process cost, less what running several at once wins. Answers that never
end are bounded by the processor: each costs its limit, and no other answer waits longer than for its turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.scorers.verifiers.passes_tests import PassesTests
from assay.core.lab import Lab
from assay.core.roles import Scorer
from assay.core.sample import Sample
from assay.core.score import Score
from assay.models import OpenModels
from assay.store.images import StoredImages

LAB = Lab(0, OpenModels(), StoredImages([Path()]))
SCHEMA = {
    "type": "object",
    "properties": {"nth": {"type": "integer"}, "name": {"type": "string", "pattern": "^n"}},
    "required": ["nth", "name"],
}
RULES = FollowsFormat(all_of=("step",), matches="[0-9]+", max_words=500, max_sentences=90, language="en", complete=True)
PAIRS = "[[[1, 2], 3], [[0, 0], 0], [[-1, 1], 0]]"
ASSERTS = "assert add(1, 2) == 3\nassert add(0, 0) == 0\nassert add(-1, 1) == 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000, help="of the verifiers that start no process")
    parser.add_argument("--programs", type=int, default=100, help="different answers that are run")
    parser.add_argument("--hanging", type=int, default=4, help="of them that never end, in the last line; 0: none")
    options = parser.parse_args()
    for verifier, samples in without_processes(options.answers):
        seconds, right = timed(verifier, samples)
        print(f"{type(verifier).__name__:<14} {1e3 * seconds / len(samples):8.3f} ms an answer, {right} right")
    for name, tests in (("pairs", PAIRS), ("asserts", ASSERTS)):
        bare = clock(lambda: starts(options.programs))
        seconds, right = timed(PassesTests(), programs(options.programs, tests))
        again = clock(lambda: starts(options.programs))
        ratio = 2 * seconds / (bare + again)
        each = 1e3 * seconds / options.programs
        print(f"PassesTests, {name}: {each:.1f} ms an answer, {right} right; {ratio:.2f} times an empty Python's start")
    if options.hanging:
        samples = [*programs(options.programs, PAIRS), *hanging(options.hanging)]
        seconds, right = timed(PassesTests(cpu_seconds=1), samples)
        print(f"PassesTests, with {options.hanging} that never end: {seconds:.1f} s in all, {right} right")
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}")


def without_processes(count: int) -> list[tuple[Scorer, list[Sample]]]:
    """Answers of about 150 words, or a small object of JSON."""
    words = " ".join(f"In step {nth} we add {nth} and get a little more than before." for nth in range(12))
    numbers = [Sample({"text": f"{words}\n#### {nth}", "output": str(nth)}) for nth in range(count)]
    objects = [Sample({"text": f'```json\n{{"nth": {nth}, "name": "n{nth}"}}\n```'}) for nth in range(count)]
    ended = [Sample({"text": f"{words} It is {nth}."}) for nth in range(count)]
    return [(NumberEquals(), numbers), (JsonMatches(SCHEMA), objects), (RULES, ended)]


def programs(count: int, tests: str) -> list[Sample]:
    """Right ones, all different: equal ones would be run once."""
    return [
        Sample({"text": f"```python\ndef add(a, b):\n    return a + b + {nth} - {nth}\n```", "tests": tests})
        for nth in range(count)
    ]


def hanging(count: int) -> list[Sample]:
    return [Sample({"text": f"def add(a, b):\n    while True: a += {nth}", "tests": PAIRS}) for nth in range(count)]


def starts(count: int) -> None:
    for _ in range(count):
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


def timed(verifier: Scorer, samples: Sequence[Sample]) -> tuple[float, int]:
    """Seconds, and how many are right."""
    verifier.score(samples[:1], LAB)
    right = 0

    def work() -> None:
        nonlocal right
        right = sum(isinstance(one, Score) and one.value == 1 for one in verifier.score(samples, LAB))

    return clock(work), right


def clock(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
