"""Timing one training done in several ways, each in a process of its own; for sft.py and preferences_speed.py."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Clock:
    """When each step ended."""

    ends: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, *_: Any) -> None:
        self.ends.append((time.process_time(), time.perf_counter()))

    def medians(self) -> dict[str, float]:
        """Seconds by the processor and by the clock of every step but the first, and peak memory in GiB."""
        pairs = list(zip(self.ends, self.ends[1:], strict=False))
        return {
            "processor": statistics.median(now[0] - before[0] for before, now in pairs),
            "clock": statistics.median(now[1] - before[1] for before, now in pairs),
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }


def tasks_file(script: str, data: Path) -> Path:
    """Alpaca's tasks in `data`; ends where they lack."""
    file = data / "alpaca-9k.jsonl"
    if not file.is_file():
        print(f"{script}: there is no {file}.", file=sys.stderr)
        sys.exit(2)
    return file


def told(script: str, way: str, threads: int) -> dict[str, Any]:
    """What `script` prints last, as JSON, when it is asked by `--way` for one way alone."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, script, "--way", way, *sys.argv[1:]]
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def as_line(name: str, one: dict[str, Any], ours: dict[str, Any] | None) -> str:
    """One way, and how many times the processor time of assay it took, where that is known."""
    text = (
        f"{name} {one['processor']:6.2f} s of the processor a step, {one['clock']:6.2f} by the clock; all "
        f"{one['all']:.0f} s; {one['memory']:.1f} GB; losses {' '.join(f'{loss:.4f}' for loss in one['losses'])}"
    )
    text += "".join(f"; {fact} {value:.3f}" for fact, value in one.get("facts", {}).items())
    return text if ours is None else f"{text}; {one['processor'] / ours['processor']:.2f} times assay's"
