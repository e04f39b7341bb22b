"""A tuning in several processes of this machine: torchrun starts them, each does `tune` on its part of every batch.

    torchrun --standalone --nproc-per-node 2 -m assay.components.trainers.sft.processes JOB.json

What the first of them has to tell it writes to standard output, one JSON object a line after `MARK`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from assay.components.trainers.sft.loop import Job, Tuned, tune
from assay.components.trainers.training_run import CHECKPOINTS, Tell
from assay.core import errors
from assay.core.errors import ModelError, UserError

MARK = "assay: "
"""Begins what is ours among whatever the libraries write."""
CAUSE = re.compile(r"\w*(Error|Exception)\b.*|.*(Signal|SIG[A-Z]+).*")
"""How a line begins or what it holds that says why a process ended."""


def launch(job: Job, tell: Tell) -> Tuned:
    """Does `job` in `job.processes` processes.

    Raises:
        UserError: As `tune`, or a process died.
    """
    import torch

    path = Path(job.folder) / CHECKPOINTS / "job.json"
    path.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={job.processes}"]
    search = [str(Path(__file__).parents[4]), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = str(max(1, torch.get_num_threads() // job.processes))
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [*command, "-m", __name__, str(path)],
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(search), "OMP_NUM_THREADS": threads},
        )
        with process:  # which closes the pipe
            try:
                tuned = _followed(process, tell)
                process.wait()
            finally:
                process.terminate()  # torchrun ends what it has started
        if tuned is None:
            complaints.seek(0)
            raise ModelError(
                f"One of {job.processes} processes that trained {job.model!r} died.", hint=_cause(complaints.read())
            )
    return tuned


def _followed(process: subprocess.Popen[str], tell: Tell) -> Tuned | None:
    assert process.stdout is not None
    tuned = None
    for line in process.stdout:
        if not line.startswith(MARK):
            continue
        told = json.loads(line.removeprefix(MARK))
        if "error" in told:
            kind: type[UserError] = getattr(errors, told["error"])
            raise kind(told["message"])
        if "step" in told:
            tell(told["step"], told["steps"])
        if "trained" in told:
            tuned = Tuned([(int(step), loss, rate) for step, loss, rate in told["history"]], told["trained"])
    return tuned


def _cause(said: str) -> str:
    """The last line that says why; the very last one where none does."""
    lines = [stripped for line in said.splitlines() if (stripped := line.strip())]
    return next((line for line in reversed(lines) if CAUSE.match(line)), lines[-1] if lines else "")


def main(path: str) -> None:
    """One of the processes."""
    job = msgspec.json.decode(Path(path).read_bytes(), type=Job)
    first = os.environ.get("RANK", "0") == "0"

    def say(**told: object) -> None:
        if first:
            sys.stdout.write(MARK + json.dumps(told) + "\n")
            sys.stdout.flush()

    try:
        tuned = tune(job, lambda step, steps: say(step=step, steps=steps))
    except UserError as error:
        say(error=type(error).__name__, message=str(error))
        sys.exit(2)
    say(history=tuned.history, trained=tuned.trained)


if __name__ == "__main__":
    main(sys.argv[1])
