"""Engine on a Ray cluster, or on a local Ray instance."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from assay.core.errors import UserError
from assay.core.roles import Work

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Ray:
    """Run shards as Ray tasks, at most `in_flight` at once. The run folder must be on a disk shared by all nodes."""

    address: str | None = None
    """Address of a cluster; None uses RAY_ADDRESS, or starts a local instance."""
    in_flight: int = 64
    cpus: int = 0
    """CPUs per task; 0 for all CPUs of this machine."""
    gpus: float = 0.0
    """GPUs per task."""

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]:
        """Results in the order of the shards. Exceptions of tasks are re-raised.

        Raises:
            UserError: Ray is not installed, cannot be reached, or lost a task.
        """
        if not shards:
            return
        ray = _ray()
        cpus = self.cpus or os.cpu_count() or 1
        self._connect(ray, cpus)
        remote_function: Any = ray.remote(num_cpus=cpus, num_gpus=self.gpus)(_perform)
        work_reference = ray.put(work)
        tasks = [remote_function.remote(work_reference, shard) for shard in shards[: self.in_flight]]
        for nth in range(len(shards)):
            yield _result(ray, tasks[nth])
            tasks[nth] = None  # lets Ray free the result
            if (ahead := nth + self.in_flight) < len(shards):
                tasks.append(remote_function.remote(work_reference, shards[ahead]))

    def _connect(self, ray: Any, cpus: int) -> None:
        if ray.is_initialized():
            return
        num_cpus = None if self.address or os.environ.get("RAY_ADDRESS") else cpus
        try:
            ray.init(
                address=self.address,
                num_cpus=num_cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f"Ray cannot be started or reached: {' '.join(str(error).split())}") from error


def _ray() -> Any:
    # Disables Ray's hint on standard error about accelerators.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError("The engine 'ray' needs Ray.", hint="pip install 'assay[ray]'") from error
    return ray


def _result(ray: Any, task: Any) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        # Ray wraps exceptions of tasks in a class whose text is a traceback.
        raise error.cause from error
    except ray.exceptions.RayError as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"Ray lost a task, most often because memory ran out: {first}",
            hint="Finished shards are kept. Run the same command again to resume.",
            engine="Ray",
        ) from error


def _perform(work: Any, shard: Any) -> Any:
    """Function of a Ray task; a module-level function, so that only its arguments are pickled."""
    return work(shard)
