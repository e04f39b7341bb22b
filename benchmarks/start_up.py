"""How long `import assay` and `assay --help` take: medians of fresh processes, and Python's own start beside them.

python benchmarks/start_up.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LIMIT = 0.3
"""Seconds that each may take, with Python's own start in it."""
COMMANDS = {
    "python itself": [sys.executable, "-c", "pass"],
    "import assay": [sys.executable, "-c", "import assay"],
    "assay --help": [sys.executable, "-m", "assay.cli.main", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    medians = {name: statistics.median(seconds(command, options.rounds)) for name, command in COMMANDS.items()}
    for name, median in medians.items():
        print(f"{name:<14} {median:.3f} s")
    worst = max(medians["import assay"], medians["assay --help"])
    print(f"the slower of the two takes {worst / LIMIT:.2f} of the {LIMIT} s it may take")


def seconds(command: list[str], rounds: int) -> list[float]:
    """Wall-clock time of each of `rounds` fresh processes; one before them warms the disk's cache."""
    found = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - started)
    return found[1:]


if __name__ == "__main__":
    main()
