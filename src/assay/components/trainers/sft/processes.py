"""Supervised fine-tuning in several processes of this machine: torchrun starts them, and each calls `tune`.

    torchrun --standalone --nproc-per-node 2 -m assay.components.trainers.sft.processes JOB.json

The first process reports progress and results on standard output, one JSON object per line after `MARK`.
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

from assay.components.trainers.sft.loop import SFTJob, SFTResult, tune
from assay.components.trainers.training_run import CHECKPOINTS, Progress
from assay.core import errors
from assay.core.errors import ModelError, UserError

MARK = "assay: "
"""Prefix of our lines among the output of the libraries."""
CAUSE = re.compile(r"\w*(Error|Exception)\b.*|.*(Signal|SIG[A-Z]+).*")
"""A line that gives the reason why a process ended."""


def launch(job: SFTJob, progress: Progress) -> SFTResult:
    """Train in `job.processes` processes.

    Raises:
        UserError: As `tune`, or a process died.
    """
    import torch

    path = Path(job.config.folder) / CHECKPOINTS / "job.json"
    path.write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={job.processes}"]
    search = [str(Path(__file__).parents[4]), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = str(max(1, torch.get_num_threads() // job.processes))
    with tempfile.TemporaryFile("w+") as errors_file:
        process = subprocess.Popen(
            [*command, "-m", __name__, str(path)],
            stdout=subprocess.PIPE,
            stderr=errors_file,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(search), "OMP_NUM_THREADS": threads},
        )
        with process:  # which closes the pipe
            try:
                tuned = _follow(process, progress)
                process.wait()
            finally:
                process.terminate()  # torchrun ends the processes it started
        if tuned is None:
            errors_file.seek(0)
            raise ModelError(
                f"One of {job.processes} processes that trained {job.config.model!r} died.",
                hint=_cause(errors_file.read()),
                model=job.config.model,
                processes=job.processes,
            )
    return tuned


def _follow(process: subprocess.Popen[str], progress: Progress) -> SFTResult | None:
    """Pass on progress until the output ends; the result, if the process reported one."""
    assert process.stdout is not None
    tuned = None
    for line in process.stdout:
        if not line.startswith(MARK):
            continue
        message = json.loads(line.removeprefix(MARK))
        if "error" in message:
            kind: type[UserError] = getattr(errors, message["error"])
            raise kind(message["message"], hint=message["hint"], **message["fields"])
        if "step" in message:
            progress(message["step"], message["steps"])
        if "trained" in message:
            tuned = SFTResult([(int(step), loss, rate) for step, loss, rate in message["history"]], message["trained"])
    return tuned


def _cause(output: str) -> str:
    """The last line of `output` that names a cause; the very last line if none does."""
    lines = [stripped for line in output.splitlines() if (stripped := line.strip())]
    return next((line for line in reversed(lines) if CAUSE.match(line)), lines[-1] if lines else "")


def main(path: str) -> None:
    """Run one of the processes."""
    job = msgspec.json.decode(Path(path).read_bytes(), type=SFTJob)
    first = os.environ.get("RANK", "0") == "0"

    def send(**message: object) -> None:
        if first:
            sys.stdout.write(MARK + json.dumps(message) + "\n")
            sys.stdout.flush()

    try:
        tuned = tune(job, lambda step, steps: send(step=step, steps=steps))
    except UserError as error:
        fields = {name: value for name, value in error.fields.items() if isinstance(value, str | int | float)}
        send(error=type(error).__name__, message=error.message, hint=error.hint, fields=fields)
        sys.exit(2)
    send(history=tuned.history, trained=tuned.trained)


if __name__ == "__main__":
    main(sys.argv[1])
