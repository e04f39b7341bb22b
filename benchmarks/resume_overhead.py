"""How long a run takes that has nothing left to do, against the run that did it all.

    python benchmarks/resume_overhead.py runs/fashion

RUN is a finished run. Prints the median of several fresh processes of `assay run`, and the ratio to the work that the
receipts tell of: what the cache saves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    work = sum(
        json.loads(receipt.read_text(encoding="utf-8"))["seconds"] for receipt in options.run.glob("*/receipt.json")
    )
    command = [
        sys.executable, "-m", "assay.cli.main", "run", str(options.run / "recipe.yaml"), "--out", str(options.run),
    ]  # fmt: skip
    seconds = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    print(json.dumps({"seconds": [round(s, 2) for s in seconds], "median": round(median, 2)}))
    print(f"everything cached: {median:.2f} s, {work / median:.0f} times faster than the {work:.0f} s of work it saves")


if __name__ == "__main__":
    main()
